//! Creating, replacing, patching and applying objects. Knows the store; knows nothing of HTTP but bodies.

use super::call::{Call, Reply, parse};
use super::managed::{self, Owners, Writer};
use super::resource::Resource;
use super::schema::Type;
use super::status::{Cause, Outcome, Refusal};
use super::store::{Store, key, meta, now};
use super::{Facts, admission, erase, fault, metadata, patch, prepare, typed, zero};
use serde_json::{Value, json};

/// Metadata that only the server writes.
const SERVERS: [&str; 7] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace", "selfLink"];

/// `warnings` are sent whatever becomes of the request; so with all that write.
pub fn create(store: &mut Store, facts: &Facts, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let mut object = prepare::read(call, body, warnings)?;
    prepare::complete(&call.resource, &mut object, false);
    place(call, &mut object)?;
    if object["metadata"]["name"].is_null() {
        generate_name(store, facts, call, &mut object);
    }
    let managed = take_managed(&mut object);
    clean(call, &mut object);
    let live = zero::object(&call.resource);
    let owners = managed::updated(&call.resource.ty, &live, &object, managed, &writer(call, &call.resource.api_version(), &now()));
    let body = insert(store, facts, call, object, owners, warnings)?;
    Ok(Reply { code: 201, body })
}

/// managedFields that a client sends are taken over, but for an empty list, which resets them.
fn take_managed(object: &mut Value) -> Owners {
    let owners = managed::read(object);
    *object = managed::without(object);
    owners
}

/// What a new object that is answered and not kept says of its fields.
pub fn signed(call: &Call, ty: &Type, object: &mut Value) {
    let spec = if object["kind"] == "TokenRequest" { json!({"audiences": null, "boundObjectRef": null}) } else { json!({}) };
    let zero = json!({"metadata": {}, "spec": spec, "apiVersion": object["apiVersion"], "kind": object["kind"]});
    let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let owners = managed::updated(ty, &zero, object, Owners::new(), &writer(call, &version, &now()));
    managed::write(object, owners);
}

fn writer<'a>(call: &'a Call, version: &'a str, now: &'a str) -> Writer<'a> {
    Writer { name: &call.writer, version, subresource: &call.sub, now, ignored: call.ignored() }
}

/// The namespace of the path is the object's.
fn place(call: &Call, object: &mut Value) -> Outcome<()> {
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

/// Names stay under 63 letters, five of them the suffix.
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

/// What a new object may not bring along.
fn clean(call: &Call, object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for name in SERVERS.iter().filter(|n| **n != "namespace") {
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
fn insert(store: &mut Store, facts: &Facts, call: &Call, mut object: Value, owners: Owners, warnings: &mut Vec<String>) -> Outcome<Value> {
    let r = call.resource.clone();
    admission::namespace(store, call, &object)?;
    warnings.extend(metadata::finalizer_warnings(&object["metadata"]));
    warnings.extend(admission::create(store, facts, call, &mut object)?);
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
    if r.counted {
        object["metadata"]["generation"] = json!(1);
    }
    if call.dry_run {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove("resourceVersion");
        }
        return Ok(object);
    }
    let stored = store.put(&at, prepare::kept(&r, object));
    if r.kind == "Namespace" && r.group.is_empty() {
        super::controllers::furnish(store, facts, &name);
    }
    Ok(prepare::shown(&r, &stored))
}

pub fn replace(store: &mut Store, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let mut new = prepare::read(call, body, warnings)?;
    same_name(call, &new)?;
    place(call, &mut new)?;
    let old = existing(store, call)?;
    same_uid(call, &old, &new)?;
    if call.resource.custom.is_some() && new["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
        // Here the server names the resource, not the kind.
        return Err(Refusal::invalid(&call.resource.group, &call.resource.plural, &call.name, &[cause]));
    }
    let body = change(store, call, &old, new, None, warnings)?;
    Ok(Reply { code: 200, body })
}

/// A uid that is sent is a precondition.
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

pub fn existing(store: &Store, call: &Call) -> Outcome<Value> {
    let found = store.get(&key(&call.resource, call.namespace.as_deref(), &call.name));
    found.map(|o| prepare::shown(&call.resource, o)).ok_or_else(|| Refusal::not_found(call.resource.about(), &call.name))
}

fn same_name(call: &Call, object: &Value) -> Outcome<()> {
    match object["metadata"]["name"].as_str().unwrap_or_default() {
        "" => Err(Refusal::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        ))),
        name if name == call.name => Ok(()),
        name => Err(Refusal::bad_request(format!("the name of the object ({name}) does not match the name on the URL ({})", call.name))),
    }
}

/// JSON merge patch, JSON patch, strategic merge patch.
pub fn patched(store: &mut Store, call: &Call, kind: &str, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let decoded: Value = serde_json::from_slice(body).map_err(|e| {
        let why = if e.is_eof() { "unexpected end of JSON input".to_owned() } else { e.to_string() };
        Refusal::bad_request(format!("error decoding patch: {why}"))
    })?;
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
        "application/strategic-merge-patch+json" => patch::strategic(&call.resource.ty, &mut new, &decoded)?,
        _ => patch::merge(&mut new, &decoded),
    }
    same_name(call, &new)?;
    place(call, &mut new)?;
    // What a patch makes of an object is refused as a fault of the patch.
    let shown = if kind.starts_with("application/strategic") { fault::go(&decoded) } else { typed::sorted(&new).to_string() };
    prepare::decode(call, &mut new, warnings).map_err(|refusal| {
        let why = refusal
            .message
            .split_once(&format!("cannot be handled as a {}: ", call.resource.kind))
            .map_or(refusal.message.as_str(), |(_, why)| why);
        let cause = Cause::invalid("patch", &json!(shown), why);
        let mut out = Refusal::invalid("", "", "", &[cause]);
        out.details = json!({"causes": out.details["causes"]});
        out
    })?;
    let body = change(store, call, &old, new, None, warnings)?;
    Ok(Reply { code: 200, body })
}

