//! What `ingressProfile` of a cluster installs: the managed definitions of the Gateway API, and the Istio control plane of application routing.
//! Names, labels and annotations are those of AKS (AKSDOC managed-gateway-api.md, app-routing-gateway-api.md). Objects of the Gateway API keep
//! all fields: the schemas name only those that the sandbox's controller reads.

use super::addons::{Placed, placed};
use serde_json::{Value, json};

const GROUP: &str = "gateway.networking.k8s.io";
/// The bundle for Kubernetes 1.34.
const BUNDLE: &str = "v1.3.0";
const NAMESPACE: &str = "aks-istio-system";
const CLASS: &str = "approuting-istio";
const CONTROLLER: &str = "istio.io/gateway-controller";

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A list of objects that are told apart by these fields.
fn keyed(keys: &[&str], properties: Value) -> Value {
    json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys,
        "items": {"type": "object", "required": keys, "properties": properties, "x-kubernetes-preserve-unknown-fields": true},
    })
}

fn fields(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties, "x-kubernetes-preserve-unknown-fields": true})
}

fn definition(kind: &str, plural: &str, namespaced: bool, short: &[&str], spec: Value) -> Placed {
    let text = || json!({"type": "string"});
    let schema = json!({
        "type": "object", "required": ["spec"],
        "properties": {"apiVersion": text(), "kind": text(), "metadata": {"type": "object"}, "spec": spec, "status": open()},
    });
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}});
    let name = format!("{plural}.{GROUP}");
    let object = json!({
        "metadata": {"annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/3328",
            "app.kubernetes.io/managed-by": "aks",
            "gateway.networking.k8s.io/bundle-version": BUNDLE,
            "gateway.networking.k8s.io/channel": "standard",
        }},
        "spec": {
            "group": GROUP, "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "names": {
                "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(), "shortNames": short,
                "categories": ["gateway-api"],
            },
            "versions": [version("v1", true), version("v1beta1", false)],
        },
    });
    placed("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", None, &name, object)
}

/// Returns what `gatewayAPI.installation: Standard` installs, as far as HTTP needs it.
pub fn definitions() -> Vec<Placed> {
    let text = || json!({"type": "string"});
    let class = fields(&["controllerName"], json!({"controllerName": text()}));
    let listeners = keyed(&["name"], json!({"name": text(), "port": {"type": "integer", "format": "int32"}, "protocol": text()}));
    let gateway = fields(&["gatewayClassName", "listeners"], json!({"gatewayClassName": text(), "listeners": listeners}));
    let route = fields(&[], json!({"parentRefs": {"type": "array", "items": open()}, "rules": {"type": "array", "items": open()}}));
    vec![
        definition("GatewayClass", "gatewayclasses", false, &["gc"], class),
        definition("Gateway", "gateways", true, &["gtw"], gateway),
        definition("HTTPRoute", "httproutes", true, &[], route),
    ]
}

/// Returns what `appRoutingIstio.mode: Enabled` installs, but for the ValidatingWebhookConfiguration: the sandbox does not serve that kind.
pub fn application_routing() -> Vec<Placed> {
    let labels = json!({"app": "istiod", "istio": "pilot"});
    let spec = json!({
        "serviceAccountName": "istiod", "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [{"name": "discovery", "image": "mcr.microsoft.com/oss/v2/istio/pilot:v1.27.3", "args": ["discovery"]}],
    });
    let deployment = json!({
        "metadata": {"labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    });
    let within = Some(NAMESPACE);
    vec![
        placed("v1", "Namespace", "namespaces", None, NAMESPACE, json!({})),
        placed("v1", "ServiceAccount", "serviceaccounts", within, "istiod", json!({})),
        placed(
            "v1",
            "ConfigMap",
            "configmaps",
            within,
            "istio-gateway-class-defaults",
            json!({"metadata": {"labels": {"gateway.istio.io/defaults-for-class": CLASS}}}),
        ),
        placed("apps/v1", "Deployment", "deployments", within, "istiod", deployment),
        placed(&format!("{GROUP}/v1"), "GatewayClass", "gatewayclasses", None, CLASS, json!({"spec": {"controllerName": CONTROLLER}})),
    ]
}
