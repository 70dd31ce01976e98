//! Deny assignments. In Azure only deployment stacks, managed applications and the like make them; here the setting `deny_assignments` does.
//! They count for the data of vaults with Azure RBAC, whatever the roles are.

use super::{
    access, action,
    call::{Answer, Call},
    denial::{Denial, DeniedPrincipal, EVERYBODY},
    directory, error, ids, resources,
};
use serde_json::json;

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
