//! The second half of every change of an existing object: fields that stay as they were, field owners, validation, and storing. Uses the
//! store; does not read bodies.

use super::call::Call;
use super::lifecycle::{no_finalizers, no_other_blocker};
use super::managed::{self, Owners};
use super::metadata::{self, SERVER_FIELDS};
use super::resource::Resource;
use super::status::{Outcome, Refusal};
use super::store::{Store, key, now};
use super::{escalation, prepare, typed};
use serde_json::{Value, json};

/// Updates an object. `owners` comes from an apply; with `None`, the manager owns what it changed.
pub fn update(
    store: &mut Store,
    call: &Call,
    old: &Value,
    mut new: Value,
    owners: Option<Owners>,
    warnings: &mut Vec<String>,
) -> Outcome<Value> {
    let r = call.resource.clone();
    let version = new["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if !version.is_empty() && version != old["metadata"]["resourceVersion"] {
        return Err(Refusal::modified(r.about(), &call.name));
    }
    let sent = new["metadata"].get("managedFields").cloned();
    new = managed::without(&new);
    // A manager owns the fields that it sent, even if this endpoint then leaves them unchanged.
    let mut owners = owners;
    if call.sub == "status" {
        owners = owners.or_else(|| {
            let mut asked = new.clone();
            keep_server_fields(&old["metadata"], &mut asked["metadata"]);
            if r.custom.is_none() {
                prepare::normalize(&r, &mut asked);
            }
            Some(owners_of_update(call, old, &asked, None))
        });
        let mut kept = managed::without(old);
        set(&mut kept, "status", new.get("status").cloned());
        // Built-in kinds accept labels and annotations along with the status; a deployment keeps its labels.
        if r.custom.is_none() && r.group != "apiextensions.k8s.io" {
            for name in ["labels", "annotations"].iter().filter(|name| r.kind != "Deployment" || **name != "labels") {
                set(&mut kept["metadata"], name, new["metadata"].get(name).cloned());
            }
        }
        if r.custom.is_none() {
            prepare::normalize(&r, &mut kept);
        }
        new = kept;
    } else {
        if r.has("status") {
            set(&mut new, "status", old.get("status").cloned());
        }
        keep_server_fields(&old["metadata"], &mut new["metadata"]);
        super::allocate::update(call, old, &mut new);
        prepare::fill_defaults(&r, &mut new, owners.is_some());
        if r.group == "apiextensions.k8s.io" {
            super::resource::set_established(&mut new, &now());
        }
    }
    let owners = match owners {
        Some(owners) => owners,
        None => owners_of_update(call, old, &new, sent),
    };
    if r.group.is_empty() && r.kind == "Namespace" && call.sub.is_empty() {
        // The manager still owns the spec that it sent.
        set(&mut new, "spec", old.get("spec").cloned());
    }
    escalation::check(store, call, old, &new)?;
    prepare::refuse(&r, &new, &prepare::changes(&r, old, &new))?;
    warnings.extend(
        metadata::finalizer_warnings(&new["metadata"])
            .into_iter()
            .filter(|_| old["metadata"]["finalizers"] != new["metadata"]["finalizers"]),
    );

    if r.has_generation && call.sub != "status" && !typed::equal(&spec_fields(&r, old), &spec_fields(&r, &new)) {
        new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
    }
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    managed::write(&mut new, owners);
    managed::keep_times(old, &mut new);
    if call.dry_run || typed::equal(old, &new) {
        return Ok(new);
    }
    let at = key(&r, call.namespace.as_deref(), &call.name);
    // A deleted object is removed with its last finalizer.
    if !new["metadata"]["deletionTimestamp"].is_null() && no_finalizers(&new) && no_other_blocker(&r, &new) {
        store.remove(&at);
        return Ok(new);
    }
    prepare::check_size(&new)?;
    let stored = store.put(&at, prepare::storage_version(&r, new));
    Ok(prepare::requested_version(&r, &stored))
}

fn owners_of_update(call: &Call, old: &Value, new: &Value, sent: Option<Value>) -> Owners {
    let live = || managed::owners(old);
    // A client that sends managedFields edits them; an empty list, or one empty entry, resets them; unreadable ones count as not sent.
    let before = match sent.filter(|_| call.sub.is_empty()) {
        Some(Value::Array(entries)) if entries.is_empty() || entries == [json!({})] => Owners::new(),
        Some(sent) => managed::read(&sent).filter(|owners| !owners.is_empty()).unwrap_or_else(live),
        None => live(),
    };
    let (api_version, time) = (call.resource.api_version(), now());
    // If nobody owned a field before, an update records no owner; only an apply does.
    if before.is_empty() { before } else { managed::updated(&call.resource.ty, old, new, before, &call.field_manager(&api_version, &time)) }
}

/// Restores fields that an update cannot change. Fields that it must not even send stay, to be refused (apiserver, `registry/rest/update.go`).
fn keep_server_fields(old: &Value, new: &mut Value) {
    for name in SERVER_FIELDS {
        let was = old.get(name).filter(|was| !was.is_null());
        let tried = new.get(name).is_some_and(|is| !is.is_null());
        let refused = match name {
            "uid" | "deletionGracePeriodSeconds" => tried,
            "deletionTimestamp" => tried && was.is_none(),
            _ => false,
        };
        if !refused {
            set(new, name, was.cloned());
        }
    }
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) if !value.is_null() => {
            map.insert(name.into(), value);
        }
        _ => {
            map.shift_remove(name);
        }
    }
}

/// Returns all but metadata and status; a status that is not a subresource counts.
fn spec_fields(resource: &Resource, object: &Value) -> Value {
    let mut out = object.clone();
    if let Some(map) = out.as_object_mut() {
        map.shift_remove("metadata");
        if resource.custom.is_none() || resource.has("status") {
            map.shift_remove("status");
        }
    }
    out
}
