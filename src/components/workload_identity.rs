//! Workload identity: the webhook that gives pods their token, and on AKS the cluster's OIDC issuer. On AKS both are settings of the managed
//! cluster; elsewhere the webhook comes from its chart: <https://azure.github.io/azure-workload-identity/docs/installation.html>

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

/// Version of the webhook's chart.
const CHART: &str = "1.6.0";

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
        &[Via::Addon, Via::Helm]
    }

    fn signs(&self) -> Vec<Sign> {
        vec![Sign::new("webhook", &["workload-identity/webhook"])]
    }

    fn namespace(&self) -> &'static str {
        "azure-workload-identity-system"
    }

    fn works(&self, _: &ComponentSpec) -> Works {
        Works { signs: self.signs(), webhook: Some(webhook()), ..Works::default() }
    }

    /// The issuer stays when the webhook is turned off: AKS does not turn it off again.
    fn install(&self, via: Via, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
        if via == Via::Helm {
            // the tenant of the identities, which is that of podid's own login
            let tenant = serde_json::to_value(graph.tenant()?)?;
            let release = expand::Release {
                name: "workload-identity-webhook",
                namespace: self.namespace(),
                repository: "https://azure.github.io/azure-workload-identity/charts",
                chart: "workload-identity-webhook",
                version: CHART,
                values: json!({ "azureTenantID": tenant }),
                retired: None,
            };
            return expand::helm(wanted, release, graph);
        }
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
