//! Explains Azure's errors. For a 403 it names the action, the scope, and a role that allows it.

use super::message::{Failure, first_line};
use crate::{
    azure::{Error, LoginMethod, RefusedAction, pod_identities::LACKS_OPERATOR},
    exit::Exit,
    resources::{kind::HintScope, role_for},
};

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        if let Some(told) = super::clusters::explained(error) {
            return told;
        }
        match error {
            Error::NotLoggedIn { tried } => {
                let failure = Self::new(Exit::Failed, "no Azure login was found");
                // credentials that are not configured are reported together, as one cause
                let unset = |why: &str| why.strip_suffix(" is not set").map(str::to_owned);
                let variables: Vec<String> = tried.iter().filter_map(|(_, why)| unset(why)).collect();
                let failure = if variables.is_empty() { failure } else { failure.because(format!("not set: {}", variables.join(", "))) };
                let others = tried.iter().filter(|(_, why)| unset(why).is_none() && why != "none is given");
                let failure = others.fold(failure, |f, (credential, why)| f.because(format!("{credential}: {why}")));
                failure.hint("Log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE).")
                    .hint("To try podid without an account, add `--sandbox`.")
            }
            Error::MethodUnusable { method, tried } => {
                let failure = Self::new(Exit::Failed, error.to_string());
                let failure = tried.iter().fold(failure, |f, (credential, why)| {
                    f.because(if why.ends_with(" not set") { why.clone() } else { format!("{credential}: {why}") })
                });
                failure.hint(setting_up(*method)).hint("Or leave out `--auth` (and PODID_AUTH): podid takes the first login that is there.")
            }
            Error::LoginRefused { code, message } if is_conditional_access(code) => {
                Self::new(Exit::Failed, format!("a Conditional Access policy of the tenant refuses the login: {code}"))
                    .because(message.clone())
                    .hint("Log in the way the policy asks for (a second factor, a known device or network), for instance with `az login`.")
                    .hint("For a service principal, ask the tenant's administrator to except it; the sign-in logs of Entra name the policy. No role and no new secret helps.")
            }
            Error::LoginRefused { code, message } => Self::new(Exit::Failed, format!("the login was refused: {code}"))
                .because(message.clone())
                .hint("Check tenant, client id and secret, which may have expired. Log in again with `az login`, or set the AZURE_ variables again."),
            Error::Variable { name } => Self::new(Exit::Usage, error.to_string())
                .hint(format!("Set it again without: `export {name}=\"$(printf %s \"${name}\" | tr -d '[:cntrl:]')\"`.")),
            Error::Unreachable { host, cause } => Self::new(Exit::Failed, format!("could not reach {host}"))
                .because(cause.clone())
                .hint("Check the network, and HTTPS_PROXY and NO_PROXY if there is a proxy."),
            Error::Untrusted { host, cause } => Self::new(Exit::Failed, format!("{host} shows a certificate that is not trusted"))
                .because(cause.clone())
                .hint("If a proxy opens TLS here, name its CA in SSL_CERT_FILE."),
            Error::Forbidden { code, message, action, scope, caller } => match (action, scope) {
                (Some(action), Some(vault)) if code == "ForbiddenByPolicy" => no_policy(action, vault, caller.as_deref()),
                (Some(_), _) if decision_reason(message).is_some() => {
                    let refused = RefusedAction { action: action.clone(), scope: scope.clone(), caller: caller.clone() };
                    super::blocked::conditional(&refused, decision_reason(message), message)
                }
                (Some(action), scope) => forbidden(message, action, scope.as_deref(), caller.as_deref()),
                (None, _) => unnamed(code, message),
            },
            Error::Blocked { message, by, .. } => super::blocked::blocked(by, message),
            Error::NotFound { code, message } if code == "SubscriptionNotFound" => Self::new(Exit::Refused, message.clone())
                .hint("Name a subscription that this login can see with `--subscription` (`az account list -o table` shows them)."),
            Error::NotFound { message, .. } => Self::new(Exit::Failed, message.clone()),
            Error::Conflict { code, message } => Self::new(Exit::Failed, format!("{code}: {message}")).hint(way_out_of(code, message)),
            Error::Throttled { message, after } => {
                let failure = Self::new(Exit::Failed, format!("Azure limits the rate of requests: {message}"));
                let wait = after.map_or_else(|| "in a few minutes".to_owned(), |a| format!("in {} s", a.as_secs().max(1)));
                failure.hint(format!("Run the same command again {wait}; with a lower `--parallelism`, podid sends fewer requests at once."))
            }
            Error::NotYet { what, waited } => {
                Self::new(Exit::Failed, format!("{what} is still not visible after {:.0} s", waited.as_secs_f64()))
                    .hint("Azure can take up to 10 minutes: run the same command again, or give it longer with `--timeout`.")
            }
            Error::Refused { code, message, .. } if code == LACKS_OPERATOR => {
                Self::new(Exit::Failed, "an entry of the pod identity add-on fails every change of the cluster")
                    .because(message.clone())
                    .hint("Remove the entry that leads to this identity: `az aks pod-identity list -g GROUP --cluster-name CLUSTER` (of the extension aks-preview) shows all of them; or give the cluster's control plane the role Managed Identity Operator on the identity.")
            }
            Error::Refused { code, message, .. } => Self::new(Exit::Failed, format!("{code}: {message}")),
            Error::Failed { status, code, message } => Self::new(Exit::Failed, format!("Azure failed with {status} {code}: {message}"))
                .hint("Run the same command again; completed changes are recorded and not repeated."),
            Error::TimedOut(after) => {
                Self::new(Exit::Failed, format!("time ran out after {:.0} s", after.as_secs_f64())).hint("Give it longer with `--timeout`.")
            }
            Error::NotDone { message, way_out } => Self::new(Exit::Failed, message.clone()).hint(way_out.clone()),
            Error::TooLarge { what, host, most } => Self::new(Exit::Failed, format!("could not read {what} from {host}"))
                .because(format!("it is larger than {most}, the most that podid reads of its kind"))
                .hint(not_azure(host)),
            Error::EndlessList { host, why } => {
                Self::new(Exit::Failed, format!("could not read a list from {host}")).because(why.clone()).hint(not_azure(host))
            }
            Error::ForeignAddress { what, given, expected } => {
                let name = what.rsplit_once('/').map_or("NAME", |(_, name)| name);
                Self::new(Exit::Refused, format!("could not use {what}: its address is unexpected"))
                    .because(format!("the address is {given:?}, and {expected} was expected"))
                    .because("a token for vaults and secrets would go there; nothing was sent")
                    .hint(format!("Compare it with `az keyvault show --name {name} --query properties.vaultUri`, from another network if you can."))
                    .hint("If the saved state has it, rebuild the state: `podid state rebuild`.")
            }
            Error::Protocol(what) => Self::new(Exit::Failed, "could not parse a response of Azure").because(what.clone()),
        }
    }
}

