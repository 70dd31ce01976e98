//! From a body to an object that can be stored: decoding, defaults, validation, and between the versions of a kind. Knows no store.

use super::call::{Call, Validation};
use super::names::Naming;
use super::resource::Resource;
use super::schema::{Shape, Type};
use super::status::{Cause, Outcome, Refusal};
use super::{check, decode, defaults, events, metadata, rules, strict};
use crate::measure;
use serde_json::{Value, json};

/// Reads the object of a POST or PUT.
pub fn read(call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Value> {
    let r = &call.resource;
    let unrecognized = |why: &str| {
        let shown = if body.is_empty() { "<empty>".into() } else { String::from_utf8_lossy(body).chars().take(200).collect::<String>() };
        Refusal::bad_request(format!("the object provided is unrecognized (must be of type {}): {why} ({shown})", r.kind))
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
        let shown = String::from_utf8_lossy(body).into_owned();
        return Err(unrecognized(&format!("Object 'Kind' is missing in '{shown}'")));
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
    strictly(call, &mut object, strict::repeated(body), warnings)?;
    Ok(object)
}

/// Drops what the type does not know, refuses what is of a wrong type.
pub fn decode(call: &Call, object: &mut Value, warnings: &mut Vec<String>) -> Outcome<()> {
    strictly(call, object, Vec::new(), warnings)
}

/// `faults`: what was found before in the text itself.
fn strictly(call: &Call, object: &mut Value, mut faults: Vec<String>, warnings: &mut Vec<String>) -> Outcome<()> {
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

/// Fills in what clients leave out. Of a custom object an apply leaves nulls where they are.
pub fn complete(resource: &Resource, object: &mut Value, apply: bool) {
    match resource.crd_schema() {
        Some(schema) => {
            check::fill(schema, object, apply);
            drop_empty(&Type::named("ObjectMeta"), &mut object["metadata"]);
        }
        None => {
            defaults::fill(resource, object);
            tidy(resource, object);
        }
    }
    stamp(resource, object);
}

/// A built-in object as Go writes it.
pub fn tidy(resource: &Resource, object: &mut Value) {
    drop_nulls(object);
    drop_empty(&resource.ty, object);
    always(resource, object);
}

/// A built-in object never holds a null.
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

/// Empty maps and lists that need not be there are not kept (Go's `omitempty`).
fn drop_empty(ty: &Type, value: &mut Value) {
    match (ty.shape(), value) {
        (Shape::Struct { of, .. }, Value::Object(map)) => {
            map.retain(|name, inner| match of.fields.get(name) {
                Some(field) => {
                    drop_empty(&field.of, inner);
                    let hollow = match field.of.shape() {
                        Shape::Map { .. } => inner.as_object().is_some_and(serde_json::Map::is_empty),
                        Shape::List(_) => inner.as_array().is_some_and(Vec::is_empty),
                        // Of texts only these: others may be pointers, where empty is not absent.
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

/// Fields that are written even where they are null.
fn always(resource: &Resource, object: &mut Value) {
    times(&resource.ty, object);
    let (name, unless) = match resource.kind.as_str() {
        "Role" | "ClusterRole" => ("rules", "rules"),
        "Event" => ("eventTime", "eventTime"),
        _ => return,
    };
    if object.get(unless).is_none() {
        object[name] = Value::Null;
    }
}

/// Times that Go holds by value: without one they are written as null.
fn times(ty: &Type, value: &mut Value) {
    match (ty.shape(), value) {
        (Shape::Struct { of, .. }, Value::Object(map)) => {
            for (name, inner) in map.iter_mut() {
                if let Some(field) = of.fields.get(name) {
                    times(&field.of, inner);
                }
            }
            let always: &[&str] = match of.name.as_str() {
                "PodCondition" | "JobCondition" => &["lastProbeTime", "lastTransitionTime"],
                "NodeCondition" => &["lastHeartbeatTime", "lastTransitionTime"],
                "DeploymentCondition" => &["lastUpdateTime", "lastTransitionTime"],
                "NamespaceCondition" | "ReplicaSetCondition" | "DaemonSetCondition" | "StatefulSetCondition" => &["lastTransitionTime"],
                "CustomResourceDefinitionCondition" => &["lastTransitionTime"],
                "ContainerStateRunning" => &["startedAt"],
                "ContainerStateTerminated" => &["startedAt", "finishedAt"],
                _ => return,
            };
            for name in always {
                map.entry(*name).or_insert(Value::Null);
            }
        }
        (Shape::Map { of, .. }, Value::Object(map)) => map.values_mut().for_each(|inner| times(of, inner)),
        (Shape::List(list), Value::Array(items)) => items.iter_mut().for_each(|item| times(&list.of, item)),
        _ => {}
    }
}

/// Kind and version in front, as the resource has them.
pub fn stamp(resource: &Resource, object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".into(), json!(resource.api_version()));
        map.insert("kind".into(), json!(resource.kind));
    }
}

/// All that is wrong with a new object.
pub fn causes(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut out = metadata::causes(&object["metadata"], resource.naming, core(resource));
    if resource.kind == "Event" {
        // Names of events are made by their writers and are not looked at closely.
        out.retain(|c| c.field != "metadata.name");
    }
    out.extend(content(resource, object));
    out
}

/// All that is wrong with a change, as often as the server looks at it: once for all kinds, and once more for this one.
pub fn changes(resource: &Resource, old: &Value, new: &Value) -> Vec<Cause> {
    let (was, is) = (&old["metadata"], &new["metadata"]);
    let mut out = metadata::causes(is, Naming::Segment, false);
    out.extend(metadata::changes(was, is, false));
    out.extend(metadata::changes(was, is, core(resource)));
    // These kinds are looked at as if they were new.
    if matches!(resource.kind.as_str(), "ConfigMap" | "Secret" | "ServiceAccount" | "Pod") || resource.group.starts_with("rbac") {
        out.extend(metadata::causes(is, resource.naming, true));
    }
    out.extend(rules::changes(resource, old, new));
    out.extend(content(resource, new));
    out
}

fn core(resource: &Resource) -> bool {
    resource.custom.is_none() && resource.group != "apiextensions.k8s.io"
}

/// What is wrong with all but the metadata.
fn content(resource: &Resource, object: &Value) -> Vec<Cause> {
    match resource.crd_schema() {
        Some(schema) => check::causes(schema, object),
        None => rules::causes(resource, object),
    }
}

pub fn refuse(resource: &Resource, object: &Value, causes: &[Cause]) -> Outcome<()> {
    if causes.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Refusal::invalid(&resource.group, &resource.kind, name, causes).nameless())
}

/// Refuses what etcd would not take (its `--max-request-bytes`), and what is nested so deep that the world's file could not be read again.
pub fn small_enough(object: &Value) -> Outcome<()> {
    const MOST: usize = 3 << 19;
    // who owns which field is told some levels deeper than the field
    const DEEPEST: usize = measure::DEEPEST + 10;
    if measure::size(object) > MOST || measure::deeper(object, DEEPEST) { Err(Refusal::too_large_to_keep()) } else { Ok(()) }
}

/// An object as it is kept, in the version that was asked for.
pub fn shown(resource: &Resource, stored: &Value) -> Value {
    let mut object = if resource.group == "events.k8s.io" { events::to_new(stored) } else { stored.clone() };
    stamp(resource, &mut object);
    object
}

/// The version that objects of the kind are kept in.
pub fn kept(resource: &Resource, mut object: Value) -> Value {
    if resource.group == "events.k8s.io" {
        return events::to_core(object);
    }
    object["apiVersion"] = json!(resource.storage_api_version());
    object
}
