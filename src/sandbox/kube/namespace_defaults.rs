//! The objects that every namespace has: the `default` service account and the config map with the cluster's CA.

use super::facts::Facts;
use super::lifecycle::add;
use super::store::{Store, meta};
use serde_json::json;

/// Creates them in all namespaces that are not being deleted.
pub fn create_in_all(store: &mut Store, facts: &Facts) {
    let alive: Vec<String> = store
        .with_prefix("namespaces//")
        .filter(|(_, n)| n["metadata"]["deletionTimestamp"].is_null())
        .map(|(_, n)| meta(n, "name").to_owned())
        .collect();
    alive.iter().for_each(|name| create_defaults(store, facts, name));
}

/// Creates the `default` service account and the config map with the CA, if they are missing.
pub fn create_defaults(store: &mut Store, facts: &Facts, namespace: &str) {
    let account = format!("serviceaccounts/{namespace}/default");
    if store.get(&account).is_none() {
        add(store, facts, &account, json!({"apiVersion": "v1", "kind": "ServiceAccount"}));
    }
    let ca = format!("configmaps/{namespace}/kube-root-ca.crt");
    let data = json!({"ca.crt": facts.ca_pem});
    match store.get(&ca).cloned() {
        Some(existing) if existing["data"] == data => {}
        Some(mut existing) => {
            existing["data"] = data;
            store.put(&ca, existing);
        }
        None => {
            const WHAT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
            let metadata = json!({"annotations": {"kubernetes.io/description": WHAT}});
            add(store, facts, &ca, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}));
        }
    }
}
