//! The edges from an identity to the secrets of a vault.

use crate::{
    access::{Doubt, Verdict, shown_principal, verdict},
    azure::Vault,
    chain::edge::{Edge, EdgeNode},
    survey::Survey,
};

/// The edges from an identity to a secret: the grant, and the secret itself. `secret`: None where no one in particular is meant: then only the
/// grant. `principal`: None where the identity's object id is not known.
pub fn edges(survey: &Survey, identity: &EdgeNode, principal: Option<&str>, vault: &str, secret: Option<&str>) -> Vec<Edge> {
    let (to, by) = (EdgeNode::new("Vault", vault), "grant");
    let Some(found) = survey.azure.vault(vault) else {
        let edge = match &survey.azure.vaults.gap {
            Some(gap) => Edge::unknown(identity, &to, by, format!("the {} could not be read: {}", gap.what, gap.why)),
            None if survey.azure.subscription.is_none() => Edge::unknown(identity, &to, by, "Azure was not asked"),
            None => Edge::missing(identity, &to, by, format!("there is no vault {vault} in the subscription"))
                .hint(format!("Create it, or look for its name: `podid vault list`. A vault of another subscription is not looked at: --subscription. A deleted one is recovered by `podid vault create -n {vault} --recover`.")),
        };
        return vec![edge];
    };
    let grant = grant_edge(survey, identity, principal, found, secret);
    std::iter::once(grant).chain(secret.map(|secret| secret_edge(survey, &to, found, secret))).collect()
}

fn grant_edge(survey: &Survey, identity: &EdgeNode, principal: Option<&str>, vault: &Vault, secret: Option<&str>) -> Edge {
    let (name, by) = (vault.id.name(), if vault.rbac { "role" } else { "access policy" });
    let to = EdgeNode::new("Vault", name);
    let Some(principal) = principal else { return Edge::unknown(identity, &to, by, "the identity's object id is not known") };
    match verdict(survey, vault, principal, secret) {
        Verdict::Given(reader) => Edge::there(identity, &to, reader.way(survey)),
        Verdict::NotUnderstood(reader) => {
            let why = match secret {
                Some(_) => "the role counts only under its condition, which podid does not understand",
                None => "the role counts only under its condition",
            };
            Edge::unknown(identity, &to, reader.way(survey), why)
        }
        Verdict::KeptOut(reader) => {
            let why = format!("the condition of the role keeps out the secret {}", secret.unwrap_or_default());
            let adopt = if reader.is_in_the_way(vault) { " --adopt" } else { "" };
            let grant = format!("podid vault grant --vault {name} --to identity/{}{adopt}", identity.name);
            Edge::missing(identity, &to, reader.way(survey), why).hint(format!("Give the right without a condition: `{grant}`."))
        }
        Verdict::Denied { by: denial, reader: Some(reader) } => {
            Edge::missing(identity, &to, reader.way(survey), format!("the deny assignment {denial} takes it away again"))
        }
        Verdict::Denied { by: denial, reader: None } => {
            Edge::missing(identity, &to, by, format!("the deny assignment {denial} forbids it, and no role allows it either"))
        }
        Verdict::Unknown { doubt: Doubt::Unread(why), .. } => Edge::unknown(identity, &to, by, why),
        Verdict::Unknown { doubt: Doubt::Member { group }, reader } => {
            // an access policy does not say whether its principal is a group
            let word = if reader.as_ref().is_some_and(|reader| reader.kind.is_none()) { "" } else { "the group " };
            let has = reader.map_or_else(|| "a deny assignment".to_owned(), |reader| reader.grant.shown());
            let group = shown_principal(survey, &group);
            Edge::unknown(identity, &to, by, format!("{word}{group} has {has}, and whether {identity} is a member of it could not be read"))
        }
        Verdict::Missing(near) => {
            let why = match vault.rbac {
                true => format!("no role of {identity} lets it read secrets of {name}"),
                false => format!("no access policy of {name} lets {identity} get secrets"),
            };
            let near = near.map(|near| format!(": {near}")).unwrap_or_default();
            let grant = format!("podid vault grant --vault {name} --to identity/{}", identity.name);
            Edge::missing(identity, &to, by, format!("{why}{near}")).hint(format!("Grant it: `{grant}`."))
        }
    }
}

