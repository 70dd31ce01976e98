//! Empties deleted namespaces, and deletes the objects of a deleted CRD.

use super::super::lifecycle::{delete, no_finalizers};
use super::super::store::{Store, meta, now, parts};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn delete_content(store: &mut Store) {
    let deleting: Vec<(String, Value)> = store
        .with_prefix("namespaces//")
        .filter(|(_, n)| !n["metadata"]["deletionTimestamp"].is_null())
        .map(|(at, n)| (at.clone(), n.clone()))
        .collect();
    for (at, mut namespace) in deleting {
        let name = meta(&namespace, "name").to_owned();
        let content: Vec<String> = store.state.objects.keys().filter(|k| parts(k).1 == name).cloned().collect();
        content.iter().for_each(|k| delete(store, k));
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        for (k, object) in store.state.objects.iter().filter(|(k, _)| parts(k).1 == name) {
            *left.entry(parts(k).0.to_owned()).or_default() += 1;
            for finalizer in object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                *held.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
        if left.is_empty() {
            if !namespace["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty) {
                namespace["spec"] = json!({});
                namespace = store.put(&at, namespace);
            }
            if no_finalizers(&namespace) {
                store.remove(&at);
            }
            continue;
        }
        let conditions = conditions(&left, &held);
        let summary = |n: &Value| -> Vec<(Value, Value)> {
            n["status"]["conditions"].as_array().into_iter().flatten().map(|c| (c["type"].clone(), c["message"].clone())).collect()
        };
        let mut updated = namespace.clone();
        updated["status"]["conditions"] = conditions;
        if summary(&updated) != summary(&namespace) {
            store.put(&at, updated);
        }
    }
}

fn conditions(left: &BTreeMap<String, usize>, held: &BTreeMap<String, usize>) -> Value {
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        let status = if status { "True" } else { "False" };
        json!({"type": kind, "status": status, "lastTransitionTime": now(), "reason": reason, "message": message})
    };
    let some: Vec<String> = left.iter().map(|(kind, n)| format!("{kind} has {n} resource instances")).collect();
    let by: Vec<String> = held.iter().map(|(finalizer, n)| format!("{finalizer} in {n} resource instances")).collect();
    let remaining = format!("Some resources are remaining: {}", some.join(", "));
    let finalizers = format!("Some content in the namespace has finalizers remaining: {}", by.join(", "));
    json!([
        condition("NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered", "All resources successfully discovered"),
        condition("NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions", "All legacy kube types successfully parsed"),
        condition(
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization"
        ),
        condition("NamespaceContentRemaining", true, "SomeResourcesRemain", &remaining),
        condition("NamespaceFinalizersRemaining", !held.is_empty(), "SomeFinalizersRemain", &finalizers),
    ])
}

/// Removes a deleted CRD when none of its objects is left.
pub fn delete_custom_objects(store: &mut Store) {
    const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
    let deleting: Vec<(String, String)> = store
        .with_prefix("customresourcedefinitions.apiextensions.k8s.io/")
        .filter(|(_, crd)| !crd["metadata"]["deletionTimestamp"].is_null())
        .map(|(at, crd)| (at.clone(), meta(crd, "name").to_owned()))
        .collect();
    for (at, name) in deleting {
        let prefix = format!("{name}/");
        let objects: Vec<String> = store.with_prefix(&prefix).map(|(k, _)| k.clone()).collect();
        objects.iter().for_each(|k| delete(store, k));
        if store.with_prefix(&prefix).next().is_some() {
            continue;
        }
        let Some(mut crd) = store.get(&at).cloned() else { continue };
        if let Some(finalizers) = crd["metadata"]["finalizers"].as_array_mut() {
            finalizers.retain(|f| f != CLEANUP);
        }
        if no_finalizers(&crd) {
            store.remove(&at);
        }
    }
}
