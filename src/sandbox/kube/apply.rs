//! Server-side apply: merges a configuration into an object, by the owners of its fields. Uses the store; of HTTP it sees bodies only.

use super::call::{Call, Reply, parse};
use super::facts::Facts;
use super::lookup::{existing, same_name, set_namespace};
use super::managed::{self, FieldManager, Owners};
use super::status::{Outcome, Refusal};
use super::store::{Store, meta, now};
use super::update::update;
use super::write::{insert, remove_server_fields};
use super::{apply_errors, prepare, zero};
use serde_json::{Value, json};

pub fn apply(store: &mut Store, facts: &Facts, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let r = call.resource.clone();
    let mut config = parse(body).map_err(|e| Refusal::bad_request(format!("error decoding YAML: {e}")))?;
    let (version, kind) = (config["apiVersion"].as_str().unwrap_or_default(), config["kind"].as_str().unwrap_or_default());
    if version != r.api_version() || kind != r.kind {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        return Err(Refusal::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
    }
    if config["metadata"].get("managedFields").is_some_and(|m| !m.is_null()) {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    if let Some(fault) = apply_errors::first_error(&r.ty, &config) {
        let (namespace, name) = (meta(&config, "namespace"), meta(&config, "name"));
        let message =
            format!("failed to create typed patch object ({namespace}/{name}; {}/{}, Kind={}): {fault}", r.group, r.version, r.kind);
        return Err(Refusal::new(500, "", message));
    }
    same_name(call, &config)?;
    let sent = config.clone();
    set_namespace(call, &mut config)?;
    let now = now();
    let version = r.api_version();
    let manager = call.field_manager(&version, &now);
    let Ok(old) = existing(store, call) else {
        return apply_new(store, facts, call, config, &manager, warnings);
    };
    let new = merge_config(call, &old, &config, &sent)?;
    let body = finish(store, call, &old, new, warnings)?;
    Ok(Reply { code: 200, body })
}

/// A merged object, and the owners of its fields.
pub type Merged = (Value, Owners);

/// Merges a configuration into an existing object. `sent` is the configuration as the client wrote it.
pub fn merge_config(call: &Call, old: &Value, config: &Value, sent: &Value) -> Outcome<Merged> {
    let r = &call.resource;
    let (now, version) = (now(), r.api_version());
    let manager = call.field_manager(&version, &now);
    let (mut new, owners) = managed::apply(&r.ty, &zero::object(r), old, config, &manager, call.force).map_err(|c| c.refusal())?;
    managed::sync_last_applied(&mut new, sent, &call.manager);
    if !new["metadata"].is_object() {
        new["metadata"] = json!({});
    }
    for name in ["uid", "resourceVersion"] {
        // This is a precondition, not a field: the live value, unless the configuration names one.
        new["metadata"][name] = config["metadata"].get(name).cloned().unwrap_or_else(|| old["metadata"][name].clone());
    }
    Ok((new, owners))
}

pub fn finish(store: &mut Store, call: &Call, old: &Value, merge_config: Merged, warnings: &mut Vec<String>) -> Outcome<Value> {
    let (mut new, owners) = merge_config;
    prepare::decode(call, &mut new, warnings)?;
    update(store, call, old, new, Some(owners), warnings)
}

fn apply_new(
    store: &mut Store,
    facts: &Facts,
    call: &Call,
    config: Value,
    manager: &FieldManager<'_>,
    warnings: &mut Vec<String>,
) -> Outcome<Reply> {
    let r = call.resource.clone();
    if !call.sub.is_empty() {
        return Err(Refusal::not_found(r.about(), &call.name));
    }
    let uid = config["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() {
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Refusal::conflict(r.about(), &call.name, &why));
    }
    let live = zero::object(&r);
    let (mut object, owners) = managed::apply(&r.ty, &live, &live, &config, manager, true).map_err(|c| c.refusal())?;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("resourceVersion");
    }
    prepare::decode(call, &mut object, warnings)?;
    prepare::fill_defaults(&r, &mut object, true);
    set_namespace(call, &mut object)?;
    remove_server_fields(call, &mut object);
    let body = insert(store, facts, call, object, owners, warnings)?;
    Ok(Reply { code: 201, body })
}
