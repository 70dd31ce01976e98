//! The object that a call is about: its current state in the store, and whether a body that was sent names the same object.

use super::call::Call;
use super::prepare;
use super::status::{Outcome, Refusal};
use super::store::{Store, key};
use serde_json::{Value, json};

pub fn existing(store: &Store, call: &Call) -> Outcome<Value> {
    let found = store.get(&key(&call.resource, call.namespace.as_deref(), &call.name));
    found.map(|o| prepare::requested_version(&call.resource, o)).ok_or_else(|| Refusal::not_found(call.resource.about(), &call.name))
}

pub fn same_name(call: &Call, object: &Value) -> Outcome<()> {
    match object["metadata"]["name"].as_str().unwrap_or_default() {
        "" => Err(Refusal::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        ))),
        name if name == call.name => Ok(()),
        name => Err(Refusal::bad_request(format!("the name of the object ({name}) does not match the name on the URL ({})", call.name))),
    }
}

/// Gives an object the namespace of the path.
pub fn set_namespace(call: &Call, object: &mut Value) -> Outcome<()> {
    let wanted = call.namespace.as_deref().unwrap_or_default();
    match object["metadata"]["namespace"].as_str() {
        Some(is) if !is.is_empty() && is != wanted => {
            return Err(Refusal::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
        }
        _ => {}
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if wanted.is_empty() {
            metadata.shift_remove("namespace");
        } else {
            metadata.insert("namespace".into(), json!(wanted));
        }
        if metadata.get("name").is_some_and(|n| n == "" || n.is_null()) {
            metadata.shift_remove("name");
        }
    }
    Ok(())
}
