//! The Key Vault FlexVolume driver 0.0.17 (Azure/kubernetes-keyvault-flexvol), from podid's own manifests. Its project no longer supports it.

use super::{
    component::{Component, Program, Via},
    expand, manifests,
};
use crate::{
    chain::remarks::{Planned, Remarks},
    engine::{
        desired::Intent,
        fault::Fault,
        key::Key,
        plan::{Act, Warning},
        resource::Kind as _,
    },
    resources::{component::Works, installation::Installation, kind::spec_of, running::Sign},
    spec::{graph::Graph, model::ComponentSpec},
};
use futures::future::BoxFuture;

pub struct FlexVolume;

const NAME: &str = "flexvolume";
/// The last release, of January 2021.
const VERSION: &str = "v0.0.17";
const NAMESPACE: &str = "kv";
const IMAGE: &str = "mcr.microsoft.com/k8s/flexvolume/keyvault-flexvolume";
const WORKLOAD: &str = "keyvault-flexvolume";
const WORKLOADS: &str = include_str!("../../templates/components/flexvolume/workloads.yaml");

impl Component for FlexVolume {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ways(&self) -> &'static [Via] {
        &[Via::Manifests]
    }

    fn signs(&self) -> Vec<Sign> {
        vec![Sign::new(NAME, &["flexvolume/keyvault-flexvolume"])]
    }

    fn works(&self, _: &ComponentSpec) -> Works {
        Works { signs: self.signs(), ..Works::default() }
    }

    fn install(&self, _: Via, wanted: &ComponentSpec, graph: &mut Graph<'_>) -> Result<Vec<Key>, Fault> {
        let target = graph.target()?;
        let name = wanted.namespace.as_deref().unwrap_or(NAMESPACE);
        let namespace = graph.namespace(&target, name, Intent::Present)?;
        let mut workloads = manifests::read(WORKLOADS)?;
        manifests::into_namespace(&mut workloads, name);
        let version = wanted.version.as_deref().unwrap_or(VERSION);
        manifests::container(&mut workloads, WORKLOAD)?["image"] = expand::image(wanted, IMAGE, version, graph)?;
        let mut keys = expand::objects(&target, workloads, std::slice::from_ref(&namespace), graph)?;
        keys.push(namespace);
        Ok(keys)
    }

    fn remarks<'a>(&'a self, planned: &'a Planned<'a>) -> BoxFuture<'a, Remarks> {
        Box::pin(async move { remarks(planned) })
    }

    fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    fn programs(&self) -> &'static [Program] {
        &[Program { name: NAME, sign: NAME, container: "flexvol-driver-installer" }]
    }
}

fn remarks(planned: &Planned<'_>) -> Remarks {
    let installs = planned.plan.actions.iter().filter(|action| action.kind == Installation::KIND && action.act == Act::Create);
    let ours = installs.filter(|action| {
        let installation = action.work.node.as_ref().and_then(|node| spec_of::<Installation>(&node.kind, &node.spec));
        installation.is_some_and(|installation| installation.component == NAME)
    });
    let warning = |key: &Key| {
        Warning {
        key: key.clone(),
        text: "the Key Vault FlexVolume driver is retired: its last release is of January 2021, secrets are read once and never rotated, and with a service principal the driver shows its client secret in the node's process list".to_owned(),
        hint: Some("Use the component `csi` and `delivery: csi` where you can. The driver needs `jq` and `findmnt` on the nodes, and its folder /etc/kubernetes/volumeplugins stays on them.".to_owned()),
    }
    };
    Remarks { refused: Vec::new(), warnings: ours.map(|action| warning(&action.key)).collect() }
}
