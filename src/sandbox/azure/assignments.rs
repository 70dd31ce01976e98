//! Role assignments at any scope. Scope and id keep the casing of the request. A new principal is not known here at once.

use super::{
    access,
    assignment_index::Assignment,
    call::{Answer, Call},
    definitions, directory, error, field_types, hosts, ids, resource_ids, resources, roles,
    state::State,
    times,
};
use crate::http::Response;
use serde_json::{Map, Value, json};

pub fn id(assignment: &Assignment) -> String {
    format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", assignment.scope.trim_end_matches('/'), assignment.name)
}

/// 8 KB (Azure RBAC documentation, "limits").
const LONGEST_CONDITION: usize = 8 << 10;
const USER_ACCESS_ADMINISTRATOR: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";

/// Fields that older api-versions do not have.
const SINCE: [(&str, &[&str]); 2] = [
    ("2018-01-01-preview", &["principalType"]),
    ("2020-03-01-preview", &["condition", "conditionVersion", "description", "delegatedManagedIdentityResourceId"]),
];

/// An assignment made by elevated access names nobody.
fn name_or_null(principal: &str) -> Value {
    if principal.is_empty() { Value::Null } else { json!(principal) }
}

/// `fresh` is true for the answer to the PUT itself, which does not name the creator.
fn document(call: &Call<'_>, a: &Assignment, fresh: bool) -> Value {
    let api_version = call.api_version();
    let mut body = json!({
        "properties": {
            "roleDefinitionId": definitions::id(&call.state.subscription, &a.role), "principalId": a.principal, "principalType": a.principal_type,
            "scope": a.scope, "condition": a.condition, "conditionVersion": a.condition_version,
            "createdOn": times::ticks(a.created), "updatedOn": times::ticks(a.updated),
            "createdBy": if fresh { Value::Null } else { name_or_null(&a.created_by) }, "updatedBy": name_or_null(&a.updated_by),
            "delegatedManagedIdentityResourceId": a.delegated, "description": a.description,
        },
        "id": id(a), "type": "Microsoft.Authorization/roleAssignments", "name": a.name,
    });
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.retain(|name, _| SINCE.iter().all(|(since, names)| api_version.as_str() >= *since || !names.contains(&name.as_str())));
    }
    body
}

/// `atScope()` selects assignments at or above the scope. `principalId eq` and `assignedTo()` select those above, at and below it, and so
/// does a missing filter.
pub fn list(call: &Call<'_>, scope: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, "Microsoft.Authorization/roleAssignments/read", scope)?;
    resources::require_scope(call, scope)?;
    let filter = call.request.query("$filter").unwrap_or_default();
    let low = ids::fold(&filter);
    let at_scope = low.contains("atscope()");
    let principal = if low.contains("principalid eq") || low.contains("assignedto(") {
        Some(low.split('\'').nth(1).unwrap_or_default().to_owned())
    } else if !low.trim().is_empty() && !at_scope {
        return Err(error::body(
            400,
            "InvalidFilter",
            format!(
                "The filter '{filter}' is not supported. Supported filters are atScope(), principalId eq '{{id}}' and assignedTo('{{id}}')."
            ),
        ));
    } else {
        None
    };
    // a principal is also assigned what its groups are assigned
    let principals: Option<Vec<&str>> =
        principal.as_deref().map(|p| if low.contains("assignedto(") { directory::with_groups(call.state, p) } else { vec![p] });
    let here = ids::fold(scope);
    let value = call
        .state
        .assignments
        .iter()
        .filter(|a| {
            let existing = ids::fold(&a.scope);
            let place = ids::covers(&existing, &here) || (!at_scope && ids::covers(&here, &existing));
            place && principals.as_ref().is_none_or(|all| all.iter().any(|p| a.principal.eq_ignore_ascii_case(p)))
        })
        .map(|a| document(call, a, false))
        .collect();
    Ok(error::list(value))
}

