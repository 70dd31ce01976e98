//! Who may do what: role assignments at any scope, the rights of role definitions, and deny assignments. For questions about access, which
//! only read: `roles` has what podid assigns.

use super::{ArmId, Read, Result, arm::Arm, deadline, failures::absent};
use serde::{Deserialize, Serialize};

const VERSION: &str = "2022-04-01";
/// Of the list of subscriptions (Azure/azure-rest-api-specs, resources, Microsoft.Resources/subscriptions).
const SUBSCRIPTIONS_VERSION: &str = "2022-12-01";
const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";
const DEFINITIONS: &str = "Microsoft.Authorization/roleDefinitions";
const DENIALS: &str = "Microsoft.Authorization/denyAssignments";

/// A role assignment at any scope, also at a management group or at `/`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleGrant {
    pub id: String,
    pub scope: String,
    /// The role's GUID, in lower case.
    pub role: String,
    pub principal_id: String,
    /// `User`, `Group`, `ServicePrincipal` or another word of Azure.
    pub principal_kind: Option<String>,
    pub description: Option<String>,
    /// The ABAC condition under which the role counts.
    pub condition: Option<String>,
}

impl RoleGrant {
    /// Whether it counts for a resource: it was made there, or above.
    pub fn covers(&self, resource: &ArmId) -> bool {
        covers(&self.scope, resource)
    }

    /// Whether it was made at this very resource.
    pub fn is_at(&self, resource: &ArmId) -> bool {
        self.scope.trim_end_matches('/').eq_ignore_ascii_case(resource.as_str())
    }
}

/// A management group's or the root's assignments are listed with a subscription only where they count for it.
fn covers(scope: &str, resource: &ArmId) -> bool {
    let (scope, resource) = (scope.trim_end_matches('/').to_ascii_lowercase(), resource.folded());
    let is_above_subscriptions = scope.is_empty() || scope.starts_with("/providers/microsoft.management/");
    is_above_subscriptions || resource == scope || resource.strip_prefix(&scope).is_some_and(|rest| rest.starts_with('/'))
}

/// A role with its rights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleRights {
    /// The role's GUID, in lower case.
    pub role: String,
    pub name: String,
    pub permissions: Vec<Permission>,
}

/// Allowed actions, without those that are taken out again. `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    pub actions: Vec<String>,
    pub not_actions: Vec<String>,
    pub data_actions: Vec<String>,
    pub not_data_actions: Vec<String>,
}

/// An action, as roles and deny assignments name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureAction {
    /// On a resource itself.
    Control(&'static str),
    /// On what a resource holds, such as reading the value of a secret.
    Data(&'static str),
}

impl Permission {
    pub fn allows(&self, action: AzureAction) -> bool {
        let (action, allowed, taken) = match action {
            AzureAction::Control(action) => (action, &self.actions, &self.not_actions),
            AzureAction::Data(action) => (action, &self.data_actions, &self.not_data_actions),
        };
        is_any(allowed, action) && !is_any(taken, action)
    }
}

impl RoleRights {
    pub fn allows(&self, action: AzureAction) -> bool {
        self.permissions.iter().any(|permission| permission.allows(action))
    }
}

/// What nobody, or nobody but some, may do at a scope, whatever roles allow. Only Azure itself makes these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenyAssignment {
    pub name: String,
    pub scope: String,
    pub permissions: Vec<Permission>,
    pub principals: Vec<DeniedPrincipal>,
    pub except: Vec<DeniedPrincipal>,
    pub only_here: bool,
}

/// Somebody whom a deny assignment names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeniedPrincipal {
    pub id: String,
    /// `SystemDefined` for everybody, else as in role assignments.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

impl DeniedPrincipal {
    /// Whether it stands for all principals.
    pub fn is_everybody(&self) -> bool {
        self.id == "00000000-0000-0000-0000-000000000000"
    }
}

impl DenyAssignment {
    /// Whether it is about an action on a resource, whoever does it.
    pub fn covers(&self, action: AzureAction, resource: &ArmId) -> bool {
        let here = self.scope.trim_end_matches('/').eq_ignore_ascii_case(resource.as_str());
        (here || (!self.only_here && covers(&self.scope, resource))) && self.permissions.iter().any(|permission| permission.allows(action))
    }
}

fn is_any(patterns: &[String], action: &str) -> bool {
    patterns.iter().any(|pattern| matches_action(pattern, action))
}

/// Whether an action fits a pattern, in any casing; `*` stands for any text.
pub fn matches_action(pattern: &str, action: &str) -> bool {
    fits(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| fits(after, &rest[at..]))
}

