//! Workload identity of AKS: the cluster's OIDC issuer and the webhook that gives pods their token, both as settings of the managed cluster.

use super::{
    component::{Component, Program, Via},
    expand,
};
use crate::{
    engine::{fault::Fault, key::Key},
    resources::{
        component::{Webhook, Works},
        running::Sign,
    },
    spec::{graph::Graph, model::ComponentSpec},
};
use serde_json::json;

pub struct WorkloadIdentity;

/// A pod that asks for a token. It is only sent as a dry run, in a namespace that every cluster has and that the webhook does not leave out.
/// It meets Pod Security `restricted`, so that nothing but the webhook decides about it.
fn webhook() -> Webhook {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "podid-webhook-check", "namespace": "default", "labels": { "azure.workload.identity/use": "true" } },
        "spec": {
            "automountServiceAccountToken": false,
            "nodeSelector": { "kubernetes.io/os": "linux" },
            "securityContext": { "runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "check",
                "image": "mcr.microsoft.com/oss/kubernetes/pause:3.9",
                "resources": { "requests": { "cpu": "1m", "memory": "8Mi" }, "limits": { "cpu": "50m", "memory": "32Mi" } },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
                },
            }],
        },
    });
    Webhook { pod, variable: "AZURE_FEDERATED_TOKEN_FILE".into(), audience: "api://AzureADTokenExchange".into() }
}

impl Component for WorkloadIdentity {
    fn name(&self) -> &'static str {
        "workload-identity"
    }

    fn ways(&self) -> &'static [Via] {
        &[Via::Addon]
    }

    fn signs(&self) -> Vec<Sign> {
        vec![Sign::new("webhook", &["workload-identity/webhook"])]
    }

    fn works(&self, _: &ComponentSpec) -> Works {
        Works { signs: self.signs(), webhook: Some(webhook()), ..Works::default() }
    }

    /// The issuer stays when the webhook is turned off: AKS does not turn it off again.
    fn install(&self, _: Via, _: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
        let webhook = |enabled: bool| json!({ "workloadIdentity": { "enabled": enabled } });
        let on = json!({ "oidcIssuerProfile": { "enabled": true }, "securityProfile": webhook(true) });
        let note = "a first OIDC issuer restarts the API server, and cannot be turned off again";
        let off = json!({ "securityProfile": webhook(false) });
        Ok(vec![expand::feature("workload-identity", on, Some(off), Some(note), graph)?])
    }

    fn programs(&self) -> &'static [Program] {
        &[Program { name: "webhook", sign: "webhook", container: "manager" }]
    }
}
