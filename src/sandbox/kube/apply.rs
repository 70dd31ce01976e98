//! Server-side apply: a configuration laid over what is there, by its fields' owners. Knows the store; knows nothing of HTTP but bodies.

use super::call::{Call, Reply, parse};
use super::facts::Facts;
use super::lookup::{existing, place, same_name};
use super::managed::{self, FieldManager, Owners};
use super::status::{Outcome, Refusal};
use super::store::{Store, meta, now};
use super::update::update;
use super::write::{clean, insert};
use super::{fault, prepare, zero};
use serde_json::{Value, json};

pub fn applied(store: &mut Store, facts: &Facts, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
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
    if let Some(fault) = fault::of(&r.ty, &config) {
        let (namespace, name) = (meta(&config, "namespace"), meta(&config, "name"));
        let message =
            format!("failed to create typed patch object ({namespace}/{name}; {}/{}, Kind={}): {fault}", r.group, r.version, r.kind);
        return Err(Refusal::new(500, "", message));
    }
    same_name(call, &config)?;
    let sent = config.clone();
    place(call, &mut config)?;
    let now = now();
    let version = r.api_version();
    let writer = call.signature(&version, &now);
    let Ok(old) = existing(store, call) else {
        return apply_new(store, facts, call, config, &writer, warnings);
    };
    let new = laid(call, &old, &config, &sent)?;
    let body = finish(store, call, &old, new, warnings)?;
    Ok(Reply { code: 200, body })
}

/// What becomes of an object, and whose fields they are then.
pub type Merged = (Value, Owners);

/// The configuration laid over an object that is there. `sent`: as the client wrote it.
pub fn laid(call: &Call, old: &Value, config: &Value, sent: &Value) -> Outcome<Merged> {
    let r = &call.resource;
    let (now, version) = (now(), r.api_version());
    let writer = call.signature(&version, &now);
    let (mut new, owners) = managed::applied(&r.ty, &zero::object(r), old, config, &writer, call.force).map_err(|c| c.refusal())?;
    managed::sync_last_applied(&mut new, sent, &call.writer);
    if !new["metadata"].is_object() {
        new["metadata"] = json!({});
    }
    for name in ["uid", "resourceVersion"] {
        // A precondition, not a field: the live value unless the configuration names one.
        new["metadata"][name] = config["metadata"].get(name).cloned().unwrap_or_else(|| old["metadata"][name].clone());
    }
    Ok((new, owners))
}

pub fn finish(store: &mut Store, call: &Call, old: &Value, laid: Merged, warnings: &mut Vec<String>) -> Outcome<Value> {
    let (mut new, owners) = laid;
    prepare::decode(call, &mut new, warnings)?;
    update(store, call, old, new, Some(owners), warnings)
}

fn apply_new(
    store: &mut Store,
    facts: &Facts,
    call: &Call,
    config: Value,
    writer: &FieldManager<'_>,
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
    let (mut object, owners) = managed::applied(&r.ty, &live, &live, &config, writer, true).map_err(|c| c.refusal())?;
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("resourceVersion");
    }
    prepare::decode(call, &mut object, warnings)?;
    prepare::complete(&r, &mut object, true);
    place(call, &mut object)?;
    clean(call, &mut object);
    let body = insert(store, facts, call, object, owners, warnings)?;
    Ok(Reply { code: 201, body })
}
