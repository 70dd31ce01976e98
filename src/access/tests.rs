//! Who may read a secret, by surveys that are made here.

use super::*;
use crate::{
    azure::{ArmId, DeniedPrincipal, DenyAssignment, PolicyEntry, Principal, PrincipalKind, RoleGrant, RoleRights, Vault},
    survey::{List, Survey},
};
use serde_json::json;
use std::collections::BTreeMap;

const VAULT: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv";
const USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const CUSTOM: &str = "00000000-0000-4000-8000-00000000c0de";
const EVERYBODY: &str = "00000000-0000-0000-0000-000000000000";

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

fn grant(scope: &str, role: &str, principal: &str, kind: &str) -> RoleGrant {
    RoleGrant {
        id: String::new(),
        scope: scope.into(),
        role: role.into(),
        principal_id: principal.into(),
        principal_kind: Some(kind.into()),
        description: None,
        condition: None,
    }
}

fn own(scope: &str) -> RoleGrant {
    grant(scope, USER, "web", "ServicePrincipal")
}

fn survey(vault: Vault, grants: Vec<RoleGrant>) -> Survey {
    let mut survey = Survey::default();
    survey.azure.subscription = Some("s".into());
    survey.azure.vaults = List::whole(vec![vault]);
    survey.azure.grants = List::whole(grants);
    survey
}

fn by_roles(grants: Vec<RoleGrant>) -> Survey {
    survey(vault(true, Vec::new()), grants)
}

fn group(id: &str) -> Principal {
    Principal { id: id.into(), kind: PrincipalKind::Group, name: format!("the {id}") }
}

/// Says that a principal is in these groups alone.
fn in_groups(survey: &mut Survey, principal: &str, groups: &[&str]) {
    survey.azure.groups.insert(principal.into(), List::whole(groups.iter().map(|id| group(id)).collect()));
}

/// The verdict in a few words.
fn words(survey: &Survey, principal: &str, secret: Option<&str>) -> String {
    match verdict(survey, survey.azure.vault("kv").unwrap(), principal, secret) {
        Verdict::Given(reader) => format!("given by {}", reader.way(survey)),
        Verdict::KeptOut(reader) => format!("kept out by {}", reader.grant.shown()),
        Verdict::NotUnderstood(reader) => format!("not understood: {}", reader.grant.shown()),
        Verdict::Denied { by, reader } => format!("denied by {by} in spite of {}", reader.is_some()),
        Verdict::Unknown { doubt: Doubt::Member { group }, .. } => format!("unknown: a member of {group}?"),
        Verdict::Unknown { doubt: Doubt::Unread(what), .. } => format!("unknown: {what}"),
        Verdict::Missing(near) => format!("missing {}", near.unwrap_or_default()).trim_end().to_owned(),
    }
}

#[test]
fn a_role_counts_at_the_secret_at_the_vault_and_above_it() {
    let at = |scope: &str, secret: Option<&str>| words(&by_roles(vec![own(scope)]), "web", secret);
    assert_eq!(at(VAULT, Some("conn")), "given by role Key Vault Secrets User, at the vault");
    assert_eq!(at("/subscriptions/s", Some("conn")), "given by role Key Vault Secrets User, inherited from /subscriptions/s");
    assert_eq!(at(&format!("{VAULT}/secrets/conn"), Some("conn")), "given by role Key Vault Secrets User, at the vault");
    assert_eq!(at(&format!("{VAULT}/secrets/conn"), Some("other")), "missing");
    assert_eq!(at(&format!("{VAULT}/secrets/conn"), None), "missing");
    assert_eq!(at("/subscriptions/other", Some("conn")), "missing");
}

#[test]
fn a_custom_role_counts_by_its_actions_and_a_built_in_one_also_where_definitions_were_not_read() {
    let custom = grant(VAULT, CUSTOM, "web", "ServicePrincipal");
    let mut found = by_roles(vec![custom]);
    let reads = serde_json::from_value(json!([{ "dataActions": ["Microsoft.KeyVault/vaults/secrets/*"] }])).unwrap();
    found.azure.roles = List::whole(vec![RoleRights { role: CUSTOM.into(), name: "Reads secrets".into(), permissions: reads }]);
    assert_eq!(words(&found, "web", Some("conn")), "given by role Reads secrets, at the vault");
    let reads_not = json!([{ "dataActions": ["*"], "notDataActions": ["Microsoft.KeyVault/vaults/secrets/getSecret/action"] }]);
    found.azure.roles.items[0].permissions = serde_json::from_value(reads_not).unwrap();
    assert_eq!(words(&found, "web", Some("conn")), "missing");
    // nothing is known of it, and of another principal's it does not matter
    found.azure.roles = List::missing("role definitions", "no right");
    assert_eq!(words(&found, "web", Some("conn")), "unknown: the role definitions could not be read: no right");
    assert_eq!(words(&found, "other", Some("conn")), "missing");
    found.azure.grants = List::whole(vec![grant(VAULT, CUSTOM, "team", "Group")]);
    in_groups(&mut found, "other", &[]);
    assert_eq!(words(&found, "web", Some("conn")), "unknown: the role definitions could not be read: no right", "it may be in the group");
    assert_eq!(words(&found, "other", Some("conn")), "missing");
    found.azure.grants = List::whole(vec![own(VAULT), grant(VAULT, READER, "reader", "ServicePrincipal")]);
    assert_eq!(words(&found, "web", Some("conn")), "given by role Key Vault Secrets User, at the vault");
    assert_eq!(words(&found, "reader", Some("conn")), "missing");
    found.azure.grants = List::missing("role assignments", "no right");
    assert_eq!(words(&found, "web", Some("conn")), "unknown: the role assignments could not be read: no right");
}

