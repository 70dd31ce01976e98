//! Who may read the secrets of a vault, and by which grant: access policies, or roles by the actions of their definitions.

use crate::{
    azure::{ArmId, ObjectKind, RoleGrant, Vault},
    chain::edge::{Edge, EdgeNode},
    resources::{data_roles::PermissionSet, role::one_line, roles},
    survey::Survey,
};

/// Reading the value of a secret, as roles name it.
const GET_SECRET: &str = "Microsoft.KeyVault/vaults/secrets/getSecret/action";

/// A principal that may read, by one grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Reader {
    pub principal_id: String,
    /// As Azure calls its kind, where a grant says it.
    pub kind: Option<String>,
    pub grant: Grant,
    /// The group that has the grant, of which the principal is a member.
    pub group: Option<String>,
    /// The deny assignment that takes it away again.
    pub denied: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    Policy { permissions: Vec<String> },
    Role { name: String, scope: String, is_inherited: bool, condition: Option<String> },
}

impl Grant {
    /// `role Key Vault Secrets User at kv-shop`, `access policy (get, list)`
    pub fn shown(&self) -> String {
        match self {
            Self::Policy { permissions } => format!("access policy ({})", permissions.join(", ")),
            Self::Role { name, scope, is_inherited, condition } => {
                let place = if *is_inherited { format!("inherited from {scope}") } else { "at the vault".to_owned() };
                let condition = condition.as_deref().map(|text| format!(", if {}", one_line(text))).unwrap_or_default();
                format!("role {name}, {place}{condition}")
            }
        }
    }

    pub fn is_conditional(&self) -> bool {
        matches!(self, Self::Role { condition: Some(_), .. })
    }
}

/// The principals that may read a secret of a vault, groups as they are. `secret`: grants at this secret alone count too.
pub fn readers(survey: &Survey, vault: &Vault, secret: Option<&str>) -> Vec<Reader> {
    let resource = secret.map_or_else(|| vault.id.clone(), |name| vault.id.child("secrets", name));
    let found: Vec<Reader> = if vault.rbac { by_roles(survey, vault, &resource) } else { by_policies(vault) };
    found.into_iter().map(|reader| Reader { denied: denied(survey, &resource, &reader.principal_id), ..reader }).collect()
}

fn by_policies(vault: &Vault) -> Vec<Reader> {
    let allows = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case("get") || word.eq_ignore_ascii_case("all"));
    let own = vault.policies.iter().filter(|entry| entry.tenant_id.eq_ignore_ascii_case(&vault.tenant_id));
    // an entry for a principal through an application counts only for tokens of that application
    let own = own.filter(|entry| entry.application_id.is_none() && allows(entry.of(ObjectKind::Secret)));
    own.map(|entry| Reader {
        principal_id: entry.object_id.clone(),
        kind: None,
        grant: Grant::Policy { permissions: entry.secrets.iter().map(|word| word.to_ascii_lowercase()).collect() },
        group: None,
        denied: None,
    })
    .collect()
}

fn by_roles(survey: &Survey, vault: &Vault, resource: &ArmId) -> Vec<Reader> {
    let counting = survey.azure.grants.iter().filter(|grant| grant.covers(resource) && allows(survey, grant));
    counting
        .map(|grant| Reader {
            principal_id: grant.principal_id.clone(),
            kind: grant.principal_kind.clone(),
            grant: Grant::Role {
                name: role_name(survey, &grant.role),
                scope: grant.scope.clone(),
                is_inherited: !grant.is_at(&vault.id) && !grant.is_at(resource),
                condition: grant.condition.clone(),
            },
            group: None,
            denied: None,
        })
        .collect()
}

/// By the actions of the role's definition; of a built-in role whose definition could not be read, by what is known of it.
fn allows(survey: &Survey, grant: &RoleGrant) -> bool {
    match survey.azure.roles.iter().find(|role| role.role == grant.role) {
        Some(role) => role.allows_data(GET_SECRET),
        None => roles::name(&grant.role).is_some_and(|name| {
            let get = PermissionSet::of(ObjectKind::Secret, ["get"]).unwrap_or_default();
            !get.is_empty() && PermissionSet::of_role(name).contains(get)
        }),
    }
}

pub fn role_name(survey: &Survey, guid: &str) -> String {
    let known = survey.azure.roles.iter().find(|role| role.role.eq_ignore_ascii_case(guid)).map(|role| role.name.clone());
    known.filter(|name| !name.is_empty()).or_else(|| roles::name(guid).map(str::to_owned)).unwrap_or_else(|| guid.to_owned())
}

fn denied(survey: &Survey, resource: &ArmId, principal: &str) -> Option<String> {
    survey.azure.denials.iter().find(|one| one.denies_data(GET_SECRET, resource, principal)).map(|one| one.name.clone())
}

