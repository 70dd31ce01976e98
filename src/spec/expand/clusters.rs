//! Clusters and resource groups that podid creates, and what that means for the rest of the graph.

use crate::{
    azure::{ArmId, fields, id::CLUSTER},
    engine::{
        desired::{Desired, Intent},
        fault::Fault,
        input::{DependsOn, needs},
        key::Key,
        resource::Kind as _,
    },
    resources::{
        cluster::{
            self, Cluster,
            creation::{Creation, ServicePrincipal},
        },
        feature::{self, Feature},
        group::{self, Group},
        kind::spec_of,
        role::Role,
        roles,
    },
    spec::{
        cluster::REGISTRY,
        creation::{ClusterCreate, ClusterIdentity, NetworkPlugin, NetworkPolicy, Tier},
        graph::Graph,
        known::ClusterRef,
        model::Spec,
        reference::{NameOrId, Scope},
    },
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The field of a spec that makes a resource wait for its group, and be deleted before it. No kind reads it.
const IN_GROUP: &str = "inGroup";

const NODE_COUNT: u32 = 3;

impl Graph<'_> {
    pub(super) fn spec_groups(&mut self, spec: &Spec) -> Result<(), Fault> {
        spec.resource_groups.iter().try_for_each(|group| self.new_group(&group.name, group.location.as_deref()).map(drop))
    }

    /// A group that is created if it does not exist.
    pub(super) fn new_group(&mut self, name: &str, location: Option<&str>) -> Result<Key, Fault> {
        let id = ArmId::group(self.context.subscription, name);
        let key = group::key(&id);
        let location = location.or(self.context.location).map(str::to_ascii_lowercase);
        self.add(&key, &Group { id, location }, Intent::Present)?;
        Ok(key)
    }

    pub(super) fn spec_cluster(&mut self, spec: &Spec) -> Result<(), Fault> {
        let Some(create) = spec.cluster.as_ref().and_then(|cluster| cluster.create.as_ref()) else { return Ok(()) };
        let cluster = self.cluster_ref()?;
        self.new_cluster(cluster, create)
    }

    pub(super) fn request_cluster(&mut self, name: &NameOrId, group: Option<&str>, create: &ClusterCreate) -> Result<(), Fault> {
        let id = self.arm_id(name, CLUSTER, group)?;
        let context = id.name().to_owned();
        self.new_cluster(&ClusterRef { id, context, principal_id: None, issuer: None }, create)?;
        self.recall_parts(&key_of(name))
    }

    fn new_cluster(&mut self, cluster: &ClusterRef, create: &ClusterCreate) -> Result<(), Fault> {
        let key = self.spelled(cluster::key(cluster.id.name()));
        let location = self.location_of(&cluster.id, create.location.as_deref())?;
        let (network_plugin, mode) = match create.network_plugin.unwrap_or_default() {
            NetworkPlugin::Overlay => ("azure", Some("overlay")),
            NetworkPlugin::NodeSubnet => ("azure", None),
            NetworkPlugin::Kubenet => ("kubenet", None),
        };
        let policy = |policy| match policy {
            NetworkPolicy::None => "none",
            NetworkPolicy::Azure => "azure",
            NetworkPolicy::Calico => "calico",
            NetworkPolicy::Cilium => "cilium",
        };
        let tier = |tier| match tier {
            Tier::Free => "Free",
            Tier::Standard => "Standard",
            Tier::Premium => "Premium",
        };
        let service_principal = match &create.identity {
            Some(ClusterIdentity::ServicePrincipal(principal)) => {
                Some(ServicePrincipal { client_id: principal.client_id.clone(), secret: principal.secret.source() })
            }
            Some(ClusterIdentity::Managed) | None => None,
        };
        let creation = Creation {
            location,
            tier: create.tier.map(|word| tier(word).to_owned()),
            node_count: create.node_count.unwrap_or(NODE_COUNT),
            vm_size: create.vm_size.clone(),
            kubernetes_version: create.kubernetes_version.clone(),
            network_plugin: network_plugin.to_owned(),
            network_plugin_mode: mode.map(str::to_owned),
            network_policy: create.network_policy.map(|word| policy(word).to_owned()),
            service_principal,
            oidc_issuer: create.oidc_issuer.or(create.workload_identity.filter(|on| *on)),
            workload_identity: create.workload_identity,
            features: Map::new(),
        };
        let (id, context, principal_id) = (cluster.id.clone(), cluster.context.clone(), cluster.principal_id.clone());
        self.add(&key, &Cluster { id, context, principal_id, create: Some(creation) }, Intent::Present)?;
        for registry in &create.attach_registry {
            let id = self.arm_id(&NameOrId::new(registry), REGISTRY, None)?;
            let (to, scope) = (self.clusters_principal(cluster)?, self.scope(&Scope::Id(id))?);
            self.add_role(roles::ACR_PULL, to, scope, Some("the nodes pull images from it".to_owned()), None)?;
        }
        Ok(())
    }

    /// Adds what earlier commands made for a cluster that is to be removed: its settings, and its right to pull images.
    fn recall_parts(&mut self, cluster: &Key) -> Result<(), Fault> {
        if !self.removes() {
            return Ok(());
        }
        let memory = self.context.memory;
        for entry in memory.ledger().of_app(memory.app()).filter(|entry| needs(&entry.spec).contains(cluster)) {
            if let Some(feature) = spec_of::<Feature>(&entry.kind, &entry.spec) {
                self.add(&feature::key(feature.cluster.name(), &feature.name), &feature, Intent::Present)?;
            }
            if let Some(role) = spec_of::<Role>(&entry.kind, &entry.spec).filter(|role| role.role == roles::ACR_PULL) {
                self.add(&entry.key, &role, Intent::Present)?;
            }
        }
        Ok(())
    }

    /// Returns the graph when everything is in it.
    pub(super) fn finished(mut self) -> Result<Desired, Fault> {
        self.create_with_features();
        self.wait_for_groups();
        Ok(self.desired)
    }

    /// Puts the features of a cluster that is to be created into its creation, so that AKS makes one operation of it. Those that need more
    /// than the cluster remain changes of their own.
    fn create_with_features(&mut self) {
        let mut all: BTreeMap<Key, Value> = BTreeMap::new();
        let features: Vec<(Key, Feature)> =
            self.desired.nodes.values().filter_map(|n| Some((n.key.clone(), spec_of(&n.kind, &n.spec)?))).collect();
        for (_, feature) in features.iter().filter(|(key, feature)| is_part(key, feature, &features)) {
            let fields = all.entry(cluster::key(feature.cluster.name())).or_insert_with(|| json!({}));
            fields::overlay(fields, &feature.on);
        }
        for (key, fields) in all {
            let Some(node) = self.desired.nodes.get_mut(&key).filter(|node| node.intent == Intent::Present) else { continue };
            let mut spec = Value::clone(&node.spec);
            if let Some(Value::Object(create)) = spec.get_mut("create") {
                create.insert("features".to_owned(), fields);
                node.spec = spec.into();
            }
        }
    }

    /// Lets everything in a group that is to be created wait for it: Azure refuses resources in a group that does not exist.
    fn wait_for_groups(&mut self) {
        let is_new = |node: &&crate::engine::desired::Node| node.kind == Group::KIND && node.intent == Intent::Present;
        let groups: Vec<(Key, ArmId)> = self
            .desired
            .nodes
            .values()
            .filter(is_new)
            .filter_map(|n| Some((n.key.clone(), spec_of::<Group>(&n.kind, &n.spec)?.id)))
            .collect();
        for (key, id) in groups {
            let folded = id.folded();
            for node in self.desired.nodes.values_mut().filter(|node| node.key != key && lies_in(&node.spec, &folded)) {
                let mut spec = Value::clone(&node.spec);
                if let Some(fields) = spec.as_object_mut() {
                    fields.insert(IN_GROUP.to_owned(), json!(DependsOn::of(&key)));
                }
                node.spec = spec.into();
            }
        }
    }
}

fn key_of(name: &NameOrId) -> Key {
    cluster::key(name.name())
}

/// Whether a feature needs nothing but its cluster and other features that are parts of its creation.
fn is_part(key: &Key, feature: &Feature, all: &[(Key, Feature)]) -> bool {
    let own = cluster::key(feature.cluster.name());
    let other = |needed: &Key| all.iter().find(|(one, _)| one == needed && one != key);
    needs(&feature.on).is_empty()
        && feature
            .after
            .iter()
            .map(DependsOn::key)
            .all(|needed| *needed == own || other(needed).is_some_and(|(key, one)| is_part(key, one, all)))
}

/// Whether a spec names a group, or something in it.
fn lies_in(spec: &Value, group: &str) -> bool {
    match spec {
        Value::String(text) => {
            let text = text.to_ascii_lowercase();
            text.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        Value::Array(items) => items.iter().any(|item| lies_in(item, group)),
        Value::Object(fields) => fields.values().any(|field| lies_in(field, group)),
        _ => false,
    }
}
