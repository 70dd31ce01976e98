//! The virtual machine scale sets of the nodes, and the identities assigned to them. A PATCH of `identity` is a merge: an id with an object
//! is added, one with null is removed. With the setting `scale_set_polls` a write is an operation that must be polled, as in Azure, but its
//! effect is visible at once.

use super::{
    access,
    call::{Answer, Call},
    directory, error, identities, ids, operations, removal, resource_ids,
    state::{Assigned, Group, Operation, ScaleSet, State},
    times,
};
use crate::http::Response;
use serde_json::{Map, Value, json};

const KIND: &str = resource_ids::SCALE_SET;

/// Returns the provisioning state. An operation that nobody polls ends after a minute.
fn provisioning(state: &State, set: &ScaleSet, now: i64) -> &'static str {
    let running = set.operation.as_ref().and_then(|operation| state.operations.get(operation));
    match running {
        Some(running) if over(running, now) => "Succeeded",
        Some(_) if set.deleting => "Deleting",
        Some(_) => "Updating",
        None => "Succeeded",
    }
}

fn over(operation: &Operation, now: i64) -> bool {
    operation.polls == 0 || now - operation.created > 60 * times::SECOND
}

pub fn document(state: &State, set: &ScaleSet, now: i64) -> Value {
    let mut body = json!({"name": set.name, "id": resource_ids::scale_set(&state.subscription, set), "type": KIND, "location": set.location, "tags": set.tags});
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
        "provisioningState": provisioning(state, set, now), "overprovision": false, "uniqueId": set.unique_id, "platformFaultDomainCount": 1});
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
    Ok(error::list(all.map(|s| document(call.state, s, call.now)).collect()))
}

pub fn one(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    let key = ids::fold(&scope);
    let absent = || error::resource_not_found(KIND, name, &group.name);
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &format!("{KIND}/read"), &scope)?;
            let set = call.state.scale_sets.get(&key).ok_or_else(absent)?;
            Ok(error::ok(&document(call.state, set, call.now)))
        }
        "PATCH" => {
            access::require(call, &format!("{KIND}/write"), &scope)?;
            let set = call.state.scale_sets.get(&key).cloned().ok_or_else(absent)?;
            let body = error::object(call)?;
            let location = set.location.clone();
            let mut set = merge(call, set, &scope, &body)?;
            if let Some(tags) = error::tags(&body) {
                set.tags = tags;
            }
            let operation = begin(call, &scope);
            set.operation.clone_from(&operation);
            let answer = error::ok(&document(call.state, &set, call.now));
            call.state.scale_sets.insert(key, set);
            call.changed();
            Ok(match operation {
                Some(operation) => polled(call, &location, &operation, answer),
                None => answer,
            })
        }
        "DELETE" => {
            access::require(call, &format!("{KIND}/delete"), &scope)?;
            let Some(mut set) = call.state.scale_sets.get(&key).cloned() else { return Ok(Response::new(204)) };
            let location = set.location.clone();
            call.changed();
            let Some(operation) = begin(call, &scope) else {
                removal::scale_set(call, &key);
                return Ok(Response::new(200));
            };
            (set.operation, set.deleting) = (Some(operation.clone()), true);
            call.state.scale_sets.insert(key, set);
            Ok(polled(call, &location, &operation, Response::new(202)))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}

/// Starts an operation. Returns None if the settings make writes finish at once.
fn begin(call: &mut Call<'_>, scope: &str) -> Option<String> {
    let polls = call.rules.scale_set_polls;
    if polls == 0 {
        return None;
    }
    let run = call.state.next_generation(&format!("operation:{scope}")).to_string();
    let operation = ids::guid(&["operation", scope, &run]);
    call.state.operations.insert(operation.clone(), Operation { created: call.now, polls, status: Some("Succeeded".to_owned()) });
    Some(operation)
}

fn polled(call: &Call<'_>, location: &str, operation: &str, answer: Response) -> Response {
    let url = operations::poll_url(call, &format!("providers/Microsoft.Compute/locations/{location}/operations/{operation}"));
    answer.with("azure-asyncoperation", url).with("azure-asyncnotification", "Enabled").with("retry-after", operations::pause(call, "5"))
}

/// Answers the URL of an Azure-AsyncOperation.
pub fn poll(call: &mut Call<'_>, operation: &str) -> Answer {
    let key = ids::fold(operation);
    let now = call.now;
    let Some(running) = call.state.operations.get_mut(&key) else {
        return Err(error::body(404, "NotFound", format!("Operation {operation} was not found.")));
    };
    let started = times::millis(running.created);
    if !over(running, now) {
        running.polls -= 1;
        call.counted();
        let answer = error::ok(&json!({"startTime": started, "status": "InProgress", "name": operation}));
        return Ok(answer.with("retry-after", operations::pause(call, "5")));
    }
    let status = running.status.clone().unwrap_or_else(|| "Succeeded".to_owned());
    let gone = call.state.scale_sets.iter().find(|(_, s)| s.deleting && s.operation.as_ref() == Some(&key)).map(|(id, _)| id.clone());
    if let Some(id) = gone {
        removal::scale_set(call, &id);
        call.changed();
    }
    Ok(error::ok(&json!({"startTime": started, "endTime": times::millis(now), "status": status, "name": operation})))
}

/// Parses `SystemAssigned, UserAssigned` and the like into two flags.
fn kinds(text: &str) -> Option<(bool, bool)> {
    let words: Vec<String> = text.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["none"] => Some((false, false)),
        ["systemassigned"] => Some((true, false)),
        ["userassigned"] => Some((false, true)),
        ["systemassigned", "userassigned"] | ["userassigned", "systemassigned"] => Some((true, true)),
        _ => None,
    }
}

fn merge(call: &mut Call<'_>, mut set: ScaleSet, scope: &str, body: &Map<String, Value>) -> Result<ScaleSet, Response> {
    let Some(identity) = body.get("identity").and_then(Value::as_object) else { return Ok(set) };
    let (own, users) = match identity.get("type").and_then(Value::as_str) {
        None => (set.principal_id.is_some(), true),
        Some(kind) => {
            kinds(kind).ok_or_else(|| error::body(400, "InvalidIdentityType", format!("The identity type '{kind}' is not supported.")))?
        }
    };
    if users {
        assign(call, &mut set, scope, identity)?;
    } else {
        set.identities.clear();
    }
    match (own, set.principal_id.take()) {
        (true, Some(principal)) => set.principal_id = Some(principal),
        (true, None) => set.principal_id = Some(directory::create(call.state, scope, &set.name, call.rules.lateness, call.now).1),
        (false, Some(principal)) => directory::remove(call.state, scope, &principal),
        (false, None) => {}
    }
    Ok(set)
}

fn assign(call: &Call<'_>, set: &mut ScaleSet, scope: &str, identity: &Map<String, Value>) -> Result<(), Response> {
    for (id, value) in identity.get("userAssignedIdentities").and_then(Value::as_object).into_iter().flatten() {
        let key = ids::fold(id);
        if value.is_null() {
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
    Ok(())
}

/// MIC extracts the failing id from this text by a pattern that needs it in single quotes.
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
