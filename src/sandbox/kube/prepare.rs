//! Turns a body into an object that can be stored: decoding, defaults, validation, and conversion between versions. Does not use the store.

use super::call::{Call, Validation};
use super::names::Naming;
use super::resource::Resource;
use super::schema::{Shape, Type};
use super::status::{Cause, Outcome, Refusal};
use super::{custom_validation, decode, defaults, events, metadata, strict, validation};
use crate::measure;
use serde_json::{Value, json};

/// Reads the object of a POST or PUT.
pub fn read(call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Value> {
    let r = &call.resource;
    let unrecognized = |why: &str| {
        let requested_version =
            if body.is_empty() { "<empty>".into() } else { String::from_utf8_lossy(body).chars().take(200).collect::<String>() };
        Refusal::bad_request(format!("the object provided is unrecognized (must be of type {}): {why} ({requested_version})", r.kind))
    };
    let cut = serde_json::from_slice::<Value>(body).is_err_and(|e| e.is_eof()) && body.first().is_none_or(|b| *b == b'{');
    let parsed = if cut { Err("unexpected end of JSON input".to_owned()) } else { super::call::parse(body) };
    let mut object = parsed.map_err(|why| unrecognized(&format!("couldn't get version/kind; json parse error: {why}")))?;
    if !object.is_object() {
        return Err(unrecognized(
            "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }",
        ));
    }
    let (version, kind) = (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    if r.custom.is_some() && kind.is_empty() {
        let requested_version = String::from_utf8_lossy(body).into_owned();
        return Err(unrecognized(&format!("Object 'Kind' is missing in '{requested_version}'")));
    }
    if !version.is_empty() && version != r.api_version() {
        let message = format!("the API version in the data ({version}) does not match the expected API version ({})", r.api_version());
        return Err(Refusal::bad_request(message));
    }
    if !kind.is_empty() && kind != r.kind {
        if r.custom.is_some() {
            let cause = Cause::invalid("kind", &json!(kind), &format!("must be {}", r.kind));
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            return Err(Refusal::invalid(&r.group, kind, name, &[cause]));
        }
        let message =
            format!("{kind} in version {} cannot be handled as a {}: no kind {} is registered", json!(r.version), r.kind, json!(kind));
        return Err(Refusal::bad_request(message));
    }
    decode_with(call, &mut object, strict::duplicate_fields(body), warnings)?;
    Ok(object)
}

/// Drops unknown fields and rejects values of a wrong type.
pub fn decode(call: &Call, object: &mut Value, warnings: &mut Vec<String>) -> Outcome<()> {
    decode_with(call, object, Vec::new(), warnings)
}

/// `faults` are the faults that were found in the text before.
fn decode_with(call: &Call, object: &mut Value, mut faults: Vec<String>, warnings: &mut Vec<String>) -> Outcome<()> {
    let r = &call.resource;
    let decoded = if r.custom.is_some() { decode::custom(&r.ty, object) } else { decode::built_in(&r.ty, object) };
    if let Some(error) = decoded.error {
        return Err(call.unhandled(&error));
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    faults.extend(decoded.unknown.iter().map(|field| format!("unknown field {}", json!(field))));
    match call.validation {
        Validation::Ignore => {}
        Validation::Warn => warnings.extend(faults),
        Validation::Strict if faults.is_empty() => {}
        Validation::Strict => return Err(call.unhandled(&format!("strict decoding error: {}", faults.join(", ")))),
    }
    Ok(())
}

/// Fills in defaults. An apply keeps the nulls of a custom object.
pub fn fill_defaults(resource: &Resource, object: &mut Value, apply: bool) {
    match resource.crd_schema() {
        Some(schema) => {
            custom_validation::fill(schema, object, apply);
            drop_empty(&Type::named("ObjectMeta"), &mut object["metadata"]);
        }
        None => {
            defaults::fill(resource, object);
            normalize(resource, object);
        }
    }
    set_type(resource, object);
}

/// Brings a built-in object into the form in which Go writes it.
pub fn normalize(resource: &Resource, object: &mut Value) {
    drop_nulls(object);
    drop_empty(&resource.ty, object);
    write_nulls(resource, object);
}

/// Drops all nulls: a built-in object never holds one.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Drops empty maps and lists that are optional (Go's `omitempty`).
fn drop_empty(ty: &Type, value: &mut Value) {
    match (ty.shape(), value) {
        (Shape::Struct { of, .. }, Value::Object(map)) => {
            map.retain(|name, inner| match of.fields.get(name) {
                Some(field) => {
                    drop_empty(&field.of, inner);
                    let hollow = match field.of.shape() {
                        Shape::Map { .. } => inner.as_object().is_some_and(serde_json::Map::is_empty),
                        Shape::List(_) => inner.as_array().is_some_and(Vec::is_empty),
                        // Only these texts: others may be pointers, where empty is not the same as absent.
                        _ => inner == "" && (of.name == "ObjectMeta" || (of.name == "EnvVar" && name == "value")),
                    };
                    field.required || !hollow
                }
                None => true,
            });
        }
        (Shape::Map { of, .. }, Value::Object(map)) => map.values_mut().for_each(|inner| drop_empty(of, inner)),
        (Shape::List(list), Value::Array(items)) => items.iter_mut().for_each(|item| drop_empty(&list.of, item)),
        _ => {}
    }
}

/// Adds the fields that are written even if they are null.
fn write_nulls(resource: &Resource, object: &mut Value) {
    write_null_times(&resource.ty, object);
    let (name, unless) = match resource.kind.as_str() {
        "Role" | "ClusterRole" => ("rules", "rules"),
        "Event" => ("eventTime", "eventTime"),
        _ => return,
    };
    if object.get(unless).is_none() {
        object[name] = Value::Null;
    }
}

/// Adds the times that Go stores by value: an unset one is written as null.
fn write_null_times(ty: &Type, value: &mut Value) {
    match (ty.shape(), value) {
        (Shape::Struct { of, .. }, Value::Object(map)) => {
            for (name, inner) in map.iter_mut() {
                if let Some(field) = of.fields.get(name) {
                    write_null_times(&field.of, inner);
                }
            }
            let write_nulls: &[&str] = match of.name.as_str() {
                "PodCondition" | "JobCondition" => &["lastProbeTime", "lastTransitionTime"],
                "NodeCondition" => &["lastHeartbeatTime", "lastTransitionTime"],
                "DeploymentCondition" => &["lastUpdateTime", "lastTransitionTime"],
                "NamespaceCondition" | "ReplicaSetCondition" | "DaemonSetCondition" | "StatefulSetCondition" => &["lastTransitionTime"],
                "CustomResourceDefinitionCondition" => &["lastTransitionTime"],
                "ContainerStateRunning" => &["startedAt"],
                "ContainerStateTerminated" => &["startedAt", "finishedAt"],
                _ => return,
            };
            for name in write_nulls {
                map.entry(*name).or_insert(Value::Null);
            }
        }
        (Shape::Map { of, .. }, Value::Object(map)) => map.values_mut().for_each(|inner| write_null_times(of, inner)),
        (Shape::List(list), Value::Array(items)) => items.iter_mut().for_each(|item| write_null_times(&list.of, item)),
        _ => {}
    }
}

/// Sets kind and apiVersion.
pub fn set_type(resource: &Resource, object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".into(), json!(resource.api_version()));
        map.insert("kind".into(), json!(resource.kind));
    }
}

/// Returns all causes that make a new object invalid.
pub fn causes(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut out = metadata::causes(&object["metadata"], resource.naming, core(resource));
    if resource.kind == "Event" {
        // The names of events are hardly validated.
        out.retain(|c| c.field != "metadata.name");
    }
    out.extend(content(resource, object));
    out
}

/// Returns all causes that make a change invalid. The server validates twice: once for all kinds, and once more for this kind.
pub fn changes(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let (was, is) = (&old["metadata"], &new["metadata"]);
    let mut out = metadata::causes(is, Naming::Segment, false);
    out.extend(metadata::changes(was, is, false));
    out.extend(metadata::changes(was, is, core(resource)));
    // These kinds are also validated like new objects.
    if matches!(resource.kind.as_str(), "ConfigMap" | "Secret" | "ServiceAccount" | "Pod") || resource.group.starts_with("rbac") {
        out.extend(metadata::causes(is, resource.naming, true));
    }
    out.extend(validation::changes(resource, old, new));
    out.extend(content(resource, new));
    out
}

fn core(resource: &Resource) -> bool {
    resource.custom.is_none() && resource.group != "apiextensions.k8s.io"
}

/// Validates everything but the metadata.
fn content(resource: &Resource, object: &Value) -> Vec<Cause> {
    match resource.crd_schema() {
        Some(schema) => custom_validation::causes(schema, object),
        None => validation::causes(resource, object),
    }
}

pub fn refuse(resource: &Resource, object: &Value, causes: &[Cause]) -> Outcome<()> {
    if causes.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Refusal::invalid(&resource.group, &resource.kind, name, causes).without_name())
}

/// Refuses objects that are too large for etcd (its `--max-request-bytes`), or nested too deep for the saved state to be read again.
pub fn check_size(object: &Value) -> Outcome<()> {
    const MOST: usize = 3 << 19;
    // managedFields nest some levels deeper than the fields themselves.
    const DEEPEST: usize = measure::DEEPEST + 10;
    if measure::size(object) > MOST || measure::deeper(object, DEEPEST) { Err(Refusal::too_large_to_store()) } else { Ok(()) }
}

/// Converts a stored object to the version that was asked for.
pub fn requested_version(resource: &Resource, stored: &Value) -> Value {
    let mut object = if resource.group == "events.k8s.io" { events::to_new(stored) } else { stored.clone() };
    set_type(resource, &mut object);
    object
}

/// Converts an object to the version that its kind is stored in.
pub fn storage_version(resource: &Resource, mut object: Value) -> Value {
    if resource.group == "events.k8s.io" {
        return events::to_core(object);
    }
    object["apiVersion"] = json!(resource.storage_api_version());
    object
}