fn guid(id: &str) -> String {
    id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

impl Read {
    /// Lists the assignments that count for a subscription or for anything in it, also inherited ones. Without the cache.
    pub async fn role_grants(&self, subscription: &ArmId) -> Result<Vec<RoleGrant>> {
        let found: Vec<AssignmentBody> = self.access_list(subscription, ASSIGNMENTS).await?;
        let grant = |body: AssignmentBody| RoleGrant {
            id: body.id,
            scope: body.properties.scope,
            role: guid(&body.properties.role_definition_id),
            principal_id: body.properties.principal_id,
            principal_kind: body.properties.principal_type,
            description: body.properties.description,
            condition: body.properties.condition.filter(|condition| !condition.trim().is_empty()),
        };
        Ok(found.into_iter().map(grant).collect())
    }

    /// Lists the roles that can be assigned in a subscription, built-in and custom ones. Without the cache.
    pub async fn role_rights(&self, subscription: &ArmId) -> Result<Vec<RoleRights>> {
        let found: Vec<DefinitionBody> = self.access_list(subscription, DEFINITIONS).await?;
        let rights = |body: DefinitionBody| RoleRights {
            role: guid(&body.id),
            name: body.properties.role_name,
            permissions: body.properties.permissions,
        };
        Ok(found.into_iter().map(rights).collect())
    }

    /// Lists the deny assignments of a subscription. Without the cache.
    pub async fn deny_assignments(&self, subscription: &ArmId) -> Result<Vec<DenyAssignment>> {
        let found: Vec<DenialBody> = self.access_list(subscription, DENIALS).await?;
        let denial = |DenialBody { properties: p }: DenialBody| DenyAssignment {
            name: p.deny_assignment_name,
            scope: p.scope,
            permissions: p.permissions,
            principals: p.principals,
            except: p.exclude_principals,
            only_here: p.do_not_apply_to_child_scopes,
        };
        Ok(found.into_iter().map(denial).collect())
    }

    /// Lists the ids of the subscriptions that this login may see. Without the cache.
    pub async fn subscriptions(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct SubscriptionBody {
            subscription_id: String,
        }
        let arm: &Arm = self.arm();
        let found: Vec<SubscriptionBody> = deadline::within(self.limit(), arm.subscriptions(SUBSCRIPTIONS_VERSION)).await?;
        Ok(found.into_iter().map(|one| one.subscription_id).collect())
    }

    async fn access_list<T: serde::de::DeserializeOwned>(&self, scope: &ArmId, kind: &str) -> Result<Vec<T>> {
        let arm: &Arm = self.arm();
        Ok(absent(deadline::within(self.limit(), arm.list(scope, kind, VERSION)).await)?.unwrap_or_default())
    }
}

#[derive(Deserialize)]
struct AssignmentBody {
    id: String,
    properties: AssignmentProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentProperties {
    #[serde(default)]
    scope: String,
    role_definition_id: String,
    principal_id: String,
    principal_type: Option<String>,
    description: Option<String>,
    condition: Option<String>,
}

#[derive(Deserialize)]
struct DefinitionBody {
    id: String,
    properties: DefinitionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefinitionProperties {
    #[serde(default)]
    role_name: String,
    #[serde(default)]
    permissions: Vec<Permission>,
}

#[derive(Deserialize)]
struct DenialBody {
    properties: DenialProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct DenialProperties {
    deny_assignment_name: String,
    scope: String,
    permissions: Vec<Permission>,
    principals: Vec<DeniedPrincipal>,
    exclude_principals: Vec<DeniedPrincipal>,
    do_not_apply_to_child_scopes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: AzureAction = AzureAction::Data("Microsoft.KeyVault/vaults/secrets/getSecret/action");

    fn permission(data: &[&str], not: &[&str]) -> Permission {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Permission { data_actions: owned(data), not_data_actions: owned(not), ..Permission::default() }
    }

    #[test]
    fn a_role_allows_by_wildcards_without_regard_to_case_and_not_what_it_takes_out_again() {
        for (data, not, allowed) in [
            (&["Microsoft.KeyVault/vaults/secrets/getSecret/action"] as &[&str], &[] as &[&str], true),
            (&["microsoft.keyvault/vaults/secrets/*"], &[], true),
            (&["*"], &[], true),
            (&["Microsoft.KeyVault/vaults/*/read"], &[], false),
            (&["Microsoft.KeyVault/vaults/*/action"], &[], true),
            (&["Microsoft.KeyVault/vaults/secrets/getSecret"], &[], false),
            (&["*"], &["Microsoft.KeyVault/vaults/secrets/getSecret/action"], false),
            (&["*"], &["Microsoft.KeyVault/vaults/secrets/setSecret/action"], true),
        ] {
            assert_eq!(permission(data, not).allows(GET), allowed, "{data:?} {not:?}");
        }
        assert!(!Permission { actions: vec!["*".into()], ..Permission::default() }.allows(GET), "Owner does not read secrets");
    }

    #[test]
    fn a_scope_covers_what_is_below_it_and_no_neighbour_of_a_longer_name() {
        let vault = ArmId::parse("/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv").unwrap();
        for (scope, counts) in [
            ("/", true),
            ("/providers/Microsoft.Management/managementGroups/root", true),
            ("/subscriptions/S", true),
            ("/subscriptions/s/resourcegroups/RG", true),
            ("/subscriptions/s/resourceGroups/r", false),
            ("/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv/secrets/one", false),
            ("/subscriptions/other", false),
        ] {
            assert_eq!(covers(scope, &vault), counts, "{scope}");
        }
    }

    #[test]
    fn a_deny_assignment_counts_below_its_scope_unless_it_is_made_for_the_scope_alone() {
        let vault = ArmId::parse("/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv").unwrap();
        let denial = DenyAssignment {
            name: "locked".into(),
            scope: "/subscriptions/s/resourceGroups/rg".into(),
            permissions: vec![permission(&["*"], &[])],
            principals: Vec::new(),
            except: Vec::new(),
            only_here: false,
        };
        assert!(denial.covers(GET, &vault) && !denial.covers(AzureAction::Control("Microsoft.KeyVault/vaults/write"), &vault));
        assert!(!DenyAssignment { only_here: true, ..denial.clone() }.covers(GET, &vault));
        assert!(DenyAssignment { only_here: true, scope: vault.to_string(), ..denial }.covers(GET, &vault));
    }
}
