//! Adding and removing objects without a client: the control plane adds them, and removes them when no finalizer is left.

use super::facts::Facts;
use super::resource::Resource;
use super::store::{Store, now, parts};
use serde_json::{Value, json};

/// Stores an object that the control plane creates.
pub fn add(store: &mut Store, facts: &Facts, at: &str, mut object: Value) -> Value {
    let (_, namespace, name) = parts(at);
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = json!(name);
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object["metadata"]["uid"] = json!(store.uid(&facts.uid_seed, at));
    object["metadata"]["creationTimestamp"] = json!(now());
    store.put(at, object)
}

/// Removes an object, or marks it as deleted if it has finalizers.
pub fn delete(store: &mut Store, at: &str) {
    let Some(mut object) = store.get(at).cloned() else { return };
    if no_finalizers(&object) {
        store.remove(at);
    } else if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = json!(now());
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        store.put(at, object);
    }
}

/// Returns whether an object has no finalizers.
pub fn no_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// Returns whether nothing else delays a deletion: a namespace has a finalizer in its spec, a pod waits for the kubelet.
pub fn no_other_blocker(resource: &Resource, object: &Value) -> bool {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty),
        ("", "Pod") => object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0,
        _ => true,
    }
}
