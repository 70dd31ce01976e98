//! Blob containers in ARM, below `blobServices/default` of their account. A request needs rights at the control plane and no key.

use super::{
    access,
    call::{Answer, Call},
    error, ids, plain,
    state::{Group, Plain},
    storage_accounts::{self, JSON, empty, refusal},
    times,
};
use crate::http::Response;
use serde_json::{Map, Value, json};

pub const KIND: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

fn account_id(call: &Call<'_>, group: &Group, account: &str) -> String {
    ids::resource_id(&call.state.subscription, &group.name, storage_accounts::KIND, account)
}

fn is_valid(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edges = name.bytes().next().is_some_and(plain) && name.bytes().last().is_some_and(plain);
    (3..=63).contains(&name.len()) && edges && name.bytes().all(|b| plain(b) || b == b'-') && !name.contains("--")
}

fn document(container: &Plain) -> Value {
    let mut body = plain::document(container);
    let etag = format!("\"0x{}\"", ids::hex(&["container", &container.id]).to_ascii_uppercase().split_at(15).0);
    body["etag"] = json!(etag);
    let properties = &mut body["properties"];
    let fixed = json!({"leaseStatus": "Unlocked", "leaseState": "Available", "defaultEncryptionScope": "$account-encryption-key",
        "denyEncryptionScopeOverride": false, "deleted": false, "remainingRetentionDays": 0, "hasImmutabilityPolicy": false,
        "hasLegalHold": false, "lastModifiedTime": times::ticks(container.created.unwrap_or_default())});
    if let (Some(properties), Value::Object(fixed)) = (properties.as_object_mut(), fixed) {
        properties.extend(fixed);
    }
    body
}

fn require_account(call: &Call<'_>, group: &Group, account: &str) -> Result<(), Response> {
    let key = ids::fold(&account_id(call, group, account));
    match call.state.plain.contains_key(&key) {
        true => Ok(()),
        false => Err(error::resource_not_found(storage_accounts::KIND, account, &group.name)),
    }
}

pub fn list(call: &Call<'_>, group: &Group, account: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let below = format!("{}/blobServices/default/containers", account_id(call, group, account));
    access::require(call, &format!("{KIND}/read"), &below)?;
    require_account(call, group, account)?;
    let under = ids::fold(&below);
    let all = call.state.plain.iter().filter(|(key, _)| ids::covers(&under, key));
    Ok(error::list(all.map(|(_, container)| document(container)).collect()))
}

/// Metadata that is sent replaces what is there.
fn change(container: &mut Plain, body: &Map<String, Value>) {
    let asked = body.get("properties").and_then(Value::as_object);
    let Some(Value::Object(properties)) = container.rest.get_mut("properties") else { return };
    for name in ["publicAccess", "metadata"] {
        if let Some(value) = asked.and_then(|asked| asked.get(name)).filter(|value| !value.is_null()) {
            properties.insert(name.to_owned(), value.clone());
        }
    }
}

pub fn one(call: &mut Call<'_>, group: &Group, account: &str, name: &str) -> Answer {
    let id = format!("{}/blobServices/default/containers/{name}", account_id(call, group, account));
    let key = ids::fold(&id);
    let verb = match call.request.method.as_str() {
        "GET" => "read",
        "PUT" | "PATCH" => "write",
        "DELETE" => "delete",
        _ => return Err(error::method_not_allowed(call)),
    };
    access::require(call, &format!("{KIND}/{verb}"), &id)?;
    require_account(call, group, account)?;
    let existing = call.state.plain.get(&key).cloned();
    let absent = || refusal(404, "ContainerNotFound", "The specified container does not exist.");
    match call.request.method.as_str() {
        "GET" => Ok(Response::json(200, JSON, &document(&existing.ok_or_else(absent)?))),
        "DELETE" if existing.is_none() => Ok(empty(204)),
        "DELETE" => {
            call.state.plain.remove(&key);
            call.state.assignments.drop_under(&key);
            call.state.drop_lost_blobs();
            call.changed();
            Ok(empty(200))
        }
        write => {
            if !is_valid(name) {
                return Err(refusal(400, "InvalidResourceName", "The specifed resource name contains invalid characters."));
            }
            let created = existing.is_none();
            if created && write == "PATCH" {
                return Err(absent());
            }
            let body = error::object(call)?;
            let mut container = existing.unwrap_or_else(|| Plain {
                id,
                name: name.to_owned(),
                kind: KIND.to_owned(),
                group: group.name.clone(),
                location: None,
                tags: None,
                rest: Map::from_iter([("properties".to_owned(), json!({"publicAccess": "None"}))]),
                created: Some(call.now),
            });
            change(&mut container, &body);
            let response = Response::json(if created { 201 } else { 200 }, JSON, &document(&container));
            call.state.plain.insert(key, container);
            call.changed();
            Ok(response)
        }
    }
}
