//! The Gateway API of AKS application routing: the managed definitions, and a Gateway controller of Istio that AKS runs. Ingress NGINX, which
//! the labs install, is retired (kubernetes/website#53183).

use super::{
    component::{Component, Via},
    expand,
};
use crate::{
    cluster::Api,
    engine::{fault::Fault, key::Key},
    resources::{
        component::{Registered, Works},
        running::Sign,
    },
    spec::{graph::Graph, model::ComponentSpec},
};
use serde_json::json;

pub struct Ingress;

const GROUP: &str = "gateway.networking.k8s.io";
/// The class that AKS makes (AKS documentation, app-routing-gateway-api).
const CLASS: &str = "approuting-istio";

impl Component for Ingress {
    fn name(&self) -> &'static str {
        "ingress"
    }

    fn ways(&self) -> &'static [Via] {
        &[Via::Addon]
    }

    fn signs(&self) -> Vec<Sign> {
        vec![Sign::new("istiod", &["istio/pilot"])]
    }

    fn replaces(&self) -> Option<&'static str> {
        Some("Ingress NGINX")
    }

    fn works(&self, _: &ComponentSpec) -> Works {
        let class = Registered {
            api: Api::new(GROUP, "v1", "GatewayClass", "gatewayclasses"),
            name: CLASS.into(),
            condition: Some("Accepted".into()),
        };
        Works {
            signs: self.signs(),
            definitions: vec![format!("gateways.{GROUP}"), format!("httproutes.{GROUP}")],
            objects: vec![class],
            users: vec![Api::new(GROUP, "v1", "Gateway", "gateways")],
            ..Works::default()
        }
    }

    fn install(&self, _: Via, _: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
        let profile = |installation: &str, mode: &str| {
            let istio = json!({ "appRoutingIstio": { "mode": mode } });
            json!({ "ingressProfile": { "gatewayAPI": { "installation": installation }, "webAppRouting": { "gatewayAPIImplementations": istio } } })
        };
        let note = "each Gateway runs at least two replicas of its own";
        Ok(vec![expand::feature("ingress", profile("Standard", "Enabled"), Some(profile("Disabled", "Disabled")), Some(note), graph)?])
    }
}
