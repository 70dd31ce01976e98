//! Workload identity of AKS: the cluster's OIDC issuer and the webhook that gives pods their token, both as settings of the managed cluster.

use super::{
    component::{Component, Program, Via},
    expand,
};
use crate::{
    engine::{fault::Fault, key::Key},
    resources::{component::Works, running::Sign},
    spec::{graph::Graph, model::ComponentSpec},
};
use serde_json::json;

pub struct WorkloadIdentity;

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
        Works { signs: self.signs(), ..Works::default() }
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