/// Replaces groups whose members are known by their members.
pub fn expanded(survey: &Survey, vault: &Vault, secret: Option<&str>) -> Vec<Reader> {
    let resource = secret.map_or_else(|| vault.id.clone(), |name| vault.id.child("secrets", name));
    let mut found = Vec::new();
    for reader in readers(survey, vault, secret) {
        let members = survey.azure.members.get(&reader.principal_id.to_ascii_lowercase());
        for member in members.into_iter().flat_map(|members| members.iter()) {
            found.push(Reader {
                principal_id: member.id.clone(),
                kind: None,
                group: Some(reader.principal_id.clone()),
                denied: denied(survey, &resource, &member.id).or_else(|| reader.denied.clone()),
                grant: reader.grant.clone(),
            });
        }
        found.push(reader);
    }
    found
}

/// The edges from an identity to a secret: the grant, and the secret itself.
pub fn edges(survey: &Survey, identity: &EdgeNode, principal: Option<&str>, vault: &str, secret: &str) -> Vec<Edge> {
    let (to, by) = (EdgeNode::new("Vault", vault), "grant");
    let Some(found) = survey.azure.vault(vault) else {
        let edge = match &survey.azure.vaults.gap {
            Some(gap) => Edge::unknown(identity, &to, by, format!("the {} could not be read: {}", gap.what, gap.why)),
            None if survey.azure.subscription.is_none() => Edge::unknown(identity, &to, by, "Azure was not asked"),
            None => Edge::missing(identity, &to, by, format!("there is no vault {vault} in the subscription"))
                .hint(format!("Create it, or look for its name: `podid vault list`. A vault of another subscription is not looked at: --subscription. A deleted one is recovered by `podid vault create {vault}`.")),
        };
        return vec![edge];
    };
    vec![grant_edge(survey, identity, principal, found, secret), secret_edge(survey, &to, found, secret)]
}

fn grant_edge(survey: &Survey, identity: &EdgeNode, principal: Option<&str>, vault: &Vault, secret: &str) -> Edge {
    let (to, by) = (EdgeNode::new("Vault", vault.id.name()), if vault.rbac { "role" } else { "access policy" });
    let Some(principal) = principal else { return Edge::unknown(identity, &to, by, "the identity's object id is not known") };
    let all = expanded(survey, vault, Some(secret));
    let own: Vec<&Reader> = all.iter().filter(|reader| reader.principal_id.eq_ignore_ascii_case(principal)).collect();
    let by_group = |reader: &Reader| match &reader.group {
        Some(group) => format!("{}, through the group {}", reader.grant.shown(), shown_principal(survey, group)),
        None => reader.grant.shown(),
    };
    let allowed = own.iter().find(|reader| reader.denied.is_none() && !reader.grant.is_conditional());
    let conditional = own.iter().find(|reader| reader.denied.is_none());
    match (allowed, conditional, own.first()) {
        (Some(reader), ..) => Edge::there(identity, &to, by_group(reader)),
        (None, Some(reader), _) => {
            Edge::unknown(identity, &to, by_group(reader), "the role counts only under its condition, which podid does not evaluate")
        }
        (None, None, Some(reader)) => {
            let denied = reader.denied.as_deref().unwrap_or_default();
            Edge::missing(identity, &to, by_group(reader), format!("the deny assignment {denied} takes it away again"))
        }
        (None, None, None) => missing_grant(survey, identity, &to, by, vault, &all),
    }
}

fn missing_grant(survey: &Survey, identity: &EdgeNode, to: &EdgeNode, by: &str, vault: &Vault, all: &[Reader]) -> Edge {
    if let Some(gap) = survey.azure.grants.gap.as_ref().filter(|_| vault.rbac) {
        return Edge::unknown(identity, to, by, format!("the {} could not be read: {}", gap.what, gap.why));
    }
    // a group's members are only known if the directory was asked for them
    let unread = all.iter().find(|reader| {
        let members = survey.azure.members.get(&reader.principal_id.to_ascii_lowercase());
        reader.kind.as_deref() == Some("Group") && reader.group.is_none() && members.is_none_or(|members| !members.is_whole())
    });
    if let Some(group) = unread {
        let why = format!("the group {} has {}, and its members could not be read", group.principal_id, group.grant.shown());
        return Edge::unknown(identity, to, by, why);
    }
    let why = match vault.rbac {
        true => format!("no role of {identity} lets it read secrets of {}", vault.id.name()),
        false => format!("no access policy of {} lets {identity} get secrets", vault.id.name()),
    };
    let grant = format!("podid vault grant {} --to identity/{}", vault.id.name(), identity.name);
    Edge::missing(identity, to, by, why).hint(format!("Grant it: `{grant}`."))
}