/// Server-side apply.
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
        let text = |name: &str| config["metadata"][name].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let message =
            format!("failed to create typed patch object ({namespace}/{name}; {}/{}, Kind={}): {fault}", r.group, r.version, r.kind);
        return Err(Refusal::new(500, "", message));
    }
    same_name(call, &config)?;
    let sent = config.clone();
    place(call, &mut config)?;
    let now = now();
    let version = r.api_version();
    let writer = writer(call, &version, &now);
    let Ok(old) = existing(store, call) else {
        return apply_new(store, facts, call, config, &writer, warnings);
    };
    let (mut new, owners) = managed::applied(&r.ty, &zero::object(&r), &old, &config, &writer, call.force).map_err(|c| c.refusal())?;
    managed::sync_last_applied(&mut new, &sent, &call.writer);
    if !new["metadata"].is_object() {
        new["metadata"] = json!({});
    }
    for name in ["uid", "resourceVersion"] {
        // A precondition, not a field: the live value unless the configuration names one.
        new["metadata"][name] = config["metadata"].get(name).cloned().unwrap_or_else(|| old["metadata"][name].clone());
    }
    prepare::decode(call, &mut new, warnings)?;
    let body = change(store, call, &old, new, Some(owners), warnings)?;
    Ok(Reply { code: 200, body })
}

fn apply_new(
    store: &mut Store,
    facts: &Facts,
    call: &Call,
    config: Value,
    writer: &Writer<'_>,
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

/// The second half of every change of an object that is there. `owners`: of an apply; None: the writer owns what it changed.
pub fn change(
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
    if call.sub == "status" {
        let mut kept = managed::without(old);
        set(&mut kept, "status", new.get("status").cloned());
        // Of built-in kinds labels and annotations may be written along; a deployment keeps its labels.
        if r.custom.is_none() && r.group != "apiextensions.k8s.io" {
            for name in ["labels", "annotations"].iter().filter(|name| r.kind != "Deployment" || **name != "labels") {
                set(&mut kept["metadata"], name, new["metadata"].get(name).cloned());
            }
        }
        if r.custom.is_none() {
            prepare::tidy(&r, &mut kept);
        }
        new = kept;
    } else {
        if r.has("status") {
            set(&mut new, "status", old.get("status").cloned());
        }
        keep(&old["metadata"], &mut new["metadata"]);
        prepare::complete(&r, &mut new, owners.is_some());
        if r.group == "apiextensions.k8s.io" {
            super::resource::established(&mut new, &now());
        }
    }
    let owners = match owners {
        Some(owners) => owners,
        None => owners_of_update(call, old, &new, sent),
    };
    if r.group.is_empty() && r.kind == "Namespace" && call.sub.is_empty() {
        // Whoever wrote it owns it all the same.
        set(&mut new, "spec", old.get("spec").cloned());
    }
    prepare::refuse(&r, &new, &prepare::changes(&r, old, &new))?;
    warnings.extend(
        metadata::finalizer_warnings(&new["metadata"])
            .into_iter()
            .filter(|_| old["metadata"]["finalizers"] != new["metadata"]["finalizers"]),
    );

    if r.counted && call.sub != "status" && !typed::same(&intent(&r, old), &intent(&r, &new)) {
        new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_u64().unwrap_or_default() + 1);
    }
    new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    managed::write(&mut new, owners);
    managed::keep_times(old, &mut new);
    if call.dry_run || typed::same(old, &new) {
        return Ok(new);
    }
    let at = key(&r, call.namespace.as_deref(), &call.name);
    // The last finalizer of a deleted object takes it along.
    if !new["metadata"]["deletionTimestamp"].is_null() && erase::finished(&new) && erase::finished_otherwise(&r, &new) {
        store.put(&at, prepare::kept(&r, new.clone()));
        store.remove(&at);
        return Ok(new);
    }
    let stored = store.put(&at, prepare::kept(&r, new));
    Ok(prepare::shown(&r, &stored))
}

fn owners_of_update(call: &Call, old: &Value, new: &Value, sent: Option<Value>) -> Owners {
    // A client that sends managedFields edits them; an empty list resets them.
    let before = match &sent {
        Some(Value::Array(entries)) if call.sub.is_empty() && (entries.is_empty() || entries == &[json!({})]) => Owners::new(),
        Some(Value::Array(_)) if call.sub.is_empty() => managed::read(&json!({"metadata": {"managedFields": sent}})),
        _ => managed::read(old),
    };
    let (api_version, time) = (call.resource.api_version(), now());
    // Where nobody was written down before, updates are not either; an apply begins it.
    if before.is_empty() { before } else { managed::updated(&call.resource.ty, old, new, before, &writer(call, &api_version, &time)) }
}

/// What an update cannot change stays; what it may not even try is left, to be refused (apiserver, `registry/rest/update.go`).
fn keep(old: &Value, new: &mut Value) {
    for name in SERVERS {
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

/// All but metadata and status; a status that is no subresource counts.
fn intent(resource: &Resource, object: &Value) -> Value {
    let mut out = object.clone();
    if let Some(map) = out.as_object_mut() {
        map.shift_remove("metadata");
        if resource.custom.is_none() || resource.has("status") {
            map.shift_remove("status");
        }
    }
    out
}
