//! Explains refusals that no role removes: what refuses, and who can change that.

use super::message::{Failure, first_line};
use crate::{
    azure::{Blocked, DisallowingPolicy, RefusedAction},
    exit::Exit,
};

pub fn blocked(by: &Blocked, message: &str) -> Failure {
    match by {
        Blocked::Policy { policies, reasons, by_azure } => policy(policies, reasons.as_deref(), *by_azure, message),
        Blocked::Deny { name, id, at, refused } => deny(name.as_deref(), id.as_deref(), at.as_deref(), refused, message),
        Blocked::Condition { refused } => conditional(refused, None, message),
        Blocked::Subscription => Failure::new(Exit::Failed, "the subscription is disabled and can only be read")
            .because(first_line(message))
            .hint("No role changes that: the account owner enables the subscription again (Azure portal, Subscriptions)."),
    }
}

fn policy(policies: &[DisallowingPolicy], reasons: Option<&str>, by_azure: bool, message: &str) -> Failure {
    let who = if by_azure { "Azure" } else { "Azure Policy" };
    let mut failure = Failure::new(Exit::Failed, format!("{who} rejected the request"));
    for policy in policies {
        failure = failure.because(named(policy));
        failure = policy.compared.iter().fold(failure, |f, compared| f.because(compared.clone()));
    }
    if let Some(reasons) = reasons {
        failure = failure.because(reasons.to_owned());
    }
    if policies.is_empty() || by_azure {
        failure = failure.because(first_line(message));
    }
    for id in policies.iter().filter_map(|p| p.assignment_id.as_deref()) {
        if let Some((scope, name)) = split(id, "policyassignments") {
            failure = failure.hint(format!("See what the policy asks for: `az policy assignment show --name {name} --scope {scope}`."));
        }
    }
    failure.hint(
        "No role helps against a policy: create the resource as the policy wants it (podid uses one that is there), or ask the policy's owner for an exemption.",
    )
}

fn named(policy: &DisallowingPolicy) -> String {
    let with_id = |name: Option<&String>, id: Option<&String>| match (name, id) {
        (Some(name), Some(id)) if name != id => Some(format!("'{name}' ({id})")),
        (Some(one), _) | (None, Some(one)) => Some(format!("'{one}'")),
        (None, None) => None,
    };
    let assignment = with_id(policy.assignment.as_ref(), policy.assignment_id.as_ref());
    let definition = with_id(policy.definition.as_ref(), policy.definition_id.as_ref());
    match (assignment, definition) {
        (Some(assignment), Some(definition)) => format!("the policy assignment {assignment} of the definition {definition} blocks it"),
        (Some(assignment), None) => format!("the policy assignment {assignment} blocks it"),
        (None, Some(definition)) => format!("the policy {definition} blocks it"),
        (None, None) => "a policy blocks it; the response does not name the policy".to_owned(),
    }
}

fn deny(name: Option<&str>, id: Option<&str>, at: Option<&str>, refused: &RefusedAction, message: &str) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("a deny assignment forbids {}", action(refused)));
    let failure = match (name, id) {
        (Some(name), Some(id)) => failure.because(format!("the deny assignment '{name}' ({id}) holds at {}", at.unwrap_or("this scope"))),
        (Some(one), None) | (None, Some(one)) => {
            failure.because(format!("the deny assignment '{one}' holds at {}", at.or(refused.scope.as_deref()).unwrap_or("this scope")))
        }
        (None, None) => failure.because(first_line(message)),
    };
    let failure = at_scope(failure, refused);
    let failure = match at.and_then(cluster_of) {
        Some((group, cluster)) => failure.hint(format!(
            "This is the node resource group of the cluster {cluster}. If AKS locks it, unlock it: `az aks update -g {group} -n {cluster} --nrg-lockdown-restriction-level Unrestricted`."
        )),
        None => failure,
    };
    let failure = match at.or(refused.scope.as_deref()).filter(|scope| scope.starts_with('/') && !scope.contains(',')) {
        Some(scope) => failure.hint(format!(
            "See who made the deny assignment: `az rest --method get --url \"{scope}/providers/Microsoft.Authorization/denyAssignments?api-version=2022-04-01\"`."
        )),
        None => failure,
    };
    failure.hint("No role helps against a deny assignment: what made it (AKS, a managed application, a deployment stack) has to lift it.")
}

