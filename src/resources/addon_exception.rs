//! An exception of the pod identity add-on of AKS: pods of a namespace whose token requests NMI passes on. AKS makes an
//! AzurePodIdentityException of it, and would not keep one that somebody writes into the cluster.

use super::{
    cluster,
    kind::{AzureRole, HintScope, Resource},
    roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{
        ArmId,
        pod_exceptions::{PodException, exceptions},
    },
    engine::{
        fault::Fault,
        input::{DependsOn, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Serialize, Deserialize)]
pub struct AddonException {
    pub cluster: ArmId,
    pub namespace: String,
    pub name: String,
    /// A pod is excepted when any one of these labels is on it.
    pub labels: BTreeMap<String, String>,
    /// The add-on.
    pub after: Vec<DependsOn>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    labels: BTreeMap<String, String>,
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of(AddonException::KIND, [cluster, namespace, name])
}

fn word(cluster: &str, namespace: &str, name: &str) -> String {
    format!("{cluster}/{namespace}/addonexception/{name}")
}

/// The exceptions of a cluster that are not among those that podid made for this app (`Reader::brought`).
pub fn foreign(cluster: &ArmId, document: &Value, brought: &BTreeSet<String>) -> Vec<PodException> {
    let is_foreign = |one: &PodException| !brought.contains(&word(cluster.name(), &one.namespace, &one.name));
    exceptions(document).into_iter().filter(is_foreign).collect()
}

impl AddonException {
    fn wanted(&self) -> PodException {
        PodException { namespace: self.namespace.clone(), name: self.name.clone(), labels: self.labels.clone() }
    }
}

impl Kind<Cloud> for AddonException {
    const KIND: &'static str = "addonexception";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    fn lane(&self) -> Option<String> {
        Some(cluster::lane(&self.cluster))
    }
    fn place(&self) -> Option<String> {
        Some(format!("{}/{}/{}", self.cluster.folded(), self.namespace, self.name))
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let Some(document) = reader.azure.cluster_document(&self.cluster).await.map_err(Fault::cloud)? else { return Ok(None) };
        let found = exceptions(&document).into_iter().find(|one| one.namespace == self.namespace && one.name == self.name);
        Ok(found.map(|found| Actual { labels: found.labels }))
    }
    fn diff(&self, _: NodeContext<'_>, actual: &Actual) -> Diff {
        match actual.labels == self.labels {
            true => Diff::Same,
            false => Diff::Update(vec![Change { field: "podLabels".into(), from: json!(actual.labels), to: json!(self.labels) }]),
        }
    }
    fn owner(&self, _: NodeContext<'_>, _: &Actual) -> Owner {
        Owner::Unmarkable
    }
    fn publish(&self, _: &Actual) -> Outputs {
        Outputs::new()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("podLabels", json!(self.labels)),
            ("effect", json!("a pod with any one of these labels gets a token of every identity of its node")),
        ]
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the pod identity add-on of {} has no exception {}/{}", self.cluster.name(), self.namespace, self.name),
            format!("Create it: `podid exception add {} -n {} --label KEY=VALUE`.", self.name, self.namespace),
        )
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        if writer.azure.put_pod_exception(&self.cluster, &self.wanted()).await.map_err(Fault::cloud)? {
            return Ok(Actual { labels: self.labels.clone() });
        }
        let (reason, way_out) = cluster::not_found(&self.cluster);
        Err(Fault::refused(reason, way_out))
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_pod_exception(&self.cluster, &self.wanted()).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let (group, cluster) = (self.cluster.group_name().unwrap_or_default(), self.cluster.name());
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        vec![format!(
            "az aks pod-identity exception add -g {group} --cluster-name {cluster} --namespace {} --name {} --pod-labels {} # az extension add --name aks-preview",
            self.namespace,
            self.name,
            labels.join(" ")
        )]
    }
}

impl Resource for AddonException {
    const ROLES: &'static [AzureRole] = &[AzureRole {
        actions: "Microsoft.ContainerService/managedClusters/",
        reads: false,
        role: roles::AKS_CONTRIBUTOR,
        scope: HintScope::Resource,
    }];

    /// The entry itself, and what AKS makes of it in the namespace.
    fn brings(&self) -> Vec<String> {
        let (cluster, Self { namespace, name, .. }) = (self.cluster.name(), self);
        vec![word(cluster, namespace, name), format!("{cluster}/{namespace}/azurepodidentityexception/{name}")]
    }
}