pub fn one(call: &mut Call<'_>, scope: &str, name: &str) -> Answer {
    let full = format!("{}/providers/Microsoft.Authorization/roleAssignments/{name}", scope.trim_end_matches('/'));
    let action = |verb: &str| format!("Microsoft.Authorization/roleAssignments/{verb}");
    let here = call.state.assignments.get(name).filter(|a| a.scope.eq_ignore_ascii_case(scope)).cloned();
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &full)?;
            resources::require_scope(call, scope)?;
            match here {
                Some(assignment) => Ok(error::ok(&document(call, &assignment, false))),
                None => Err(error::body(404, "RoleAssignmentNotFound", format!("The role assignment '{name}' is not found."))),
            }
        }
        "PUT" => {
            access::require(call, &action("write"), &full)?;
            resources::require_scope(call, scope)?;
            put(call, scope, name)
        }
        "DELETE" => {
            access::require(call, &action("delete"), &full)?;
            resources::require_scope(call, scope)?;
            let Some(assignment) = here else { return Ok(Response::new(204)) };
            call.state.assignments.remove(name);
            forget(call.state, &assignment);
            call.changed();
            Ok(error::ok(&document(call, &assignment, false)))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// `elevateAccess` makes the administrator of the directory, here the owner of the subscription, User Access Administrator of the root
/// scope.
pub fn elevate(call: &mut Call<'_>) -> Answer {
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    let (action, caller) = ("Microsoft.Authorization/elevateAccess/action", call.caller.object_id.clone());
    access::require(call, action, &format!("/subscriptions/{}", call.state.subscription))
        .map_err(|_| error::authorization_failed(&caller, action, "/"))?;
    let existing = call.state.assignments.of(&caller).any(|a| a.role == USER_ACCESS_ADMINISTRATOR && a.scope == "/");
    if !existing {
        let principal_type = call.state.principals.get(&caller).map_or("ServicePrincipal", |p| p.principal_type.name()).to_owned();
        call.state.assignments.insert(Assignment {
            name: ids::guid(&["elevated", &caller]),
            scope: "/".to_owned(),
            role: USER_ACCESS_ADMINISTRATOR.to_owned(),
            principal: caller,
            principal_type,
            description: None,
            condition: None,
            condition_version: None,
            delegated: None,
            created: call.now,
            updated: call.now,
            created_by: String::new(),
            updated_by: String::new(),
        });
        call.changed();
    }
    Ok(Response::new(200))
}

/// Forgets the recorded grants of a deleted assignment, so that a new grant is delayed again.
pub fn forget(state: &mut State, deleted: &Assignment) {
    let scope = ids::fold(&deleted.scope);
    let subscription = &state.subscription;
    let vaults = state.vaults.iter().filter(|(_, v)| ids::covers(&scope, &ids::fold(&resource_ids::vault(subscription, v))));
    // a role at a container counts at its account's host
    let accounts = state.plain.iter().filter(|(_, p)| p.kind == resource_ids::STORAGE_ACCOUNT);
    let accounts = accounts.filter(|(key, _)| ids::covers(&scope, key) || ids::covers(key, &scope));
    let hosts = accounts.map(|(_, account)| format!("{}{}", ids::fold(&account.name), hosts::BLOB_SUFFIX));
    let under: Vec<String> = vaults.map(|(name, _)| name.clone()).chain(hosts).collect();
    state.forget_grants(|principal, vault, kind| kind == "rbac" && principal == deleted.principal && under.iter().any(|v| v == vault));
}

fn put(call: &mut Call<'_>, scope: &str, name: &str) -> Answer {
    let body = error::object(call)?;
    // older clients send the properties unwrapped
    let empty = Map::new();
    let properties =
        body.get("properties").and_then(Value::as_object).unwrap_or(if body.contains_key("principalId") { &body } else { &empty });
    const TYPES: field_types::FieldTypes = &[
        ("roleDefinitionId", field_types::FieldType::Text),
        ("principalId", field_types::FieldType::Text),
        ("principalType", field_types::FieldType::Text),
        ("description", field_types::FieldType::Text),
        ("condition", field_types::FieldType::Text),
        ("conditionVersion", field_types::FieldType::Text),
        ("delegatedManagedIdentityResourceId", field_types::FieldType::Text),
    ];
    if let Some(wrong) = field_types::mismatch(properties, TYPES) {
        let text = format!("The request to create a role assignment is not valid: the value of {} is not valid.", wrong.field);
        return Err(error::body(400, "InvalidCreateRoleAssignmentRequest", text));
    }
    let text = |field: &str| properties.get(field).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    if text("condition").is_some_and(|condition| condition.len() > LONGEST_CONDITION) {
        let text = format!("The request to create a role assignment is not valid: the condition has more than {LONGEST_CONDITION} bytes.");
        return Err(error::body(400, "InvalidCreateRoleAssignmentRequest", text));
    }
    if !ids::is_guid(name) {
        return Err(error::body(
            400,
            "InvalidRoleAssignmentId",
            format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
        ));
    }
    let (Some(role_id), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
        return Err(error::body(
            400,
            "InvalidCreateRoleAssignmentRequest",
            "The request to create a role assignment is not valid: roleDefinitionId and principalId are required.",
        ));
    };
    let guid = role_id.rsplit('/').next().unwrap_or_default();
    // a role that cannot be assigned at this scope is not visible from it
    let role = roles::find(&call.state.roles, guid).filter(|r| r.is_for(scope)).ok_or_else(|| definitions::absent(guid))?.guid.clone();
    if !ids::is_guid(&principal) {
        return Err(error::body(
            400,
            "InvalidPrincipalId",
            format!("The Principal ID '{principal}' is not valid. Principal ID must be a GUID."),
        ));
    }
    let principal = ids::fold(&principal);
    let kind = known(call, &principal, text("principalType"))?;
    let existing = call.state.assignments.get(name).cloned();
    if let Some(old) = &existing
        && (old.principal != principal || !old.scope.eq_ignore_ascii_case(scope) || old.role != role)
    {
        return Err(error::body(
            400,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    let equal = call
        .state
        .assignments
        .of(&principal)
        .find(|a| a.role == role && a.scope.eq_ignore_ascii_case(scope) && !a.name.eq_ignore_ascii_case(name));
    if let Some(equal) = equal {
        let id = ids::fold(&equal.name).replace('-', "");
        return Err(error::body(
            409,
            "RoleAssignmentExists",
            format!("The role assignment already exists. The ID of the existing role assignment is {id}."),
        ));
    }
    let caller = call.caller.object_id.clone();
    let assignment = Assignment {
        name: existing.as_ref().map_or_else(|| name.to_owned(), |a| a.name.clone()),
        scope: existing.as_ref().map_or_else(|| scope.to_owned(), |a| a.scope.clone()),
        role,
        principal,
        principal_type: kind,
        description: text("description"),
        condition: text("condition"),
        condition_version: text("conditionVersion"),
        delegated: text("delegatedManagedIdentityResourceId"),
        created: existing.as_ref().map_or(call.now, |a| a.created),
        updated: call.now,
        created_by: existing.as_ref().map_or_else(|| caller.clone(), |a| a.created_by.clone()),
        updated_by: caller,
    };
    let body = document(call, &assignment, true);
    call.state.assignments.insert(assignment);
    call.changed();
    // the answer is 201 also for an assignment that exists already
    Ok(error::created(&body))
}

/// Returns the type of the principal, or PrincipalNotFound while the principal is not replicated, even if the request names its type.
fn known(call: &mut Call<'_>, principal: &str, requested: Option<String>) -> Result<String, Response> {
    let (lateness, now) = (call.rules.lateness, call.now);
    let existing = match call.state.principals.get_mut(principal) {
        Some(existing) => (!existing.late.refuses(lateness, now)).then_some(existing.principal_type),
        None => None,
    };
    let hex = principal.replace('-', "");
    let Some(principal_type) = existing else {
        call.counted();
        return Err(error::body(
            400,
            "PrincipalNotFound",
            format!(
                "Principal {hex} does not exist in the directory {}. Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
                call.state.tenant
            ),
        ));
    };
    match requested {
        // the service misspells it as "PrinciaplType"
        Some(requested) if !requested.eq_ignore_ascii_case(principal_type.name()) => Err(error::body(
            400,
            "UnmatchedPrincipalType",
            format!(
                "The PrincipalId '{hex}' has type '{}' , which is different from specified PrinciaplType '{requested}'.",
                principal_type.name()
            ),
        )),
        _ => Ok(principal_type.name().to_owned()),
    }
}
