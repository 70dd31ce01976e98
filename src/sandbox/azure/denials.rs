//! Deny assignments. In Azure only deployment stacks, managed applications and the like make them; here the setting `deny_assignments` does.
//! They count for the data of vaults with Azure RBAC, whatever the roles are.

use super::{
    access, action,
    call::{Answer, Call},
    directory, error, ids, resources,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The principal that stands for everybody.
const EVERYBODY: &str = "00000000-0000-0000-0000-000000000000";

/// As the properties of the resource have it (Microsoft.Authorization/denyAssignments 2022-04-01).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Denial {
    /// The GUID in its id.
    pub name: String,
    pub deny_assignment_name: String,
    pub scope: String,
    pub permissions: Vec<DeniedActions>,
    #[serde(default = "everybody")]
    pub principals: Vec<DeniedPrincipal>,
    #[serde(default)]
    pub exclude_principals: Vec<DeniedPrincipal>,
    #[serde(default)]
    pub do_not_apply_to_child_scopes: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[derive(Default)]
pub struct DeniedActions {
    pub actions: Vec<String>,
    pub not_actions: Vec<String>,
    pub data_actions: Vec<String>,
    pub not_data_actions: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeniedPrincipal {
    pub id: String,
    /// `SystemDefined` of everybody.
    #[serde(rename = "type", default = "service_principal")]
    pub principal_type: String,
}

fn everybody() -> Vec<DeniedPrincipal> {
    vec![DeniedPrincipal { id: EVERYBODY.into(), principal_type: "SystemDefined".into() }]
}

fn service_principal() -> String {
    "ServicePrincipal".into()
}

/// Lists those at, above and below the scope.
pub fn list(call: &Call<'_>, scope: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.Authorization/denyAssignments/read", scope)?;
    resources::require_scope(call, scope)?;
    let here = ids::fold(scope);
    let is_near = |denial: &&Denial| {
        let existing = ids::fold(&denial.scope);
        ids::covers(&existing, &here) || ids::covers(&here, &existing)
    };
    let document = |denial: &Denial| {
        let mut properties = json!(denial);
        if let Some(fields) = properties.as_object_mut() {
            fields.remove("name");
            fields.insert("isSystemProtected".into(), json!(true));
            fields.insert("description".into(), json!("made by a deployment stack"));
        }
        let id = format!("{}/providers/Microsoft.Authorization/denyAssignments/{}", denial.scope.trim_end_matches('/'), denial.name);
        json!({ "properties": properties, "id": id, "type": "Microsoft.Authorization/denyAssignments", "name": denial.name })
    };
    Ok(error::list(call.rules.denials.iter().filter(is_near).map(document).collect()))
}

/// Returns the deny assignment that keeps the caller from an action on data.
pub fn of_data<'a>(call: &'a Call<'_>, data_action: &str, target: &str) -> Option<&'a Denial> {
    let own = directory::with_groups(call.state, &call.caller.object_id);
    let any = |patterns: &[String]| patterns.iter().any(|pattern| action::matches(pattern, data_action));
    let is_one =
        |all: &[DeniedPrincipal]| all.iter().any(|one| one.id == EVERYBODY || own.iter().any(|id| id.eq_ignore_ascii_case(&one.id)));
    call.rules.denials.iter().find(|denial| {
        let (scope, target) = (ids::fold(&denial.scope), ids::fold(target));
        (scope == target || !denial.do_not_apply_to_child_scopes && ids::covers(&scope, &target))
            && denial.permissions.iter().any(|one| any(&one.data_actions) && !any(&one.not_data_actions))
            && is_one(&denial.principals)
            && !is_one(&denial.exclude_principals)
    })
}
