//! Creates, replaces and patches objects. Uses the store; of HTTP it sees bodies only.

use super::call::{Call, Reply, TOO_DEEP};
use super::facts::Facts;
use super::lookup::{existing, same_name, set_namespace};
use super::managed::{self, Owners};
use super::schema::Type;
use super::status::{Cause, Outcome, Refusal};
use super::store::{Store, key, meta, now};
use super::strategic::strategic;
use super::update::update;
use super::{admission, apply_errors, decode, escalation, metadata, namespace_defaults, patch, prepare, typed, zero};
use crate::measure;
use serde_json::{Value, json};

/// Creates an object. `warnings` are sent whether the request succeeds or not; this holds for all functions that write.
pub fn create(store: &mut Store, facts: &Facts, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let mut object = prepare::read(call, body, warnings)?;
    prepare::fill_defaults(&call.resource, &mut object, false);
    set_namespace(call, &mut object)?;
    if object["metadata"]["name"].is_null() {
        generate_name(store, facts, call, &mut object);
    }
    let managed = take_managed(&mut object);
    remove_server_fields(call, &mut object);
    let live = zero::object(&call.resource);
    let owners = managed::updated(&call.resource.ty, &live, &object, managed, &call.field_manager(&call.resource.api_version(), &now()));
    let body = insert(store, facts, call, object, owners, warnings)?;
    Ok(Reply { code: 201, body })
}

/// Takes over the managedFields that a client sends, if they can be read.
fn take_managed(object: &mut Value) -> Owners {
    let owners = managed::read(&object["metadata"]["managedFields"]).unwrap_or_default();
    *object = managed::without(object);
    owners
}

/// Writes the managedFields of a new object that is returned and not stored.
pub fn set_managed_fields(call: &Call, ty: &Type, object: &mut Value) {
    let spec = if object["kind"] == "TokenRequest" { json!({"audiences": null, "boundObjectRef": null}) } else { json!({}) };
    let zero = json!({"metadata": {}, "spec": spec, "apiVersion": object["apiVersion"], "kind": object["kind"]});
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let owners = managed::updated(ty, &zero, object, Owners::new(), &call.field_manager(&version, &now()));
    managed::write(object, owners);
}

/// Generates a name of at most 63 letters; five of them are the suffix.
fn generate_name(store: &mut Store, facts: &Facts, call: &Call, object: &mut Value) {
    let Some(prefix) = object["metadata"]["generateName"].as_str().filter(|p| !p.is_empty()).map(str::to_owned) else {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove("name");
        }
        return;
    };
    let base: String = prefix.chars().take(58).collect();
    let what = key(&call.resource, call.namespace.as_deref(), &prefix);
    let suffix = store.suffix(&facts.uid_seed, &what);
    object["metadata"]["name"] = json!(format!("{base}{suffix}"));
}

/// Removes what a new object may not contain.
pub fn remove_server_fields(call: &Call, object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in metadata::SERVER_FIELDS.iter().filter(|n| **n != "namespace") {
            metadata.shift_remove(*name);
        }
    }
    if call.resource.has("status")
        && let Some(map) = object.as_object_mut()
    {
        map.shift_remove("status");
    }
}

