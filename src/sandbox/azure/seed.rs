//! A new world: one tenant, one subscription, the group `podid-lab` with two clusters, and a caller who owns the subscription but may not
//! read secrets. All ids derive from names.

use super::{
    assignment_index::{Assignment, Assignments},
    clusters, ids, providers, resource_ids, roles,
    state::{Cluster, Group, Principal, Provider, State},
};
use crate::{lateness::Late, table::Table};

pub const GROUP: &str = "podid-lab";
const LOCATION: &str = "westeurope";
const CALLER: &str = "podid-sandbox-caller";
/// The version that the API server of the clusters reports.
const VERSION: &str = "1.34.4";

/// A client id and its secret.
pub type AppLogin = (String, String);

/// Returns the client id of the world's caller.
pub fn caller() -> String {
    ids::guid(&["client", CALLER])
}

/// Sets the secret of the world's caller.
pub fn set_caller_secret(state: &mut State, secret: &str) {
    if let Some(caller) = state.principals.get_mut(&ids::guid(&["principal", CALLER])) {
        caller.secret = Some(secret.to_owned());
    }
}

/// Returns the secret of an application that a new world has.
pub fn login(state: &State, client_id: &str) -> Option<AppLogin> {
    let principal = state.principals.values().find(|p| p.app_id == client_id)?;
    Some((client_id.to_owned(), principal.secret.clone()?))
}

pub fn new(now: i64) -> State {
    let mut state = State {
        bare: false,
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
        blobs: Table::default(),
        vaults: Table::default(),
        deleted_vaults: Table::default(),
        secrets: Table::default(),
        deleted_secrets: Table::default(),
        vault_objects: Table::default(),
        clusters: Table::default(),
        bindings: Table::default(),
        scale_sets: Table::default(),
        providers: Table::default(),
        features: Table::default(),
        applications: Table::default(),
        members: Table::default(),
        locks: Table::default(),
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
    managed(&mut state, MANAGED, now);
    by_service_principal(&mut state, BY_SERVICE_PRINCIPAL, now);
    state
}

/// The clusters of a new world: they have a lab's components, unless the world is bare.
const MANAGED: &str = "aks-mi";
const BY_SERVICE_PRINCIPAL: &str = "aks-sp";

/// Returns whether a cluster is as AKS makes it, without the components of a lab. All that are created over ARM are.
pub fn is_bare(state: &State, cluster: &Cluster) -> bool {
    let is_first = ids::fold(&cluster.group) == GROUP && [MANAGED, BY_SERVICE_PRINCIPAL].contains(&cluster.name.as_str());
    state.bare || !is_first
}

fn group(state: &mut State, name: &str, managed_by: Option<String>) {
    let group = Group { name: name.to_owned(), location: LOCATION.to_owned(), tags: None, managed_by, ending: None };
    state.groups.insert(ids::fold(name), group);
}

/// Creates an application and returns its object id. Ids derive from `name`, the secret is random.
pub fn application(state: &mut State, name: &str, display_name: &str, now: i64) -> String {
    let object_id = ids::guid(&["principal", name]);
    state.principals.insert(
        object_id.clone(),
        Principal {
            principal_type: Default::default(),
            more: Default::default(),
            app_id: ids::guid(&["client", name]),
            display_name: display_name.to_owned(),
            created: now,
            resource_id: None,
            secret: Some(format!("sandbox~{}", ids::random())),
            late: Late::default(),
        },
    );
    object_id
}

fn managed(state: &mut State, name: &str, now: i64) {
    cluster(state, name, None, now);
}

fn by_service_principal(state: &mut State, name: &str, now: i64) {
    let login = format!("{name}-cluster");
    application(state, &login, &login, now);
    cluster(state, name, Some(&ids::guid(&["client", &login])), now);
}

fn cluster(state: &mut State, name: &str, client_id: Option<&str>, now: i64) {
    let spec = clusters::ClusterSpec {
        name,
        group: GROUP,
        location: LOCATION,
        dns_prefix: &format!("{name}-dns"),
        version: VERSION,
        pool: ("nodepool1", 1),
        client_id,
        own_identity: true,
        issuer: client_id.is_none(),
    };
    let cluster = clusters::provision(state, &spec, now);
    let key = resource_ids::cluster_key(&state.subscription, &cluster.group, &cluster.name);
    state.clusters.insert(key, cluster);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_worlds_have_the_same_ids_and_different_secrets() {
        let (mut a, mut b) = (new(1), new(1));
        let taken = |state: &mut State| {
            let keys: Vec<String> = state.principals.keys().cloned().collect();
            keys.iter().filter_map(|key| state.principals.get_mut(key)?.secret.take()).collect::<Vec<_>>()
        };
        let (of_a, of_b) = (taken(&mut a), taken(&mut b));
        assert!(of_a.len() == 2 && of_a.iter().all(|secret| !of_b.contains(secret)));
        assert_eq!(serde_json::to_string(&a).unwrap(), serde_json::to_string(&b).unwrap());
        assert_eq!(a.clusters.len(), 2);
        assert!(a.clusters.values().all(|c| a.scale_sets.contains_key(&c.scale_set)));
        assert!(a.clusters.values().all(|c| c.fqdn.ends_with(".hcp.westeurope.azmk8s.io")));
    }

    #[test]
    fn only_the_scale_set_of_the_managed_cluster_has_the_kubelet_identity() {
        let state = new(1);
        for cluster in state.clusters.values() {
            let set = &state.scale_sets[&cluster.scale_set];
            assert_eq!(set.identities.keys().next(), cluster.kubelet.as_ref());
        }
    }
}
