//! The conditions of a status: one of each type, with the time of its last change.

use super::super::store::now;
use serde_json::{Value, json};

pub fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

/// Sets a condition. Nothing changes if status and reason are as they were.
pub fn set_condition(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str) {
    let mut since = json!(now());
    if let Some(current) = condition(status, kind).filter(|current| current["status"] == value) {
        if current["reason"] == reason {
            return;
        }
        since = current["lastTransitionTime"].clone();
    }
    put_condition(
        status,
        json!({
            "type": kind, "status": value, "lastUpdateTime": now(), "lastTransitionTime": since, "reason": reason, "message": message,
        }),
    );
}

pub fn put_condition(status: &mut Value, condition: Value) {
    let kind = condition["type"].clone();
    let mut all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.retain(|c| c["type"] != kind);
    all.push(condition);
    status["conditions"] = all.into();
}

pub fn remove_condition(status: &mut Value, kind: &str) {
    if let Some(all) = status["conditions"].as_array_mut() {
        all.retain(|c| c["type"] != kind);
    }
}
