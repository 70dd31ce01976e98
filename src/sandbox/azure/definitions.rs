//! Role definitions, built-in and custom, and the permissions of the caller.

use super::{
    access,
    call::{Answer, Call},
    error, field_types, ids, providers, resources,
    roles::{self, CustomRole, Permission, Role},
    times,
};
use crate::http::Response;
use serde_json::{Map, Value, json};

const KIND: &str = "Microsoft.Authorization/roleDefinitions";
/// Earlier versions have no data actions.
const WITH_DATA: &str = "2018-01-01-preview";

/// Limits for one role.
const MOST_ACTIONS: usize = 2048;
const LONGEST_ACTION: usize = 512;

/// Returns the id with the subscription, whatever the scope is.
pub fn id(subscription: &str, guid: &str) -> String {
    format!("/subscriptions/{subscription}/providers/{KIND}/{guid}")
}

fn permission(p: &Permission, api_version: &str) -> Value {
    let mut body = json!({"actions": p.actions, "notActions": p.not_actions});
    if api_version >= WITH_DATA {
        body["dataActions"] = json!(p.data_actions);
        body["notDataActions"] = json!(p.not_data_actions);
    }
    body
}

/// `fresh` is true for the answer to the PUT itself, which does not name the creator.
fn document(call: &Call<'_>, scope: &str, role: &Role, fresh: bool) -> Value {
    let version = call.api_version();
    let permissions: Vec<Value> = role.permissions.iter().map(|p| permission(p, &version)).collect();
    let mut properties = json!({
        "roleName": role.name, "type": if role.custom.is_some() { "CustomRole" } else { "BuiltInRole" }, "description": role.description,
        "assignableScopes": role.custom.as_ref().map_or_else(|| vec!["/".to_owned()], |c| c.assignable_scopes.clone()), "permissions": permissions,
        "createdOn": "2015-02-02T21:55:09.8806423Z", "updatedOn": "2021-11-11T20:13:47.8628684Z", "createdBy": null, "updatedBy": null,
    });
    if let Some(custom) = &role.custom {
        properties["createdOn"] = json!(times::ticks(custom.created));
        properties["updatedOn"] = json!(times::ticks(custom.updated));
        properties["createdBy"] = if fresh { Value::Null } else { json!(custom.created_by) };
        properties["updatedBy"] = json!(custom.updated_by);
    }
    let id = if scope == "/" { format!("/providers/{KIND}/{}", role.guid) } else { id(&call.state.subscription, &role.guid) };
    json!({"properties": properties, "id": id, "type": KIND, "name": role.guid})
}

/// Every principal of the tenant may read role definitions at the root scope.
fn may_read(call: &Call<'_>, scope: &str) -> Result<(), Response> {
    if scope == "/" { Ok(()) } else { access::require(call, "Microsoft.Authorization/roleDefinitions/read", scope) }
}

/// Supports `roleName eq 'X'`, `type eq 'BuiltInRole'` and `atScopeAndBelow()`, joined by `and`.
pub fn list(call: &Call<'_>, scope: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    may_read(call, scope)?;
    resources::require_scope(call, scope)?;
    let filter = call.request.query("$filter").unwrap_or_default();
    let low = ids::fold(&filter);
    let wanted = |field: &str| {
        let at = low.find(&format!("{field} eq '"))?;
        Some(filter[at + field.len() + 5..].split('\'').next().unwrap_or_default().to_owned())
    };
    let (name, kind, below) = (wanted("rolename"), wanted("type"), scope == "/" || low.contains("atscopeandbelow()"));
    let here = ids::fold(scope);
    let fits = |role: &&Role| {
        let of = if role.custom.is_some() { "CustomRole" } else { "BuiltInRole" };
        let under = |c: &CustomRole| c.assignable_scopes.iter().any(|s| ids::covers(&here, &ids::fold(s)));
        name.as_ref().is_none_or(|n| role.name.eq_ignore_ascii_case(n))
            && kind.as_ref().is_none_or(|k| of.eq_ignore_ascii_case(k))
            && (role.is_for(scope) || (below && role.custom.as_ref().is_some_and(under)))
    };
    Ok(error::list(roles::all(&call.state.roles).filter(fits).map(|r| document(call, scope, r, false)).collect()))
}

pub fn absent(guid: &str) -> Response {
    error::body(404, "RoleDefinitionDoesNotExist", format!("The specified role definition with ID '{guid}' does not exist."))
}

