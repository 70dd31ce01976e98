//! The Gateway API of AKS application routing: the managed definitions, and a Gateway controller of Istio that AKS runs. Ingress NGINX, which
//! the labs install, is retired (kubernetes/website#53183).

use super::{
    component::{Component, Via},
    expand,
};
use crate::{
    chain::remarks::{Planned, Remarks},
    cluster::Api,
    engine::{
        desired::Intent,
        fault::Fault,
        key::Key,
        plan::{Refusal, Warning},
    },
    resources::{
        adopted_class::{self, AdoptedClass},
        component::{Registered, Works},
        kind::spec_of,
        object::Object,
        running::Sign,
    },
    spec::{
        complaint::{Complaint, named, wrong},
        graph::Graph,
        model::ComponentSpec,
        names::dns_subdomain,
    },
};
use futures::future::BoxFuture;
use serde::Deserialize as _;
use serde_json::json;

pub struct Ingress;

const GROUP: &str = "gateway.networking.k8s.io";
/// The class that AKS makes (AKS documentation, app-routing-gateway-api).
const CLASS: &str = "approuting-istio";
/// Controllers of IngressClasses that end (kubernetes/website#53183; AKS documentation, app-routing).
const RETIRED: [(&str, &str); 2] = [
    ("k8s.io/ingress-nginx", "Ingress NGINX, which is retired: it gets no security fixes any more"),
    ("webapprouting.kubernetes.azure.com/nginx", "the NGINX of application routing, which gets fixes only until November 2026"),
];

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

    fn fields(&self) -> &'static [&'static str] {
        &["ingressClass"]
    }

    fn check(&self, wanted: &ComponentSpec) -> Result<(), Complaint> {
        let Some(class) = &wanted.ingress_class else { return Ok(()) };
        named("ingressClass", dns_subdomain, class)?;
        let given = [("via", wanted.via.is_some()), ("version", wanted.version.is_some()), ("namespace", wanted.namespace.is_some())];
        match given.into_iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(wrong(field, "with `ingressClass` nothing is installed").hint("Leave one of the two out.")),
            None => Ok(()),
        }
    }

    fn adopt(&self, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Option<Key>, Fault> {
        let target = graph.target()?;
        let key = adopted_class::key(&target.name);
        let recorded = || graph.context.memory.recorded::<AdoptedClass>(&key).map(|class| class.name);
        // what is uninstalled is what was installed, or adopted
        let name = if graph.removes() { recorded() } else { wanted.ingress_class.clone() };
        let Some(name) = name else { return Ok(None) };
        let intent = if graph.removes() { Intent::Present } else { Intent::Existing };
        graph.add_in_cluster(&key, &AdoptedClass { target: target.clone(), name }, intent, &target)?;
        Ok(Some(key))
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async move { remarks(planned) })
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

/// What an adopted class cannot do, or will not do for long.
fn remarks(planned: &Planned<'_>) -> Remarks {
    let mut remarks = Remarks::default();
    for node in planned.desired.nodes.values() {
        let Some(class) = spec_of::<AdoptedClass>(&node.kind, &node.spec) else { continue };
        let seen = planned.observed.seen.get(&node.key).and_then(Option::as_ref);
        let Some(actual) = seen.and_then(|seen| adopted_class::Actual::deserialize(&*seen.actual).ok()) else { continue };
        let AdoptedClass { name, target } = &class;
        if let Some(trouble) = &actual.trouble {
            remarks.refused.push(Refusal {
                key: node.key.clone(),
                reason: format!("the GatewayClass {name} of the cluster {} cannot be used: {trouble}", target.name),
                changes: Vec::new(),
                way_out: Some(format!("Look at it: `kubectl describe gatewayclass {name}`.")),
            });
        }
        let gateways = planned.desired.nodes.values().filter(|_| actual.kind != adopted_class::GATEWAY);
        for (key, object) in gateways.filter_map(|node| Some((&node.key, spec_of::<Object>(&node.kind, &node.spec)?))) {
            if object.manifest["kind"] == "Gateway" && object.manifest["spec"]["gatewayClassName"] == name.as_str() {
                let (reason, way_out) = adopted_class::serves_no_gateway(name);
                remarks.refused.push(Refusal { key: key.clone(), reason, changes: Vec::new(), way_out: Some(way_out) });
            }
        }
        if let Some((_, text)) = RETIRED.iter().find(|(controller, _)| *controller == actual.controller) {
            remarks.warnings.push(Warning {
                key: node.key.clone(),
                text: format!("the IngressClass {name} belongs to {text}"),
                hint: Some("Move to the Gateway API: leave out the class, and podid turns application routing on.".to_owned()),
            });
        }
    }
    remarks
}
