//! Objects given as manifests in the embedded sandbox, whose API server checks and merges as Kubernetes does.

use super::lab::{Lab, done};
use crate::engine::plan::Act;
use serde_json::{Value, json};

fn component(image: &str) -> Vec<Value> {
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "gates.demo.example" },
        "spec": {
            "group": "demo.example", "scope": "Namespaced", "names": { "kind": "Gate", "listKind": "GateList", "plural": "gates", "singular": "gate" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "properties": { "spec": { "type": "object", "properties": { "open": { "type": "boolean" } } } } } } }],
        },
    });
    let labels = json!({ "app": "web" });
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "demo" } }),
        crd,
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "web", "namespace": "demo" } }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "web" },
            "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "web" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "web" },
            "subjects": [{ "kind": "ServiceAccount", "name": "web", "namespace": "demo" }] }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "demo" },
            "spec": { "replicas": 2, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
                "spec": { "serviceAccountName": "web", "containers": [{ "name": "web", "image": image }] } } } }),
        json!({ "apiVersion": "demo.example/v1", "kind": "Gate", "metadata": { "name": "north", "namespace": "demo" }, "spec": { "open": true } }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_comes_and_goes() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let sandbox = podid_sandbox::open(podid_sandbox::Options::new(dir.path())).await.unwrap();
    let mut lab = Lab::new(&sandbox.access().kubeconfig, "aks-mi");
    let graph = lab.graph(&component("registry.example/web:1"));
    assert_eq!(done(&lab.up(&graph).await).len(), 7);
    assert_eq!(lab.acts(&graph).await, [], "defaults that the server fills in are no difference");
    let next = lab.graph(&component("registry.example/web:2"));
    assert_eq!(lab.acts(&next).await, [(Act::Update, "aks/deployment.apps/demo/web".into())]);
    done(&lab.up(&next).await);
    assert_eq!(lab.acts(&next).await, []);
    assert_eq!(done(&lab.down().await).len(), 7);
    assert_eq!(lab.acts(&next).await.len(), 7);
    sandbox.close().await;
}