fn secret_edge(survey: &Survey, vault: &EdgeNode, found: &Vault, secret: &str) -> Edge {
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

/// The name of a principal: of an identity of the subscription, as the directory has it, or its object id.
pub fn shown_principal(survey: &Survey, id: &str) -> String {
    let identity = survey.azure.identities.iter().find(|one| one.principal_id.eq_ignore_ascii_case(id)).map(|one| one.id.name().to_owned());
    let named = || survey.azure.names.get(&id.to_ascii_lowercase()).map(|one| one.name.clone());
    identity.or_else(named).unwrap_or_else(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        azure::{PolicyEntry, Principal, PrincipalKind, SecretInfo},
        survey::{List, VaultContent},
    };
    use std::collections::BTreeMap;

    const VAULT: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv";
    const USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";

    fn vault(rbac: bool, policies: Vec<PolicyEntry>) -> Vault {
        Vault {
            is_public: false,
            is_private: false,
            id: ArmId::parse(VAULT).unwrap(),
            location: String::new(),
            tenant_id: "t".into(),
            uri: "https://kv.vault.azure.net/".into(),
            rbac,
            provisioning: None,
            policies,
            tags: BTreeMap::new(),
            purge_protection: false,
            sku: String::new(),
            retention_days: None,
        }
    }

    fn grant(scope: &str, principal: &str, kind: &str) -> RoleGrant {
        RoleGrant {
            id: String::new(),
            scope: scope.into(),
            role: USER.into(),
            principal_id: principal.into(),
            principal_kind: Some(kind.into()),
            description: None,
            condition: None,
        }
    }

    fn survey(vault: Vault, grants: Vec<RoleGrant>) -> Survey {
        let mut survey = Survey::default();
        survey.azure.subscription = Some("s".into());
        survey.azure.vaults = List::whole(vec![vault]);
        survey.azure.grants = List::whole(grants);
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

    fn words(survey: &Survey, principal: &str, secret: &str) -> Vec<String> {
        let all = edges(survey, &EdgeNode::new("Identity", "web"), Some(principal), "kv", secret);
        all.iter()
            .map(|edge| format!("{:?}", edge.state).split([' ', '{']).next().unwrap_or_default().to_owned() + " " + &edge.by)
            .collect()
    }

    #[test]
    fn a_role_counts_at_the_vault_above_it_and_through_a_group_whose_members_are_known() {
        let mut survey = survey(
            vault(true, Vec::new()),
            vec![
                grant(VAULT, "direct", "ServicePrincipal"),
                grant("/subscriptions/s", "above", "ServicePrincipal"),
                grant(VAULT, "team", "Group"),
            ],
        );
        assert_eq!(words(&survey, "direct", "conn"), ["There role Key Vault Secrets User, at the vault", "There secret"]);
        assert_eq!(words(&survey, "above", "conn")[0], "There role Key Vault Secrets User, inherited from /subscriptions/s");
        assert_eq!(words(&survey, "member", "conn")[0], "Unknown role", "the group's members were not read");
        let member = Principal { id: "member".into(), kind: PrincipalKind::ServicePrincipal, name: "m".into() };
        survey.azure.members.insert("team".into(), List::whole(vec![member]));
        assert_eq!(words(&survey, "member", "conn")[0], "There role Key Vault Secrets User, at the vault, through the group team");
        assert_eq!(words(&survey, "other", "conn")[0], "Missing role");
        assert_eq!(words(&survey, "direct", "absent")[1], "Missing secret");
    }

    #[test]
    fn a_condition_is_not_taken_for_a_right_and_a_denial_takes_one_away() {
        let conditional = RoleGrant { condition: Some("@Resource[x]".into()), ..grant(VAULT, "web", "ServicePrincipal") };
        let mut survey = survey(vault(true, Vec::new()), vec![conditional, grant(VAULT, "plain", "ServicePrincipal")]);
        assert!(words(&survey, "web", "conn")[0].starts_with("Unknown role Key Vault Secrets User, at the vault, if @Resource[x]"));
        let everything = serde_json::from_value(serde_json::json!({ "dataActions": ["*"] })).unwrap();
        survey.azure.denials = List::whole(vec![crate::azure::DenyAssignment {
            name: "locked".into(),
            scope: "/subscriptions/s".into(),
            permissions: vec![everything],
            principals: vec!["plain".into()],
            except: Vec::new(),
            only_here: false,
        }]);
        assert!(words(&survey, "plain", "conn")[0].starts_with("Missing"));
    }

    #[test]
    fn of_a_policy_only_get_on_secrets_counts_and_roles_do_not() {
        let entry = |object: &str, secrets: &[&str]| PolicyEntry {
            tenant_id: "t".into(),
            object_id: object.into(),
            application_id: None,
            keys: vec!["get".into()],
            secrets: secrets.iter().map(|word| (*word).to_owned()).collect(),
            certificates: Vec::new(),
            storage: Vec::new(),
        };
        let compound = PolicyEntry { application_id: Some("app".into()), ..entry("compound", &["get"]) };
        let foreign = PolicyEntry { tenant_id: "other".into(), ..entry("foreign", &["get"]) };
        let policies = vec![entry("web", &["Get"]), entry("lists", &["list"]), entry("all", &["all"]), compound, foreign];
        let survey = survey(vault(false, policies), vec![grant(VAULT, "by-role", "ServicePrincipal")]);
        let found: Vec<String> = readers(&survey, survey.azure.vault("KV").unwrap(), None).into_iter().map(|r| r.principal_id).collect();
        assert_eq!(found, ["web", "all"]);
        assert_eq!(words(&survey, "lists", "conn")[0], "Missing access policy");
    }
}
