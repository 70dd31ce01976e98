//! A new world: one tenant, one subscription, the group `podid-lab` with two clusters, and a caller who owns the subscription
//! but may read no secret. All ids derive from names.

use super::{
    ids, providers, roles,
    roster::Assignments,
    state::{Assigned, Assignment, Cluster, Group, Principal, Provider, ScaleSet, State},
};
use crate::sandbox::{
    lateness::{Late, Lateness},
    table::Table,
};
use std::collections::BTreeMap;

pub const GROUP: &str = "podid-lab";
const LOCATION: &str = "westeurope";
const CALLER: &str = "podid-sandbox-caller";
/// The same that the API server of the clusters says of itself.
const VERSION: &str = "1.34.4";

/// A login with a secret: (client id, client secret).
pub type Login = (String, String);

fn secret_of(name: &str) -> String {
    format!("sandbox~{}", ids::hex(&["client secret", name]))
}

pub fn caller() -> Login {
    (ids::guid(&["client", CALLER]), secret_of(CALLER))
}

/// The secret of an application that was made with the world.
pub fn login(state: &State, client_id: &str) -> Option<Login> {
    let principal = state.principals.values().find(|p| p.app_id == client_id)?;
    Some((client_id.to_owned(), principal.secret.clone()?))
}

pub fn new(now: i64) -> State {
    let mut state = State {
        tenant: ids::guid(&["tenant"]),
        subscription: ids::guid(&["subscription"]),
        groups: Table::default(),
        identities: Table::default(),
        federated: Table::default(),
        federating: Default::default(),
        principals: Table::default(),
        assignments: Assignments::default(),
        roles: Table::default(),
        plain: Table::default(),
        vaults: Table::default(),
        deleted_vaults: Table::default(),
        secrets: Table::default(),
        deleted_secrets: Table::default(),
        clusters: Table::default(),
        scale_sets: Table::default(),
        providers: Table::default(),
        features: Table::default(),
        operations: Table::default(),
        grants: Table::default(),
        generations: Table::default(),
    };
    for (namespace, _) in providers::ALL {
        let provider = Provider { namespace: (*namespace).to_owned(), registration: "Registered".to_owned() };
        state.providers.insert(ids::fold(namespace), provider);
    }
    group(&mut state, GROUP, None);
    let caller = application(&mut state, CALLER, CALLER, now);
    let scope = format!("/subscriptions/{}", state.subscription);
    state.assignments.insert(Assignment {
        name: ids::guid(&["assignment", &scope, roles::OWNER, &caller]),
        scope,
        role: roles::OWNER.to_owned(),
        principal: caller.clone(),
        principal_type: "ServicePrincipal".to_owned(),
        description: None,
        condition: None,
        condition_version: None,
        delegated: None,
        created: now,
        updated: now,
        created_by: caller.clone(),
        updated_by: caller,
    });
    managed(&mut state, "aks-mi", now);
    by_service_principal(&mut state, "aks-sp", now);
    state
}

fn group(state: &mut State, name: &str, managed_by: Option<String>) {
    let group = Group { name: name.to_owned(), location: LOCATION.to_owned(), tags: None, managed_by };
    state.groups.insert(ids::fold(name), group);
}

/// Ids and secret derive from `name`. Returns the object id.
pub fn application(state: &mut State, name: &str, display_name: &str, now: i64) -> String {
    let object_id = ids::guid(&["principal", name]);
    state.principals.insert(
        object_id.clone(),
        Principal {
            sort: Default::default(),
            more: Default::default(),
            app_id: ids::guid(&["client", name]),
            display_name: display_name.to_owned(),
            created: now,
            resource_id: None,
            secret: Some(secret_of(name)),
            late: Late::default(),
        },
    );
    object_id
}

