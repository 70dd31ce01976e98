//! Creates what belongs to a cluster: the node resource group, the scale set of the nodes, the identities of the control plane and the
//! kubelet, and the issuer.

use crate::{
    azure::{
        directory, ids, resource_ids,
        state::{Assigned, Cluster, Group, Identity, ScaleSet, State},
    },
    lateness::Lateness,
};
use std::collections::BTreeMap;

/// The longest name of a node resource group (AKS documentation, "node resource group").
const LONGEST: usize = 80;

/// The placement and the identities of a new cluster.
pub struct ClusterSpec<'a> {
    pub name: &'a str,
    pub group: &'a str,
    pub location: &'a str,
    pub dns_prefix: &'a str,
    pub version: &'a str,
    /// Name and node count of the first pool.
    pub pool: (&'a str, u32),
    /// The client id of a service principal; None for managed identities.
    pub client_id: Option<&'a str>,
    /// Whether the control plane gets a system-assigned identity; otherwise it uses an existing one.
    pub own_identity: bool,
    pub issuer: bool,
}

/// Creates everything that belongs to the cluster and returns the cluster, which the caller adds to the state.
pub fn provision(state: &mut State, spec: &ClusterSpec<'_>, now: i64) -> Cluster {
    let mut cluster = nodes(state, spec);
    if let Some(client_id) = spec.client_id {
        client_id.clone_into(&mut cluster.client_id);
    } else {
        managed(state, spec, &mut cluster, now);
    }
    if spec.issuer {
        cluster.oidc_issuer = Some(issuer(state, spec.name, spec.location));
    }
    cluster
}

pub fn issuer(state: &State, name: &str, location: &str) -> String {
    format!("https://{location}.oic.prod-aks.azure.com/{}/{}/", state.tenant, ids::guid(&["issuer", name]))
}

fn managed(state: &mut State, spec: &ClusterSpec<'_>, cluster: &mut Cluster, now: i64) {
    let name = spec.name;
    if spec.own_identity {
        let id = ids::low_group_id(&state.subscription, spec.group, resource_ids::CLUSTER, name);
        let (_, principal) = directory::create(state, &id, name, Lateness::None, now);
        cluster.principal_id = Some(principal);
    }
    let kubelet = format!("{name}-agentpool");
    let full = ids::low_group_id(&state.subscription, &cluster.node_group, resource_ids::IDENTITY, &kubelet);
    let (client_id, principal_id) = directory::create(state, &full, &kubelet, Lateness::None, now);
    let key = ids::fold(&full);
    let id = ids::resource_id(&state.subscription, &cluster.node_group, resource_ids::IDENTITY, &kubelet);
    let identity = Identity {
        name: kubelet,
        group: cluster.node_group.clone(),
        location: spec.location.to_owned(),
        tags: BTreeMap::new(),
        client_id: client_id.clone(),
        principal_id: principal_id.clone(),
    };
    state.identities.insert(key.clone(), identity);
    if let Some(set) = state.scale_sets.get_mut(&cluster.scale_set) {
        set.identities.insert(key.clone(), Assigned { id, client_id, principal_id });
    }
    cluster.kubelet = Some(key);
    "msi".clone_into(&mut cluster.client_id);
}

fn nodes(state: &mut State, spec: &ClusterSpec<'_>) -> Cluster {
    let ClusterSpec { name, group, location, .. } = *spec;
    let (pool, count) = spec.pool;
    let node_group: String = format!("MC_{group}_{name}_{location}").chars().take(LONGEST).collect();
    let owner = ids::low_group_id(&state.subscription, group, resource_ids::CLUSTER, name);
    let its_group = Group { name: node_group.clone(), location: location.to_owned(), tags: None, managed_by: Some(owner), ending: None };
    state.groups.insert(ids::fold(&node_group), its_group);
    let digits: String = ids::hex(&["scale set", name]).chars().filter(char::is_ascii_digit).take(8).collect();
    let set = ScaleSet {
        name: format!("aks-{pool}-{digits:0<8}-vmss"),
        group: node_group.clone(),
        location: location.to_owned(),
        tags: [("aks-managed-poolName".to_owned(), pool.to_owned())].into(),
        capacity: count,
        unique_id: ids::guid(&["scale set", name]),
        principal_id: None,
        operation: None,
        deleting: false,
        identities: BTreeMap::new(),
    };
    let key = ids::fold(&resource_ids::scale_set(&state.subscription, &set));
    state.scale_sets.insert(key.clone(), set);
    Cluster {
        name: name.to_owned(),
        group: group.to_owned(),
        location: location.to_owned(),
        node_group,
        scale_set: key,
        fqdn: format!("{}-{}.hcp.{location}.azmk8s.io", spec.dns_prefix, &ids::hex(&["fqdn", name])[..8]),
        dns_prefix: spec.dns_prefix.to_owned(),
        version: spec.version.to_owned(),
        principal_id: None,
        kubelet: None,
        client_id: String::new(),
        oidc_issuer: None,
        own: None,
        asked: Default::default(),
        filled: None,
        tags: BTreeMap::new(),
        tier: None,
        identities: Vec::new(),
        changing: None,
        verb: String::new(),
        ending: None,
    }
}
