//! Managed clusters that an external cluster stands in for: ARM returns that cluster's host, version and nodes. The original values are
//! kept and restored later.

use super::{
    ids, resource_ids,
    state::{Cluster, Group, OriginalCluster, ScaleSet, State},
};

/// What ARM returns of the external cluster.
pub struct ReportedCluster {
    /// The host of its API server.
    pub host: String,
    pub version: String,
    /// The issuer of its service account tokens, if it publishes one.
    pub issuer: Option<String>,
    /// The scale set of its nodes, and how many there are.
    pub nodes: Option<(ScaleSetRef, u32)>,
}

/// A scale set, as the providerID of a node names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleSetRef {
    pub subscription: String,
    pub group: String,
    pub scale_set: String,
}

impl ScaleSetRef {
    /// Names of Azure resources ignore case.
    pub fn is(&self, other: &Self) -> bool {
        let pairs = [(&self.subscription, &other.subscription), (&self.group, &other.group), (&self.scale_set, &other.scale_set)];
        pairs.iter().all(|(one, other)| one.eq_ignore_ascii_case(other))
    }

    /// Parses `azure:///subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachineScaleSets/V/virtualMachines/N`
    /// (cloud-provider-azure) in any case.
    pub fn of(provider_id: &str) -> Option<Self> {
        let id = provider_id.strip_prefix("azure://")?;
        let parts: Vec<&str> = id.split('/').collect();
        let ["", s, subscription, g, group, p, compute, v, scale_set, ..] = parts.as_slice() else { return None };
        let words =
            [(s, "subscriptions"), (g, "resourceGroups"), (p, "providers"), (compute, "Microsoft.Compute"), (v, "virtualMachineScaleSets")];
        let fits = words.iter().all(|(word, wanted)| word.eq_ignore_ascii_case(wanted))
            && [subscription, group, scale_set].iter().all(|t| !t.is_empty());
        let owned = |text: &&str| (*text).to_owned();
        fits.then(|| Self { subscription: owned(subscription), group: owned(group), scale_set: owned(scale_set) })
    }
}

fn key_of(state: &State, name: &str) -> Option<String> {
    state.clusters.iter().find(|(_, c)| c.name == name).map(|(key, _)| key.clone())
}

/// Replaces the values of the cluster by those of the external one. Returns whether the cluster exists.
pub fn replace(state: &mut State, name: &str, other: &ReportedCluster) -> bool {
    let Some(key) = key_of(state, name) else { return false };
    let Some(mut cluster) = state.clusters.get(&key).cloned() else { return false };
    let mut own = cluster.own.clone().unwrap_or_else(|| OriginalCluster {
        fqdn: cluster.fqdn.clone(),
        version: cluster.version.clone(),
        node_group: cluster.node_group.clone(),
        scale_set: cluster.scale_set.clone(),
        oidc_issuer: cluster.oidc_issuer.clone(),
    });
    // only if the issuer of the cluster is enabled, which may have happened after the cluster was replaced
    own.oidc_issuer = own.oidc_issuer.or_else(|| cluster.oidc_issuer.clone());
    cluster.oidc_issuer = own.oidc_issuer.as_ref().map(|issuer| other.issuer.as_ref().unwrap_or(issuer).clone());
    cluster.fqdn.clone_from(&other.host);
    cluster.version.clone_from(&other.version);
    cluster.node_group.clone_from(&own.node_group);
    cluster.scale_set.clone_from(&own.scale_set);
    let here = |place: &ScaleSetRef| place.subscription.eq_ignore_ascii_case(&state.subscription);
    let usable = |place: &ScaleSetRef| here(place) && (cluster.asked.is_empty() || is_free(state, &cluster, place));
    if let Some((place, count)) = other.nodes.as_ref().filter(|(place, _)| usable(place)) {
        use_nodes(state, &mut cluster, place, *count);
    }
    cluster.own = Some(own);
    state.clusters.insert(key, cluster);
    true
}

/// Returns whether no other cluster has the nodes: they would go with a cluster that is deleted.
fn is_free(state: &State, cluster: &Cluster, place: &ScaleSetRef) -> bool {
    let owner = ids::low_group_id(&state.subscription, &cluster.group, super::resource_ids::CLUSTER, &cluster.name);
    let group = state.groups.get(&ids::fold(&place.group));
    group.is_none_or(|group| group.managed_by.as_ref().is_none_or(|by| by.eq_ignore_ascii_case(&owner)))
}

/// Restores the original values of all clusters except the named ones. Resources created for external nodes stay, because Azure would not
/// delete them either.
pub fn restore(state: &mut State, but: &[&str]) -> bool {
    let mut left = false;
    for cluster in state.clusters.values_mut().filter(|c| !but.contains(&c.name.as_str())) {
        if let Some(own) = cluster.own.take() {
            (cluster.fqdn, cluster.version, cluster.node_group, cluster.scale_set) = (own.fqdn, own.version, own.node_group, own.scale_set);
            // worlds of older versions do not store it
            cluster.oidc_issuer = own.oidc_issuer.or_else(|| cluster.oidc_issuer.take());
            left = true;
        }
    }
    left
}

