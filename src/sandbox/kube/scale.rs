//! The subresource `scale` (autoscaling/v1): reads and writes the number of replicas of a workload without knowing its kind (kubernetes,
//! `pkg/registry/apps/deployment/storage`; for custom kinds, by the paths in the CRD).

use super::call::{Call, Reply};
use super::label_selector::to_text;
use super::resource::Resource;
use super::status::{Cause, Outcome, Refusal};
use super::store::Store;
use super::{apply, lookup, patch, update};
use serde_json::{Value, json};

/// Returns the JSON pointers to the wanted replicas, the current replicas and the selector of a kind.
fn paths(resource: &Resource) -> (String, String, Option<String>) {
    let Some(version) = &resource.custom else {
        return ("/spec/replicas".into(), "/status/replicas".into(), Some("/spec/selector".into()));
    };
    let scale = &version["subresources"]["scale"];
    let pointer = |name: &str| scale[name].as_str().map(|path| path.replace('.', "/"));
    (pointer("specReplicasPath").unwrap_or_default(), pointer("statusReplicasPath").unwrap_or_default(), pointer("labelSelectorPath"))
}

fn scale_of(resource: &Resource, object: &Value) -> Value {
    let (wanted, current, selector) = paths(resource);
    let mut metadata = json!({});
    for name in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[name] = object["metadata"][name].clone();
    }
    let mut spec = json!({});
    if let Some(replicas) = object.pointer(&wanted).filter(|replicas| **replicas != 0) {
        spec["replicas"] = replicas.clone();
    }
    let mut status = json!({"replicas": object.pointer(&current).cloned().unwrap_or(json!(0))});
    if let Some(selector) = selector.and_then(|path| object.pointer(&path)) {
        status["selector"] = json!(selector.as_str().map_or_else(|| to_text(selector), str::to_owned));
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
}

pub fn get(store: &Store, call: &Call) -> Outcome<Reply> {
    lookup::existing(store, call).map(|object| Reply::ok(scale_of(&call.resource, &object)))
}

/// Writes a whole Scale, or a patch of one (`kind`: its media type).
pub fn put(store: &mut Store, call: &Call, kind: Option<&str>, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let old = lookup::existing(store, call)?;
    let sent = super::call::parse(body).map_err(Refusal::bad_request)?;
    let mut scale = scale_of(&call.resource, &old);
    match kind {
        None => scale = sent,
        Some("application/json-patch+json") => patch::json(&mut scale, &sent)?,
        Some(_) => patch::merge(&mut scale, &sent),
    }
    if scale["kind"].as_str().is_some_and(|kind| kind != "Scale") {
        return Err(Refusal::bad_request(format!("the object provided is a {}, expected a Scale", scale["kind"])));
    }
    let replicas = scale["spec"].get("replicas").filter(|r| !r.is_null()).cloned().unwrap_or(json!(0));
    let Some(count) = replicas.as_i64().filter(|count| i32::try_from(*count).is_ok()) else {
        let is = match &replicas {
            Value::String(_) => "string".to_owned(),
            Value::Number(number) => format!("number {number}"),
            _ => "object".to_owned(),
        };
        let why = format!(
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {is} into Go struct field ScaleSpec.spec.replicas of type int32"
        );
        return Err(Refusal::bad_request(why));
    };
    if count < 0 {
        let cause = Cause::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
        return Err(Refusal::invalid("autoscaling", "Scale", &call.name, &[cause]));
    }
    let mut new = old.clone();
    let (wanted, ..) = paths(&call.resource);
    if let Some((parent, name)) = wanted.rsplit_once('/')
        && let Some(parent) = new.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        parent.insert(name.to_owned(), replicas);
    }
    new["metadata"]["resourceVersion"] = scale["metadata"]["resourceVersion"].clone();
    let written = update::update(store, call, &old, new, None, warnings)?;
    Ok(Reply::ok(scale_of(&call.resource, &written)))
}

/// Applies a Scale on the server side: its replicas are written to the workload and owned there.
pub fn apply(store: &mut Store, call: &Call, body: &[u8], warnings: &mut Vec<String>) -> Outcome<Reply> {
    let old = lookup::existing(store, call)?;
    let sent = super::call::parse(body).map_err(|e| Refusal::bad_request(format!("error decoding YAML: {e}")))?;
    if sent["kind"] != "Scale" {
        let kind = sent["kind"].as_str().unwrap_or_default();
        let version = sent["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        return Err(Refusal::bad_request(format!("invalid object type: {group}/{version}, Kind={kind}")));
    }
    let mut config = json!({});
    let (wanted, ..) = paths(&call.resource);
    if let (Some(replicas), [.., parent, name]) = (sent["spec"].get("replicas"), wanted.split('/').collect::<Vec<_>>().as_slice()) {
        config[*parent] = json!({ *name: replicas });
    }
    config["metadata"] = json!({"name": call.name});
    super::prepare::set_type(&call.resource, &mut config);
    if let Some(namespace) = &call.namespace {
        config["metadata"]["namespace"] = json!(namespace);
    }
    let (new, mut owners) = apply::merge_config(call, &old, &config, &config)?;
    // The server writes no time here.
    owners.iter_mut().filter(|o| o.applied && o.subresource == call.sub && o.name == call.manager).for_each(|o| o.time = String::new());
    let written = apply::finish(store, call, &old, (new, owners), warnings)?;
    Ok(Reply::ok(scale_of(&call.resource, &written)))
}