/// Returns the hint for a login method that is not there.
fn setting_up(method: LoginMethod) -> &'static str {
    match method {
        LoginMethod::Az => "Log in with `az login`.",
        LoginMethod::Azd => "Log in with `azd auth login`.",
        LoginMethod::Environment => "Set the tenant, the client id and the secret of a service principal.",
        LoginMethod::WorkloadIdentity => {
            "The webhook of Workload ID sets them in pods with the label `azure.workload.identity/use: \"true\"` whose service account is bound: `podid bind --mode workload-identity --namespace NAMESPACE --identity NAME`."
        }
        LoginMethod::GitHub => {
            "Give the job `permissions: id-token: write`, set AZURE_TENANT_ID and AZURE_CLIENT_ID of the identity in its `env`, and let the identity accept it: `podid identity federate NAME --to github/ORG/REPO:ref:BRANCH`."
        }
        LoginMethod::AzurePipelines => {
            "Run podid in a task AzureCLI@2 of the service connection, with `SYSTEM_ACCESSTOKEN: $(System.AccessToken)` in its `env`."
        }
        LoginMethod::ManagedIdentity => "Run podid on a machine of Azure with a managed identity (`az vm identity assign`).",
    }
}

fn not_azure(host: &str) -> String {
    format!(
        "The response does not come from Azure. Check for a proxy between this machine and {host} (HTTPS_PROXY, SSL_CERT_FILE); `-vv` shows each request."
    )
}

/// Returns whether a code is one of Entra's for a correct login that a Conditional Access policy or a second factor blocks.
fn is_conditional_access(code: &str) -> bool {
    const CODES: &[&str] =
        &["50005", "50076", "50079", "50097", "50131", "50158", "53000", "53001", "53002", "53003", "53004", "530032", "530034"];
    code.strip_prefix("AADSTS").is_some_and(|number| CODES.contains(&number))
}