/// The edge from a vault to a secret of it.
pub fn secret_edge(survey: &Survey, vault: &EdgeNode, found: &Vault, secret: &str) -> Edge {
    let (to, by) = (EdgeNode::new("Secret", format!("{}/{secret}", found.id.name())), "secret");
    let Some(content) = survey.azure.secrets.get(&found.id.name().to_ascii_lowercase()) else {
        return Edge::unknown(vault, &to, by, format!("the secrets of {} were not asked for", found.id.name()));
    };
    match (content.secret(secret), &content.secrets.gap) {
        (Some(one), _) if !one.enabled => Edge::missing(vault, &to, by, format!("the secret {secret} is disabled: nobody can read it"))
            .hint(format!("Enable it: `{}`.", crate::resources::secret::enabling(found.id.name(), secret))),
        (Some(_), _) => Edge::there(vault, &to, by),
        (None, Some(gap)) => Edge::unknown(vault, &to, by, format!("{} could not be read: {}", gap.what, gap.why)),
        (None, None) => Edge::missing(vault, &to, by, format!("there is no secret {secret} in {}", found.id.name()))
            .hint(format!("Set it: `podid vault secret set {secret} --vault {} --prompt`.", found.id.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::edge::EdgeState;
    use crate::{
        azure::{ArmId, RoleGrant, SecretInfo},
        survey::{List, VaultContent},
    };
    use std::collections::BTreeMap;

    const VAULT: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv";

    fn survey(condition: Option<&str>) -> Survey {
        let mut survey = Survey::default();
        survey.azure.subscription = Some("s".into());
        survey.azure.vaults = List::whole(vec![Vault {
            is_public: false,
            is_private: false,
            id: ArmId::parse(VAULT).unwrap(),
            location: String::new(),
            tenant_id: "t".into(),
            uri: "https://kv.vault.azure.net/".into(),
            rbac: true,
            provisioning: None,
            policies: Vec::new(),
            tags: BTreeMap::new(),
            purge_protection: false,
            sku: String::new(),
            retention_days: None,
        }]);
        survey.azure.grants = List::whole(vec![RoleGrant {
            id: String::new(),
            scope: VAULT.into(),
            role: "4633458b-17de-408a-b874-0445c86b69e6".into(),
            principal_id: "web".into(),
            principal_kind: Some("ServicePrincipal".into()),
            description: None,
            condition: condition.map(str::to_owned),
        }]);
        let secret = SecretInfo {
            name: "conn".into(),
            version: None,
            enabled: true,
            created: None,
            updated: None,
            content_type: None,
            expires: None,
            not_before: None,
            tags: BTreeMap::new(),
        };
        survey.azure.secrets.insert("kv".into(), VaultContent { secrets: List::whole(vec![secret]) });
        survey
    }

    fn words(survey: &Survey, principal: &str, secret: Option<&str>) -> Vec<String> {
        let all = edges(survey, &EdgeNode::new("Identity", "web"), Some(principal), "kv", secret);
        all.iter().map(|edge| format!("{:?}", edge.state).split([' ', '{']).next().unwrap().to_owned() + " " + &edge.by).collect()
    }

    #[test]
    fn the_grant_comes_before_the_secret() {
        let plain = survey(None);
        assert_eq!(words(&plain, "web", Some("conn")), ["There role Key Vault Secrets User, at the vault", "There secret"]);
        assert_eq!(words(&plain, "web", Some("absent"))[1], "Missing secret");
        assert_eq!(words(&plain, "web", None), ["There role Key Vault Secrets User, at the vault"]);
        assert_eq!(words(&plain, "other", Some("conn"))[0], "Missing role");
    }

    #[test]
    fn a_condition_passes_keeps_out_or_is_not_understood() {
        let name = |name: &str| format!("@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals '{name}'");
        assert!(
            words(&survey(Some(&name("conn"))), "web", Some("conn"))[0].starts_with("There role Key Vault Secrets User, at the vault, if")
        );
        let kept_out = survey(Some(&name("other")));
        let edge = edges(&kept_out, &EdgeNode::new("Identity", "web"), Some("web"), "kv", Some("conn")).remove(0);
        let EdgeState::Missing { why, hint } = edge.state else { panic!("{edge:?}") };
        assert_eq!(why, "the condition of the role keeps out the secret conn");
        assert!(hint.unwrap().contains("podid vault grant --vault kv --to identity/web --adopt"));
        assert!(words(&survey(Some("@Environment[x] Y 'z'")), "web", Some("conn"))[0].starts_with("Unknown role"));
    }
}