/// Uses the resource group and the scale set of the nodes, and creates them if they do not exist.
fn use_nodes(state: &mut State, cluster: &mut Cluster, place: &ScaleSetRef, count: u32) {
    let owner = ids::low_group_id(&state.subscription, &cluster.group, super::resource_ids::CLUSTER, &cluster.name);
    let group = state.groups.entry(ids::fold(&place.group)).or_insert_with(|| Group {
        name: place.group.clone(),
        location: cluster.location.clone(),
        tags: None,
        managed_by: Some(owner),
        ending: None,
    });
    cluster.node_group.clone_from(&group.name);
    let mut set = ScaleSet {
        name: place.scale_set.clone(),
        group: group.name.clone(),
        location: cluster.location.clone(),
        tags: [("aks-managed-poolName".to_owned(), "nodepool1".to_owned())].into(),
        capacity: count,
        unique_id: ids::guid(&["scale set", &place.group, &place.scale_set]),
        principal_id: None,
        operation: None,
        deleting: false,
        identities: Default::default(),
    };
    let key = ids::fold(&resource_ids::scale_set(&state.subscription, &set));
    // AKS assigns the kubelet's identity to every scale set of the cluster
    if let (Some(kubelet), Some(own)) = (&cluster.kubelet, state.scale_sets.get(&cluster.scale_set))
        && let Some(assigned) = own.identities.get(kubelet)
    {
        set.identities.insert(kubelet.clone(), assigned.clone());
    }
    state.scale_sets.entry(key.clone()).or_insert(set).capacity = count;
    cluster.scale_set = key;
}

#[cfg(test)]
mod tests {
    use super::super::seed;
    use super::*;

    fn other(provider_id: &str) -> ReportedCluster {
        let nodes = ScaleSetRef::of(provider_id).map(|place| (place, 3));
        ReportedCluster { host: "127.0.0.1".into(), version: "1.35.0".into(), issuer: Some("https://theirs/".into()), nodes }
    }

    fn cluster(state: &State) -> &Cluster {
        state.clusters.values().find(|c| c.name == "aks-mi").unwrap()
    }

    #[test]
    fn a_provider_id_names_a_scale_set_or_nothing() {
        let id = "azure:///subscriptions/s/resourceGroups/mc_g/providers/Microsoft.Compute/virtualMachineScaleSets/v/virtualMachines/0";
        assert_eq!(ScaleSetRef::of(id), Some(ScaleSetRef { subscription: "s".into(), group: "mc_g".into(), scale_set: "v".into() }));
        assert!(ScaleSetRef::of(&id.to_lowercase()).is_some());
        for none in [
            "",
            "kind://docker/kind/kind-control-plane",
            "azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/n",
        ] {
            assert_eq!(ScaleSetRef::of(none), None, "{none}");
        }
    }

    #[test]
    fn the_scale_set_follows_the_nodes_and_the_original_is_restored() {
        let mut state = seed::new(1);
        let before = serde_json::to_string(cluster(&state)).unwrap();
        let kubelet = cluster(&state).kubelet.clone().unwrap();
        let id = format!(
            "azure:///subscriptions/{}/resourceGroups/mc_other/providers/Microsoft.Compute/virtualMachineScaleSets/pool/virtualMachines/0",
            state.subscription
        );
        for _ in 0..2 {
            assert!(replace(&mut state, "aks-mi", &other(&id)));
            let now = cluster(&state);
            assert_eq!((now.fqdn.as_str(), now.node_group.as_str(), now.version.as_str()), ("127.0.0.1", "mc_other", "1.35.0"));
            let set = &state.scale_sets[&now.scale_set];
            assert_eq!(now.oidc_issuer.as_deref(), Some("https://theirs/"));
            assert_eq!((set.name.as_str(), set.capacity, set.identities.contains_key(&kubelet)), ("pool", 3, true));
        }
        assert!(restore(&mut state, &[]));
        assert_eq!(serde_json::to_string(cluster(&state)).unwrap(), before);
        assert!(!restore(&mut state, &[]));
    }

    #[test]
    fn the_original_scale_set_is_found_in_any_case() {
        let mut state = seed::new(1);
        let own = cluster(&state).clone();
        let id = format!(
            "azure://{}/virtualMachines/0",
            resource_ids::scale_set(&state.subscription, &state.scale_sets[&own.scale_set]).to_lowercase()
        );
        let (groups, sets) = (state.groups.len(), state.scale_sets.len());
        assert!(replace(&mut state, "aks-mi", &other(&id)));
        assert_eq!((state.groups.len(), state.scale_sets.len()), (groups, sets));
        assert_eq!((&cluster(&state).node_group, &cluster(&state).scale_set), (&own.node_group, &own.scale_set));
    }

    #[test]
    fn nodes_of_another_subscription_use_the_original_scale_set() {
        let mut state = seed::new(1);
        let own = cluster(&state).clone();
        let id = "azure:///subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v/virtualMachines/0";
        assert!(replace(&mut state, "aks-mi", &other(id)));
        assert_eq!((&cluster(&state).node_group, &cluster(&state).scale_set), (&own.node_group, &own.scale_set));
        assert!(!replace(&mut state, "no-such", &other(id)));
    }
}