/// Returns the hint for a 409: wait, or remove a cause first.
fn way_out_of(code: &str, message: &str) -> String {
    match code {
        "MissingSubscriptionRegistration" => {
            let quoted = message.split_once("namespace '").and_then(|(_, rest)| rest.split_once('\''));
            let namespace = quoted.map_or("NAMESPACE", |(namespace, _)| namespace);
            format!(
                "Register it once for the subscription: `az provider register --namespace {namespace} --wait`; then run the same command again."
            )
        }
        "ScopeLocked" => locked(message),
        "ResourceGroupBeingDeleted" => {
            let group = message.split_once("group '").and_then(|(_, rest)| rest.split_once('\'')).map(|(group, _)| group);
            let wait = group.map(|group| format!(" (`az group wait --deleted --name {group}`)")).unwrap_or_default();
            format!("Wait until the group is deleted{wait} and create it again, or name another one.")
        }
        "RoleAssignmentExists" => "The role was assigned at the same time. Run the same command again.".to_owned(),
        _ => "Somebody else may be changing the same thing: run the same command again.".to_owned(),
    }
}

/// Returns the hint for a lock, with the scope in `…because following scope(s) are locked: 'SCOPE'. Please remove the lock…`
fn locked(message: &str) -> String {
    let scopes = message.split_once("are locked: '").and_then(|(_, rest)| rest.split_once('\''));
    let scopes = scopes.map_or(Vec::new(), |(scopes, _)| scopes.split(',').map(str::trim).collect::<Vec<_>>());
    let Some(scope) = scopes.first() else {
        return "A lock forbids it, and no role helps: see it with `az lock list`, and take it off with `az lock delete --ids LOCK-ID`, or leave the resource as it is.".to_owned();
    };
    format!(
        "A lock on {scope} forbids it, and no role helps. See it with `az rest --method get --url \"{scope}/providers/Microsoft.Authorization/locks?api-version=2016-09-01\"`; whoever set it takes it off with `az lock delete`, or leave the resource as it is."
    )
}

/// Returns Key Vault's `DecisionReason: …` if it is about a condition.
fn decision_reason(message: &str) -> Option<&str> {
    let reason = message.lines().find_map(|line| line.trim().strip_prefix("DecisionReason:"))?.trim();
    reason.to_ascii_lowercase().contains("condition").then_some(reason)
}

/// Explains a 403 whose text names no action.
fn unnamed(code: &str, message: &str) -> Failure {
    let (what, hint) = match code {
        "Authorization_RequestDenied" => (
            "this login may not read the directory",
            "The Entra role Directory Readers allows it, as does the Graph permission Application.Read.All: an administrator of the tenant grants either.".to_owned(),
        ),
        // both were observed for a secret with `enabled: false`
        "AccessDenied" | "SecretDisabled" => (
            "not allowed",
            // `of_node` inserts the names, which the response does not have
            "The secret may be disabled. Enable it: `az keyvault secret set-attributes --vault-name VAULT --name NAME --enabled true`.".to_owned(),
        ),
        "ForbiddenByFirewall" => ("the vault's firewall blocks this machine", firewall(message)),
        "ForbiddenByConnection" => ("the vault's firewall blocks this machine", no_public_network(message)),
        _ => ("not allowed", "Ask for a role that allows it.".to_owned()),
    };
    Failure::new(Exit::Failed, what).because(first_line(message)).hint(hint)
}

/// Returns the text after `NAME: ` on a line of its own, up to a semicolon.
fn line<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let rest = message.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'))?;
    rest.split(';').next().map(str::trim).filter(|value| !value.is_empty() && !value.contains(' '))
}

fn firewall(message: &str) -> String {
    match (line(message, "Vault"), line(message, "Client address")) {
        (Some(vault), Some(address)) => format!(
            "Allow its address: `az keyvault network-rule add --name {vault} --ip-address {address}`, or run podid in a network that can reach the vault."
        ),
        _ => "Allow its address (`az keyvault network-rule add` takes the vault's name and the address), or run podid in a network that can reach the vault.".to_owned(),
    }
}

/// Returns the hint for a vault without a public endpoint, where a network rule does not help.
fn no_public_network(message: &str) -> String {
    let change = line(message, "Vault")
        .map(|vault| format!(", or open it: `az keyvault update --name {vault} --public-network-access Enabled`"))
        .unwrap_or_default();
    format!("The vault has no public network access: run podid in its network{change}.")
}