/// Splits `MC_GROUP_CLUSTER_LOCATION`, the default name of a node resource group in AKS. None if an underscore makes that ambiguous.
fn cluster_of(scope: &str) -> Option<(String, String)> {
    let group = scope.split('/').skip_while(|segment| !segment.eq_ignore_ascii_case("resourceGroups")).nth(1)?;
    match group.split('_').collect::<Vec<_>>().as_slice() {
        [mc, group, cluster, _] if mc.eq_ignore_ascii_case("MC") => Some(((*group).to_owned(), (*cluster).to_owned())),
        _ => None,
    }
}

/// Explains a refusal by a condition. `condition` is the text of the service.
pub(super) fn conditional(refused: &RefusedAction, condition: Option<&str>, message: &str) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("the condition on a role of {} does not allow {}", who(refused), action(refused)));
    let failure = match condition {
        Some(condition) => failure.because(condition.to_owned()),
        None if refused.action.is_none() => failure.because(first_line(message)),
        None => failure.because("a role allows the action, but only under a condition (ABAC) that this request does not fulfil"),
    };
    let failure = at_scope(failure, refused);
    let failure = match &refused.caller {
        Some(caller) => failure.hint(format!(
            "See the condition: `az role assignment list --all --assignee {caller} --include-inherited --query \"[?condition!=null].{{role:roleDefinitionName,scope:scope,condition:condition}}\"`."
        )),
        None => failure,
    };
    failure.hint("A second role with the same condition does not help: whoever assigned it has to widen the condition, or assign the role without one.")
}

fn who(refused: &RefusedAction) -> String {
    refused.caller.as_ref().map_or_else(|| "this login".to_owned(), |id| format!("this login ({id})"))
}

fn action(refused: &RefusedAction) -> &str {
    refused.action.as_deref().unwrap_or("this")
}

/// Adds the scope as a cause: a refusal is then reported once for all actions that it stops.
fn at_scope(failure: Failure, refused: &RefusedAction) -> Failure {
    match &refused.scope {
        Some(scope) => failure.because(format!("the action was refused at {}", assigned_to(scope))),
        None => failure,
    }
}

/// Splits scope and name of an id that ends in `/providers/Microsoft.Authorization/KIND/NAME`.
fn split<'a>(id: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let lead = format!("/providers/microsoft.authorization/{kind}/");
    let at = id.to_ascii_lowercase().find(&lead)?;
    Some((id.get(..at)?, id.get(at + lead.len()..)?)).filter(|(scope, name)| !scope.is_empty() && !name.is_empty())
}

/// Returns the scope that a role assignment is for.
pub(super) fn assigned_to(scope: &str) -> &str {
    const ASSIGNMENT: &str = "/providers/microsoft.authorization/roleassignments/";
    scope.to_ascii_lowercase().find(ASSIGNMENT).and_then(|at| scope.get(..at)).unwrap_or(scope)
}

#[cfg(test)]
mod tests {
    use crate::{
        azure::{Blocked, RefusedAction},
        failure::Failure,
    };

    fn told(by: &Blocked) -> String {
        let Failure { message, causes, hints, .. } = super::blocked(by, "m");
        format!("{message}\n{}\n{}", causes.join("\n"), hints.join("\n"))
    }

    #[test]
    fn the_hint_for_a_locked_node_group_names_the_cluster_if_the_group_name_does() {
        let deny = |at: &str| {
            told(&Blocked::Deny {
                name: Some("lock".into()),
                id: Some("abc".into()),
                at: Some(at.into()),
                refused: RefusedAction::default(),
            })
        };
        assert!(
            deny("/subscriptions/s/resourceGroups/MC_lab_aks-mi_westeurope")
                .contains("`az aks update -g lab -n aks-mi --nrg-lockdown-restriction-level Unrestricted`")
        );
        for other in ["/subscriptions/s/resourceGroups/MC_my_lab_aks_westeurope", "/subscriptions/s/resourceGroups/app"] {
            assert!(!deny(other).contains("az aks update"), "{other}");
        }
    }

    #[test]
    fn no_hint_recommends_a_role() {
        let refused = RefusedAction { action: Some("A/write".into()), scope: Some("/s".into()), caller: Some("o".into()) };
        for by in [
            Blocked::Policy { policies: Vec::new(), reasons: None, by_azure: false },
            Blocked::Deny { name: None, id: None, at: None, refused: refused.clone() },
            Blocked::Condition { refused },
            Blocked::Subscription,
        ] {
            let text = told(&by);
            assert!(!text.contains("Ask for a role") && !text.contains("az role assignment create"), "{text}");
        }
    }
}
