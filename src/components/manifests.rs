//! The manifests of `templates/components`: read as trees, into which values are put.

use crate::engine::fault::Fault;
use serde_json::{Value, json};

/// The documents of a template.
pub fn read(text: &str) -> Result<Vec<Value>, Fault> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).map_err(|error| Fault::Bug(format!("a template is not YAML: {error}")))?;
    Ok(documents)
}

/// Puts namespaced objects that name no namespace into this one, also where a binding names a service account.
pub fn into_namespace(manifests: &mut [Value], namespace: &str) {
    for manifest in manifests {
        let is_in_cluster = matches!(manifest["kind"].as_str(), Some("ClusterRole" | "ClusterRoleBinding" | "CSIDriver"));
        if !is_in_cluster && manifest.pointer("/metadata/namespace").is_none() {
            manifest["metadata"]["namespace"] = json!(namespace);
        }
        for subject in manifest.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            subject["namespace"] = json!(namespace);
        }
    }
}

/// The first container of the workload that is called this.
pub fn container<'a>(manifests: &'a mut [Value], name: &str) -> Result<&'a mut Value, Fault> {
    let found = manifests.iter_mut().find(|manifest| manifest.pointer("/metadata/name").and_then(Value::as_str) == Some(name));
    let container = found.and_then(|manifest| manifest.pointer_mut("/spec/template/spec/containers/0"));
    container.ok_or_else(|| Fault::Bug(format!("no template has a container of the workload {name}")))
}

/// Adds arguments of the program.
pub fn add_arguments(container: &mut Value, arguments: impl IntoIterator<Item = String>) {
    if let Some(Value::Array(known)) = container.get_mut("args") {
        known.extend(arguments.into_iter().map(Value::String));
    }
}
