//! What comes with a cluster: the node resource group, the scale set of the nodes, the identities of control plane and kubelet, the issuer.

use super::{
    super::{
        directory, identities, ids, scale_sets,
        state::{Assigned, Cluster, Group, Identity, ScaleSet, State},
    },
    KIND,
};
use crate::lateness::Lateness;
use std::collections::BTreeMap;

/// Longest name of a resource group that AKS gives (AKS documentation, "node resource group").
const LONGEST: usize = 80;

/// Where and as whom a cluster runs.
pub struct Site<'a> {
    pub name: &'a str,
    pub group: &'a str,
    pub location: &'a str,
    pub dns_prefix: &'a str,
    pub version: &'a str,
    /// Name and count of the nodes of its first pool.
    pub pool: (&'a str, u32),
    /// The client id of a service principal; None for identities.
    pub client_id: Option<&'a str>,
    /// Whether the control plane has an identity of its own; else it is one that was made before.
    pub own_identity: bool,
    pub issuer: bool,
}

/// The cluster with all that comes with it; it is not among the clusters yet.
pub fn found(state: &mut State, site: &Site<'_>, now: i64) -> Cluster {
    let mut cluster = nodes(state, site);
    if let Some(client_id) = site.client_id {
        client_id.clone_into(&mut cluster.client_id);
    } else {
        managed(state, site, &mut cluster, now);
    }
    if site.issuer {
        cluster.oidc_issuer = Some(issuer(state, site.name, site.location));
    }
    cluster
}

pub fn issuer(state: &State, name: &str, location: &str) -> String {
    format!("https://{location}.oic.prod-aks.azure.com/{}/{}/", state.tenant, ids::guid(&["issuer", name]))
}

fn managed(state: &mut State, site: &Site<'_>, cluster: &mut Cluster, now: i64) {
    let name = site.name;
    if site.own_identity {
        let id = ids::low_group_id(&state.subscription, site.group, KIND, name);
        let (_, principal) = directory::create(state, &id, name, Lateness::None, now);
        cluster.principal_id = Some(principal);
    }
    let kubelet = format!("{name}-agentpool");
    let full = ids::low_group_id(&state.subscription, &cluster.node_group, identities::KIND, &kubelet);
    let (client_id, principal_id) = directory::create(state, &full, &kubelet, Lateness::None, now);
    let key = ids::fold(&full);
    let id = ids::resource_id(&state.subscription, &cluster.node_group, identities::KIND, &kubelet);
    let identity = Identity {
        name: kubelet,
        group: cluster.node_group.clone(),
        location: site.location.to_owned(),
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

fn nodes(state: &mut State, site: &Site<'_>) -> Cluster {
    let Site { name, group, location, .. } = *site;
    let (pool, count) = site.pool;
    let node_group: String = format!("MC_{group}_{name}_{location}").chars().take(LONGEST).collect();
    let owner = ids::low_group_id(&state.subscription, group, KIND, name);
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
    let key = ids::fold(&scale_sets::id(&state.subscription, &set));
    state.scale_sets.insert(key.clone(), set);
    Cluster {
        name: name.to_owned(),
        group: group.to_owned(),
        location: location.to_owned(),
        node_group,
        scale_set: key,
        fqdn: format!("{}-{}.hcp.{location}.azmk8s.io", site.dns_prefix, &ids::hex(&["fqdn", name])[..8]),
        dns_prefix: site.dns_prefix.to_owned(),
        version: site.version.to_owned(),
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