/// Explains a refusal by a vault's access policies, where a role does not help. `action` is such as `secrets get`.
fn no_policy(action: &str, vault: &str, caller: Option<&str>) -> Failure {
    let who = caller.map_or_else(|| "this login".to_owned(), |id| format!("this login ({id})"));
    let (of, permission) = action.split_once(' ').unwrap_or(("secrets", action));
    let failure = Failure::new(Exit::Failed, format!("{who} may not do {action}"));
    let failure = failure.because(format!("no access policy of the vault {vault} allows that"));
    let kind = of.trim_end_matches('s');
    match caller {
        Some(caller) => failure.hint(format!(
            "An access policy allows it: `az keyvault set-policy --name {vault} --object-id {caller} --{kind}-permissions {permission}`. It replaces the other {kind} permissions, so name those, too."
        )),
        None => failure.hint(format!("An access policy of the vault {vault} with the {kind} permission {permission} allows it.")),
    }
}

/// Explains a forbidden action. The scope is a cause and not part of the message, so that a missing role is reported once for all actions.
fn forbidden(message: &str, action: &str, scope: Option<&str>, caller: Option<&str>) -> Failure {
    let who = caller.map_or_else(|| "this login".to_owned(), |id| format!("this login ({id})"));
    let failure = Failure::new(Exit::Failed, format!("{who} may not do {action}"));
    let Some(scope) = scope else { return failure.because(first_line(message)).hint("Ask for a role that allows it.") };
    let failure = failure.because(format!("none of its role assignments allows this at {}", super::blocked::assigned_to(scope)));
    let Some(known) = role_for(action) else {
        return failure.hint("Ask for a role that allows it. A new role takes up to 10 minutes.");
    };
    let (role, at) = (known.role, grantable(known.scope, scope));
    match caller {
        Some(caller) => failure.hint(format!(
            "The role {role} allows it: `az role assignment create --role \"{role}\" --assignee {caller} --scope {at}`. A new role takes up to 10 minutes."
        )),
        None => failure.hint(format!("The role {role} at {at} allows it. A new role takes up to 10 minutes.")),
    }
}

/// Returns the scope at which to ask for a role; it is a part of the refused scope.
fn grantable(at: HintScope, scope: &str) -> &str {
    let scope = super::blocked::assigned_to(scope);
    let segments = |count: usize| scope.match_indices('/').nth(count + 1).and_then(|(at, _)| scope.get(..at)).unwrap_or(scope);
    // /subscriptions/ID/resourceGroups/NAME/providers/Microsoft.KeyVault/vaults/NAME
    match at {
        HintScope::Subscription => segments(1),
        HintScope::Group => segments(3),
        HintScope::Resource => segments(7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(code: &str, action: Option<&str>, scope: Option<&str>) -> Failure {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (code, message) = (code.to_owned(), "m".to_owned());
        Failure::from(&Error::Forbidden { code, message, action: owned(action), scope: owned(scope), caller: Some("o-1".to_owned()) })
    }

    #[test]
    fn a_refusal_by_access_policies_has_a_hint_about_policies() {
        let failure = forbidden("ForbiddenByPolicy", Some("secrets get"), Some("kv"));
        assert_eq!(failure.message, "this login (o-1) may not do secrets get");
        assert_eq!(failure.causes, ["no access policy of the vault kv allows that"]);
        assert_eq!(
            failure.hints,
            [
                "An access policy allows it: `az keyvault set-policy --name kv --object-id o-1 --secret-permissions get`. It replaces the other secret permissions, so name those, too."
            ]
        );
    }

    #[test]
    fn a_403_without_an_action_is_told_by_its_code() {
        let hint = |code: &str| forbidden(code, None, None).hints.join(" ");
        assert!(hint("Authorization_RequestDenied").contains("Directory Readers"));
        assert!(hint("AccessDenied").contains("--enabled true"));
        assert!(hint("ForbiddenByFirewall").contains("network-rule add"));
    }

    #[test]
    fn an_unregistered_provider_is_reported_with_the_command_that_registers_it() {
        let hint = |code: &str, message: &str| {
            Failure::from(&Error::Conflict { code: code.to_owned(), message: message.to_owned() }).hints.join(" ")
        };
        let missing = "The subscription is not registered to use namespace 'Microsoft.KeyVault'. See https://aka.ms/rps-not-found";
        assert!(hint("MissingSubscriptionRegistration", missing).contains("`az provider register --namespace Microsoft.KeyVault --wait`"));
        assert!(hint("ScopeLocked", "m").contains("az lock delete"));
        assert!(hint("ConflictError", "m").starts_with("Somebody else"));
    }
}
