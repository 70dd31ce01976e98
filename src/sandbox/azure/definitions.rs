//! Role definitions: the built-in ones, seen from any scope, always with a subscription-qualified id; and what the caller may do.

use super::{
    Answer, Call, access, error, ids, resources,
    roles::{self, Role},
};
use crate::sandbox::http::Response;
use serde_json::{Value, json};

pub fn id(subscription: &str, guid: &str) -> String {
    format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{guid}")
}

/// Of no subscription where none was asked.
fn document(call: &Call<'_>, scope: &str, role: &Role) -> Value {
    let full = id(&call.state.subscription, role.guid);
    let id = if scope == "/" { format!("/providers/Microsoft.Authorization/roleDefinitions/{}", role.guid) } else { full };
    json!({
        "properties": {
            "roleName": role.name, "type": "BuiltInRole", "description": role.description, "assignableScopes": ["/"],
            "permissions": [{"actions": role.actions, "notActions": role.not_actions, "dataActions": role.data_actions, "notDataActions": role.not_data_actions}],
            "createdOn": "2015-02-02T21:55:09.8806423Z", "updatedOn": "2021-11-11T20:13:47.8628684Z", "createdBy": null, "updatedBy": null,
        },
        "id": id, "type": "Microsoft.Authorization/roleDefinitions", "name": role.guid,
    })
}

/// The built-in roles are of all tenants: at the root anyone may read them.
fn may_read(call: &Call<'_>, scope: &str) -> Result<(), Response> {
    if scope == "/" {
        return Ok(());
    }
    access::require(call, "Microsoft.Authorization/roleDefinitions/read", scope)?;
    resources::require_scope(call, scope)
}

/// `roleName eq 'X'`, `type eq 'BuiltInRole'`, `atScopeAndBelow()`.
pub fn list(call: &Call<'_>, scope: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    may_read(call, scope)?;
    let filter = call.request.query("$filter").unwrap_or_default();
    let wanted = |field: &str| {
        let at = ids::fold(&filter).find(&format!("{field} eq '"))?;
        let rest = &filter[at + field.len() + 5..];
        Some(rest.split('\'').next().unwrap_or_default().to_owned())
    };
    let (name, kind) = (wanted("rolename"), wanted("type"));
    if kind.as_ref().is_some_and(|k| !k.eq_ignore_ascii_case("BuiltInRole")) {
        return Ok(error::list(Vec::new()));
    }
    let fits = |role: &&Role| name.as_ref().is_none_or(|n| role.name.eq_ignore_ascii_case(n));
    Ok(error::list(roles::ROLES.iter().filter(fits).map(|r| document(call, scope, r)).collect()))
}

pub fn one(call: &Call<'_>, scope: &str, guid: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    may_read(call, scope)?;
    let role = roles::by_guid(guid).ok_or_else(|| {
        error::body(404, "RoleDefinitionDoesNotExist", format!("The specified role definition with ID '{guid}' does not exist."))
    })?;
    Ok(error::ok(&document(call, scope, role)))
}

/// What the caller may do at a scope, one entry an assignment.
pub fn permissions(call: &Call<'_>, scope: &str) -> Answer {
    resources::require_scope(call, scope)?;
    let folded = ids::fold(scope);
    let value = call
        .state
        .assignments
        .of(&call.caller.object_id)
        .filter(|a| ids::covers(&ids::fold(&a.scope), &folded))
        .filter_map(|a| roles::by_guid(&a.role))
        .map(|r| json!({"actions": r.actions, "notActions": r.not_actions, "dataActions": r.data_actions, "notDataActions": r.not_data_actions}))
        .collect();
    Ok(error::list(value))
}