/// The second half of a create, and of an apply that creates.
pub fn insert(
    store: &mut Store,
    facts: &Facts,
    call: &Call,
    mut object: Value,
    owners: Owners,
    warnings: &mut Vec<String>,
) -> Outcome<Value> {
    let r = call.resource.clone();
    admission::namespace(store, call, &object)?;
    warnings.extend(metadata::finalizer_warnings(&object["metadata"]));
    warnings.extend(admission::create(store, facts, call, &mut object)?);
    escalation::check(store, call, &Value::Null, &object)?;
    prepare::refuse(&r, &object, &prepare::causes(&r, &object))?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let at = key(&r, call.namespace.as_deref(), &name);
    if store.get(&at).is_some() {
        return Err(Refusal::exists(r.about(), &name));
    }
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != "0" {
        return Err(Refusal::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    managed::write(&mut object, owners);
    let uid = if call.dry_run { uuid::Uuid::new_v4().to_string() } else { store.uid(&facts.uid_seed, &at) };
    object["metadata"]["uid"] = json!(uid);
    object["metadata"]["creationTimestamp"] = json!(now());
    if r.has_generation {
        object["metadata"]["generation"] = json!(1);
    }
    if call.dry_run {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove("resourceVersion");
        }
        return Ok(object);
    }
    prepare::check_size(&object)?;
    let stored = store.put(&at, prepare::storage_version(&r, object));
    if r.kind == "Namespace" && r.group.is_empty() {
        namespace_defaults::create_defaults(store, facts, &name);
    }
    Ok(prepare::requested_version(&r, &stored))
}

pub fn replace(store: &mut Store, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let mut new = prepare::read(call, body, warnings)?;
    same_name(call, &new)?;
    set_namespace(call, &mut new)?;
    let old = existing(store, call)?;
    same_uid(call, &old, &new)?;
    if call.resource.custom.is_some() && new["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        // The server puts the resource here instead of the kind.
        return Err(Refusal::invalid(&call.resource.group, &call.resource.plural, &call.name, &[cause]));
    }
    let body = update(store, call, &old, new, None, warnings)?;
    Ok(Reply { code: 200, body })
}

/// A uid in the body is a precondition.
fn same_uid(call: &Call, old: &Value, new: &Value) -> Outcome<()> {
    let r = &call.resource;
    let (is, wanted) = (meta(old, "uid"), meta(new, "uid"));
    if wanted.is_empty() || wanted == is {
        return Ok(());
    }
    let group = if r.custom.is_some() { format!("{}/", r.group) } else { String::new() };
    let at = format!("{group}{}/{}/{}", r.plural, call.namespace.as_deref().unwrap_or_default(), call.name);
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{at}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {is}"
    );
    Err(Refusal::conflict(r.about(), &call.name, &why))
}

/// Applies a JSON merge patch, JSON patch or strategic merge patch.
pub fn patch(store: &mut Store, call: &Call, kind: &str, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let decoded: Value = serde_json::from_slice(body).map_err(|e| {
        let why = if e.is_eof() { "unexpected end of JSON input".to_owned() } else { e.to_string() };
        Refusal::bad_request(format!("error decoding patch: {why}"))
    })?;
    if measure::too_deep(&decoded) {
        return Err(Refusal::bad_request(format!("error decoding patch: {TOO_DEEP}")));
    }
    let old = existing(store, call)?;
    let mut new = old.clone();
    if kind != "application/json-patch+json" && !decoded.is_object() {
        let what = if decoded.is_array() { "array" } else { "string" };
        let why = format!("error decoding patch: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}");
        return Err(Refusal::bad_request(why));
    }
    match kind {
        "application/json-patch+json" => {
            if !decoded.is_array() {
                let why = "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
                return Err(Refusal::bad_request(why));
            }
            patch::json(&mut new, &decoded)?;
        }
        "application/strategic-merge-patch+json" => strategic(&call.resource.ty, &mut new, &decoded)?,
        _ => patch::merge(&mut new, &decoded),
    }
    same_name(call, &new)?;
    set_namespace(call, &mut new)?;
    // An invalid result is reported as an error of the patch.
    let shown = if kind.starts_with("application/strategic") { apply_errors::go_format(&decoded) } else { typed::sorted(&new).to_string() };
    let strategic = kind.starts_with("application/strategic");
    let mismatch = decode::built_in(&call.resource.ty, &mut new.clone()).mismatch.filter(|_| strategic);
    prepare::decode(call, &mut new, warnings).map_err(|refusal| {
        let why = match &mismatch {
            // A strategic merge patch is not decoded from text but converted from values.
            Some(mismatch) => mismatch.conversion_error(),
            None => {
                let all = refusal.message.split_once(&format!("cannot be handled as a {}: ", call.resource.kind));
                all.map_or(refusal.message.as_str(), |(_, why)| why).to_owned()
            }
        };
        let cause = Cause::invalid("patch", &json!(shown), &why);
        let mut out = Refusal::invalid("", "", "", &[cause]);
        out.details = json!({"causes": out.details["causes"]});
        out
    })?;
    let body = update(store, call, &old, new, None, warnings)?;
    Ok(Reply { code: 200, body })
}