#[test]
fn a_condition_is_evaluated_for_the_secret_that_is_asked_for() {
    let only = |name: &str| format!("@Resource[Microsoft.KeyVault/vaults/secrets:name]\n  StringEquals '{name}'");
    let under = |condition: String| by_roles(vec![RoleGrant { condition: Some(condition), ..own(VAULT) }]);
    let one_line = "role Key Vault Secrets User, at the vault, if @Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'conn'";
    assert_eq!(words(&under(only("conn")), "web", Some("conn")), format!("given by {one_line}"));
    assert_eq!(words(&under(only("conn")), "web", Some("other")), format!("kept out by {one_line}"));
    assert_eq!(words(&under(only("conn")), "web", None), format!("not understood: {one_line}"), "it depends on the secret");
    assert!(words(&under("@Environment[x] Y 'z'".into()), "web", Some("conn")).starts_with("not understood"));
    // one without a condition is enough
    let mut both = under(only("other"));
    both.azure.grants.items.push(own("/subscriptions/s"));
    assert!(words(&both, "web", Some("conn")).starts_with("given by role Key Vault Secrets User, inherited"));
}

#[test]
fn a_group_counts_for_its_members_and_for_nobody_else() {
    let mut found = by_roles(vec![grant(VAULT, USER, "team", "Group")]);
    assert_eq!(words(&found, "web", Some("conn")), "unknown: a member of team?");
    in_groups(&mut found, "web", &["outer", "TEAM"]);
    in_groups(&mut found, "other", &["outer"]);
    assert_eq!(words(&found, "web", Some("conn")), "given by role Key Vault Secrets User, at the vault, through the group team");
    let near = "missing the group team has role Key Vault Secrets User, at the vault, and the identity is not a member of it";
    assert_eq!(words(&found, "other", Some("conn")), near);
    found.azure.groups.insert("third".into(), List::missing("groups", "no right"));
    assert_eq!(words(&found, "third", Some("conn")), "unknown: a member of team?");
    // a group whose condition keeps the secret out gives nobody anything
    let only = "@Resource[Microsoft.KeyVault/vaults/secrets:name] StringEquals 'other'";
    found.azure.grants.items[0].condition = Some(only.to_owned());
    assert_eq!(words(&found, "third", Some("conn")), "missing");
    found.azure.grants.items[0].condition = None;
    // the group's members tell it, too
    found.azure.members.insert("team".into(), List::whole(vec![Principal { kind: PrincipalKind::User, ..group("ann") }]));
    assert!(words(&found, "ann", Some("conn")).starts_with("given by"));
    assert_eq!(words(&found, "bob", Some("conn")), near);
    let all: Vec<_> = expanded(&found, found.azure.vault("kv").unwrap(), Some("conn"));
    let all: Vec<(&str, Option<&str>)> = all.iter().map(|reader| (reader.principal_id.as_str(), reader.group.as_deref())).collect();
    assert_eq!(all, [("ann", Some("team")), ("web", Some("team")), ("team", None)]);
}

fn denial(principals: &[(&str, &str)], except: &[(&str, &str)]) -> DenyAssignment {
    let named = |all: &[(&str, &str)]| {
        all.iter().map(|(id, kind)| DeniedPrincipal { id: (*id).to_owned(), kind: Some((*kind).to_owned()) }).collect()
    };
    DenyAssignment {
        name: "locked".into(),
        scope: "/subscriptions/s/resourceGroups/rg".into(),
        permissions: serde_json::from_value(json!([{ "dataActions": ["*"] }])).unwrap(),
        principals: named(principals),
        except: named(except),
        only_here: false,
    }
}

