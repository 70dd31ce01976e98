//! The virtual machine scale sets of the nodes, and the identities that are assigned to them.
//! A PATCH of `identity` is a merge: an id with an object is added, one with null is taken away.

use super::{
    Answer, Call, access, error, identities, ids,
    state::{Assigned, Group, ScaleSet, State},
};
use crate::sandbox::http::Response;
use serde_json::{Map, Value, json};

pub const KIND: &str = "Microsoft.Compute/virtualMachineScaleSets";

pub fn id(subscription: &str, set: &ScaleSet) -> String {
    ids::resource_id(subscription, &set.group, KIND, &set.name)
}

pub fn document(state: &State, set: &ScaleSet) -> Value {
    let mut body = json!({"name": set.name, "id": id(&state.subscription, set), "type": KIND, "location": set.location, "tags": set.tags});
    let kind = match (&set.principal_id, set.identities.is_empty()) {
        (Some(_), true) => "SystemAssigned",
        (Some(_), false) => "SystemAssigned, UserAssigned",
        (None, false) => "UserAssigned",
        (None, true) => "None",
    };
    let mut identity = json!({ "type": kind });
    if let Some(principal) = &set.principal_id {
        identity["principalId"] = json!(principal);
        identity["tenantId"] = json!(state.tenant);
    }
    if !set.identities.is_empty() {
        let map: Map<String, Value> =
            set.identities.values().map(|a| (a.id.clone(), json!({"principalId": a.principal_id, "clientId": a.client_id}))).collect();
        identity["userAssignedIdentities"] = Value::Object(map);
    }
    if kind != "None" {
        body["identity"] = identity;
    }
    body["sku"] = json!({"name": "Standard_DS2_v2", "tier": "Standard", "capacity": set.capacity});
    body["properties"] = json!({"singlePlacementGroup": false, "orchestrationMode": "Uniform", "upgradePolicy": {"mode": "Manual"},
        "provisioningState": "Succeeded", "overprovision": false, "uniqueId": set.unique_id, "platformFaultDomainCount": 1});
    body
}

pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    access::require(call, "Microsoft.Compute/virtualMachineScaleSets/read", &scope)?;
    let all = call.state.scale_sets.values().filter(|s| group.is_none_or(|g| s.group.eq_ignore_ascii_case(g)));
    Ok(error::list(all.map(|s| document(call.state, s)).collect()))
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let key = ids::fold(&scope);
    let absent = || error::resource_not_found(KIND, name, &group.name);
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &format!("{KIND}/read"), &scope)?;
            let set = call.state.scale_sets.get(&key).ok_or_else(absent)?;
            Ok(error::ok(&document(call.state, set)))
        }
        "PATCH" => {
            access::require(call, &format!("{KIND}/write"), &scope)?;
            let set = call.state.scale_sets.get(&key).cloned().ok_or_else(absent)?;
            let body = error::object(call)?;
            let mut set = merge(call, set, &scope, &body)?;
            if let Some(tags) = error::tags(&body) {
                set.tags = tags;
            }
            let answer = document(call.state, &set);
            call.state.scale_sets.insert(key, set);
            call.changed();
            Ok(error::ok(&answer))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

fn merge(call: &Call<'_>, mut set: ScaleSet, scope: &str, body: &Map<String, Value>) -> Result<ScaleSet, Response> {
    let Some(identity) = body.get("identity").and_then(Value::as_object) else { return Ok(set) };
    let kind = identity.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind.eq_ignore_ascii_case("None") {
        set.identities.clear();
        set.principal_id = None;
        return Ok(set);
    }
    for (id, wish) in identity.get("userAssignedIdentities").and_then(Value::as_object).into_iter().flatten() {
        let key = ids::fold(id);
        if wish.is_null() {
            set.identities.remove(&key);
            continue;
        }
        let action = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
        if !access::may(call, action, id) {
            return Err(linked(&call.caller.object_id, scope, action, id));
        }
        let identity = identities::by_id(call, id).map_err(|_| failed(scope, id))?;
        let assigned = Assigned { id: id.clone(), client_id: identity.client_id.clone(), principal_id: identity.principal_id.clone() };
        set.identities.insert(key, assigned);
    }
    Ok(set)
}

/// MIC takes the failing id out of this text by a pattern that needs it in single quotes.
fn linked(object_id: &str, scope: &str, action: &str, id: &str) -> Response {
    error::gateway(
        403,
        "LinkedAuthorizationFailed",
        format!(
            "The client '{object_id}' with object id '{object_id}' has permission to perform action '{KIND}/write' on scope '{scope}'; however, it does not have permission to perform action '{action}' on the linked scope(s) '{id}' or the linked scope(s) are invalid."
        ),
    )
}

fn failed(scope: &str, id: &str) -> Response {
    let inner = format!("{{\"error\":{{\"code\":\"BadRequest\",\"message\":\"Resource '{id}' was not found.\"}}}}");
    error::body(
        400,
        "FailedIdentityOperation",
        format!(
            "Identity operation for resource '{scope}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: '{inner}'.'."
        ),
    )
}

pub fn remove_in(call: &mut Call<'_>, group: &str) {
    call.state.scale_sets.retain(|_, s| !s.group.eq_ignore_ascii_case(group));
}