fn managed(state: &mut State, name: &str, now: i64) {
    let mut cluster = cluster(state, name);
    let id = ids::low_group_id(&state.subscription, GROUP, super::clusters::KIND, name);
    let (_, principal) = super::directory::create(state, &id, name, Lateness::None, now);
    cluster.principal_id = Some(principal);
    let kubelet = format!("{name}-agentpool");
    let full = ids::low_group_id(&state.subscription, &cluster.node_group, super::identities::KIND, &kubelet);
    let (client_id, principal_id) = super::directory::create(state, &full, &kubelet, Lateness::None, now);
    let key = ids::fold(&full);
    state.identities.insert(
        key.clone(),
        super::state::Identity {
            name: kubelet,
            group: cluster.node_group.clone(),
            location: LOCATION.to_owned(),
            tags: BTreeMap::new(),
            client_id: client_id.clone(),
            principal_id: principal_id.clone(),
        },
    );
    if let Some(set) = state.scale_sets.get_mut(&cluster.scale_set) {
        let id = ids::resource_id(&state.subscription, &cluster.node_group, super::identities::KIND, &format!("{name}-agentpool"));
        set.identities.insert(key.clone(), Assigned { id, client_id, principal_id });
    }
    cluster.kubelet = Some(key);
    "msi".clone_into(&mut cluster.client_id);
    cluster.oidc_issuer = Some(format!("https://{LOCATION}.oic.prod-aks.azure.com/{}/{}/", state.tenant, ids::guid(&["issuer", name])));
    insert(state, cluster);
}

fn by_service_principal(state: &mut State, name: &str, now: i64) {
    let mut cluster = cluster(state, name);
    let login = format!("{name}-cluster");
    application(state, &login, &login, now);
    cluster.client_id = ids::guid(&["client", &login]);
    insert(state, cluster);
}

fn insert(state: &mut State, cluster: Cluster) {
    let key = ids::fold(&ids::resource_id(&state.subscription, &cluster.group, super::clusters::KIND, &cluster.name));
    state.clusters.insert(key, cluster);
}

/// With its node resource group and the scale set of its nodes.
fn cluster(state: &mut State, name: &str) -> Cluster {
    let node_group = format!("MC_{GROUP}_{name}_{LOCATION}");
    let owner = ids::low_group_id(&state.subscription, GROUP, super::clusters::KIND, name);
    group(state, &node_group, Some(owner));
    let digits: String = ids::hex(&["scale set", name]).chars().filter(char::is_ascii_digit).take(8).collect();
    let set = ScaleSet {
        name: format!("aks-nodepool1-{digits:0<8}-vmss"),
        group: node_group.clone(),
        location: LOCATION.to_owned(),
        tags: [("aks-managed-poolName".to_owned(), "nodepool1".to_owned())].into(),
        capacity: 1,
        unique_id: ids::guid(&["scale set", name]),
        principal_id: None,
        operation: None,
        deleting: false,
        identities: BTreeMap::new(),
    };
    let key = ids::fold(&super::scale_sets::id(&state.subscription, &set));
    state.scale_sets.insert(key.clone(), set);
    Cluster {
        name: name.to_owned(),
        group: GROUP.to_owned(),
        location: LOCATION.to_owned(),
        node_group,
        scale_set: key,
        fqdn: format!("{name}-dns-{}.hcp.{LOCATION}.azmk8s.io", &ids::hex(&["fqdn", name])[..8]),
        dns_prefix: format!("{name}-dns"),
        version: VERSION.to_owned(),
        principal_id: None,
        kubelet: None,
        client_id: String::new(),
        oidc_issuer: None,
        own: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_new_worlds_have_the_same_ids() {
        let (a, b) = (new(1), new(1));
        assert_eq!(serde_json::to_string(&a).unwrap(), serde_json::to_string(&b).unwrap());
        assert_eq!(a.clusters.len(), 2);
        assert!(a.clusters.values().all(|c| a.scale_sets.contains_key(&c.scale_set)));
        assert!(a.clusters.values().all(|c| c.fqdn.ends_with(".hcp.westeurope.azmk8s.io")));
    }

    #[test]
    fn the_scale_set_of_the_managed_cluster_carries_the_kubelet_identity_and_the_other_none() {
        let state = new(1);
        for cluster in state.clusters.values() {
            let set = &state.scale_sets[&cluster.scale_set];
            assert_eq!(set.identities.keys().next(), cluster.kubelet.as_ref());
        }
    }
}