#[test]
fn a_deny_assignment_takes_a_right_away_from_everybody_a_group_or_one_but_not_from_whom_it_excepts() {
    let all = (EVERYBODY, "SystemDefined");
    for (principals, except, found) in [
        (&[("web", "ServicePrincipal")] as &[_], &[] as &[_], "denied by locked in spite of true"),
        (&[("other", "ServicePrincipal")], &[], "given by"),
        (&[all], &[], "denied by locked in spite of true"),
        (&[all], &[("WEB", "ServicePrincipal")], "given by"),
        (&[all], &[("other", "ServicePrincipal")], "denied by"),
        (&[("team", "Group")], &[], "denied by"),
        (&[("elsewhere", "Group")], &[], "given by"),
        (&[all], &[("team", "Group")], "given by"),
        (&[all], &[("elsewhere", "Group")], "denied by"),
        (&[("team", "Group")], &[("web", "ServicePrincipal")], "given by"),
    ] {
        let mut survey = by_roles(vec![own(VAULT)]);
        in_groups(&mut survey, "web", &["team"]);
        survey.azure.denials = List::whole(vec![denial(principals, except)]);
        assert!(
            words(&survey, "web", Some("conn")).starts_with(found),
            "{principals:?} {except:?}: {}",
            words(&survey, "web", Some("conn"))
        );
    }
    // whether it is in the group is not known
    let mut survey = by_roles(vec![own(VAULT)]);
    survey.azure.denials = List::whole(vec![denial(&[("team", "Group")], &[])]);
    assert_eq!(words(&survey, "web", Some("conn")), "unknown: a member of team?");
    // without a role nothing is taken away, and a vault with access policies asks nobody
    survey.azure.denials = List::whole(vec![denial(&[all], &[])]);
    assert_eq!(words(&survey, "other", Some("conn")), "denied by locked in spite of false");
    survey.azure.vaults = List::whole(vec![vault(false, vec![entry("web", &["get"])])]);
    assert_eq!(words(&survey, "web", Some("conn")), "given by access policy (get)");
}

fn entry(object: &str, secrets: &[&str]) -> PolicyEntry {
    PolicyEntry {
        tenant_id: "T".into(),
        object_id: object.into(),
        application_id: None,
        keys: vec!["get".into()],
        secrets: secrets.iter().map(|word| (*word).to_owned()).collect(),
        certificates: Vec::new(),
        storage: Vec::new(),
    }
}

#[test]
fn a_policy_counts_with_get_on_secrets_in_the_vaults_tenant_and_for_no_application() {
    let foreign = PolicyEntry { tenant_id: "other".into(), ..entry("foreign", &["get"]) };
    let compound = PolicyEntry { application_id: Some("app".into()), ..entry("compound", &["get"]) };
    let policies = vec![entry("web", &["Get"]), entry("lists", &["list"]), entry("all", &["all"]), compound, foreign];
    let mut survey = survey(vault(false, policies), vec![grant(VAULT, USER, "by-role", "ServicePrincipal")]);
    let found: Vec<String> = readers(&survey, survey.azure.vault("KV").unwrap(), None).into_iter().map(|r| r.principal_id).collect();
    assert_eq!(found, ["web", "all"]);
    assert_eq!(words(&survey, "WEB", Some("conn")), "given by access policy (get)");
    // a policy does not say whether its principal is a group
    assert_eq!(words(&survey, "lists", Some("conn")), "unknown: a member of all?");
    for principal in ["lists", "foreign", "compound", "by-role"] {
        in_groups(&mut survey, principal, &[]);
    }
    assert_eq!(words(&survey, "lists", Some("conn")), "missing its access policy lacks `get` and allows list");
    assert_eq!(words(&survey, "foreign", Some("conn")), "missing its access policy is for the tenant other, and the vault is in t");
    assert!(
        words(&survey, "compound", Some("conn"))
            .starts_with("missing its access policy counts only for requests through the application app")
    );
    assert!(words(&survey, "by-role", Some("conn")).starts_with("missing it has a role at the vault"));
    // a group's policy counts for its members
    in_groups(&mut survey, "member", &["all"]);
    assert_eq!(words(&survey, "member", Some("conn")), "given by access policy (all), through the group all");
    // this login and a user are not groups
    survey.azure.caller = Some("all".into());
    survey.azure.names.insert("web".into(), Principal { kind: PrincipalKind::User, ..group("web") });
    assert_eq!(words(&survey, "stranger", Some("conn")), "missing");
}

#[test]
fn a_group_gives_the_right_to_hand_out_identities_to_its_members() {
    const OPERATOR: &str = "f1a07417-d97a-45cb-824c-7a7467783830";
    let id = ArmId::parse("/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web").unwrap();
    let mut survey =
        by_roles(vec![grant("/subscriptions/s", OPERATOR, "team", "Group"), grant(VAULT, OPERATOR, "near", "ServicePrincipal")]);
    let found = |survey: &Survey, principal: &str| match holder(&survey.azure, principal, AzureRight::HandOut, &id) {
        Holding::Given(one) => format!("given {:?}", one.group),
        other => format!("{other:?}").split([' ', '(']).next().unwrap().to_owned(),
    };
    assert_eq!(found(&survey, "kubelet"), "Unknown");
    in_groups(&mut survey, "kubelet", &["team"]);
    in_groups(&mut survey, "near", &[]);
    assert_eq!(found(&survey, "kubelet"), "given Some(\"team\")");
    assert_eq!(found(&survey, "near"), "Missing");
    survey.azure.denials = List::whole(vec![DenyAssignment {
        permissions: serde_json::from_value(json!([{ "actions": ["Microsoft.ManagedIdentity/*"] }])).unwrap(),
        ..denial(&[(EVERYBODY, "SystemDefined")], &[])
    }]);
    assert_eq!(found(&survey, "kubelet"), "Denied");
}
