//! Stores the objects of a new cluster as their installers would: with defaults, and with the field manager that created them.

use super::facts::Facts;
use super::managed::{self, FieldManager};
use super::store::{Store, now};
use super::{lifecycle, prepare, zero};
use serde_json::{Value, json};

/// Stores an object of a kind that is served, with its defaults and its field manager.
pub fn put(store: &mut Store, facts: &Facts, qualified: &str, namespace: &str, name: &str, mut object: Value) -> Value {
    if let Some(resource) = store.catalog.stored(qualified) {
        prepare::fill_defaults(&resource, &mut object, false);
        if resource.has_generation {
            object["metadata"]["generation"] = json!(1);
        }
        let labels = &object["metadata"]["labels"];
        let manager = if labels["app.kubernetes.io/managed-by"] == "Helm" && resource.kind != "Pod" {
            "helm"
        } else if labels["kubernetes.io/bootstrapping"].is_string() {
            "kube-apiserver"
        } else {
            "kube-controller-manager"
        };
        let (version, time) = (resource.api_version(), now());
        let manager = FieldManager { name: manager, version: &version, subresource: "", now: &time, ignored: &["f:status"] };
        let owners = managed::updated(&resource.ty, &zero::object(&resource), &object, Vec::new(), &manager);
        managed::write(&mut object, owners);
    }
    lifecycle::add(store, facts, &format!("{qualified}/{namespace}/{name}"), object)
}

pub const RBAC: &str = "rbac.authorization.k8s.io";

pub fn cluster_role(store: &mut Store, facts: &Facts, name: &str, labels: &Value, rules: Value) {
    let role = json!({"metadata": {"labels": labels}, "rules": rules});
    put(store, facts, &format!("clusterroles.{RBAC}"), "", name, role);
}

pub fn bind(store: &mut Store, facts: &Facts, name: &str, labels: &Value, role: &str, subjects: Value) {
    let binding = json!({
        "metadata": {"labels": labels}, "subjects": subjects, "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
    });
    put(store, facts, &format!("clusterrolebindings.{RBAC}"), "", name, binding);
}