pub fn one(call: &mut Call<'_>, scope: &str, guid: &str) -> Answer {
    let full = format!("{}/providers/{KIND}/{guid}", scope.trim_end_matches('/'));
    match call.request.method.as_str() {
        "GET" => {
            may_read(call, scope)?;
            resources::require_scope(call, scope)?;
            let role = roles::find(&call.state.roles, guid).ok_or_else(|| absent(guid))?;
            Ok(error::ok(&document(call, scope, role, false)))
        }
        "PUT" => {
            access::require(call, "Microsoft.Authorization/roleDefinitions/write", &full)?;
            resources::require_scope(call, scope)?;
            put(call, scope, guid)
        }
        "DELETE" => {
            access::require(call, "Microsoft.Authorization/roleDefinitions/delete", &full)?;
            resources::require_scope(call, scope)?;
            let Some(role) = roles::find(&call.state.roles, guid).cloned() else { return Ok(Response::new(204)) };
            if role.custom.is_none() {
                return Err(built_in(&role));
            }
            if call.state.assignments.iter().any(|a| a.role.eq_ignore_ascii_case(&role.guid)) {
                return Err(error::body(400, "RoleDefinitionHasAssignments", "There are existing role assignments referencing role."));
            }
            let body = document(call, scope, &role, false);
            call.state.roles.remove(&ids::fold(guid));
            call.changed();
            Ok(error::ok(&body))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// The code is not recorded; a client only sees that the request is rejected.
fn built_in(role: &Role) -> Response {
    error::body(400, "RoleDefinitionUpdateNotPermitted", format!("The built-in role '{}' cannot be changed or deleted.", role.name))
}

fn invalid(what: &str) -> Response {
    error::body(400, "InvalidCreateRoleDefinitionRequest", format!("The request to create a role definition is not valid: {what}."))
}

fn put(call: &mut Call<'_>, scope: &str, guid: &str) -> Answer {
    let body = error::object(call)?;
    if !ids::is_guid(guid) {
        return Err(error::body(
            400,
            "InvalidRoleDefinitionId",
            format!("The role definition ID '{guid}' is not valid. The role definition ID must be a GUID."),
        ));
    }
    let properties = body.get("properties").and_then(Value::as_object).unwrap_or(&body);
    const TYPES: field_types::FieldTypes = &[
        ("roleName", field_types::FieldType::Text),
        ("description", field_types::FieldType::Text),
        ("assignableScopes", field_types::FieldType::Texts),
        ("permissions", field_types::FieldType::List),
    ];
    if let Some(wrong) = field_types::mismatch(properties, TYPES) {
        return Err(invalid(&format!("the value of {} is not valid", wrong.field)));
    }
    let name = properties.get("roleName").and_then(Value::as_str).filter(|n| !n.trim().is_empty());
    let name = name.ok_or_else(|| invalid("roleName is required"))?;
    let existing = roles::find(&call.state.roles, guid).cloned();
    if let Some(role) = existing.as_ref().filter(|r| r.custom.is_none()) {
        return Err(built_in(role));
    }
    if roles::all(&call.state.roles).any(|r| r.name.eq_ignore_ascii_case(name) && !r.guid.eq_ignore_ascii_case(guid)) {
        return Err(error::body(
            409,
            "RoleDefinitionWithSameNameExists",
            "A custom role with the same name already exists in this directory. Use a different name",
        ));
    }
    let (now, caller) = (call.now, call.caller.object_id.clone());
    let old = existing.and_then(|r| r.custom);
    let role = Role {
        guid: ids::fold(guid),
        name: name.to_owned(),
        description: properties.get("description").and_then(Value::as_str).map(str::to_owned),
        permissions: permissions(properties)?,
        custom: Some(CustomRole {
            assignable_scopes: scopes(properties)?,
            created: old.as_ref().map_or(now, |c| c.created),
            updated: now,
            created_by: old.map_or_else(|| caller.clone(), |c| c.created_by),
            updated_by: caller,
        }),
    };
    let body = document(call, scope, &role, true);
    call.state.roles.insert(role.guid.clone(), role);
    call.changed();
    Ok(error::created(&body))
}

fn scopes(properties: &Map<String, Value>) -> Result<Vec<String>, Response> {
    let list = properties.get("assignableScopes").and_then(Value::as_array);
    let scopes: Vec<String> = list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if scopes.is_empty() {
        return Err(invalid("assignableScopes is required"));
    }
    match scopes.iter().find(|s| !s.starts_with("/subscriptions/") && !s.starts_with("/providers/Microsoft.Management/managementGroups/")) {
        // only built-in roles are assignable at the root scope
        Some(bad) => Err(error::body(
            400,
            "LinkedInvalidPropertyId",
            format!(
                "Property id '{bad}' at path 'properties.assignableScopes[0]' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{{subscriptionId}}' or '/providers/{{resourceProviderNamespace}}/'."
            ),
        )),
        None => Ok(scopes),
    }
}

fn permissions(properties: &Map<String, Value>) -> Result<Vec<Permission>, Response> {
    let list = properties.get("permissions").cloned().unwrap_or_else(|| json!([]));
    let list: Vec<Permission> = serde_json::from_value(list).map_err(|_| invalid("permissions are not valid"))?;
    let all = || list.iter().flat_map(|p| [&p.actions, &p.not_actions, &p.data_actions, &p.not_data_actions]).flatten();
    // every permission check goes through all of them
    if all().count() > MOST_ACTIONS || all().any(|action| action.len() > LONGEST_ACTION) {
        return Err(invalid(&format!("it has more than {MOST_ACTIONS} actions, or one of more than {LONGEST_ACTION} characters")));
    }
    for action in all() {
        let namespace = action.split('/').next().unwrap_or_default();
        if !namespace.contains('*') && !providers::known(namespace) {
            return Err(error::body(
                400,
                "InvalidActionOrNotAction",
                format!("'{action}' does not match any of the actions supported by the providers."),
            ));
        }
    }
    Ok(list)
}

/// Returns the caller's permissions at a scope, one entry for each assignment.
pub fn permissions_at(call: &Call<'_>, scope: &str) -> Answer {
    resources::require_scope(call, scope)?;
    let folded = ids::fold(scope);
    let value = call
        .state
        .assignments
        .of(&call.caller.object_id)
        .filter(|a| ids::covers(&ids::fold(&a.scope), &folded))
        .filter_map(|a| roles::find(&call.state.roles, &a.role))
        .flat_map(|r| &r.permissions)
        .map(|p| permission(p, WITH_DATA))
        .collect();
    Ok(error::list(value))
}
