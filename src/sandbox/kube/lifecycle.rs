//! How objects come and go without a client: the control plane adds them, and removes them once no finalizer holds them.

use super::facts::Facts;
use super::resource::Resource;
use super::store::{Store, now, parts};
use serde_json::{Value, json};

/// Stores an object that no client made.
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

/// Marks an object deleted, or takes it away.
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

/// No finalizer holds it.
pub fn no_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// A namespace also waits for its own finalizer, a pod for the kubelet.
pub fn no_other_hold(resource: &Resource, object: &Value) -> bool {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("", "Namespace") => object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty),
        ("", "Pod") => object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0,
        _ => true,
    }
}
