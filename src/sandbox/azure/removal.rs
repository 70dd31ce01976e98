//! Deletes a resource and what depends on it: its principal, its credentials, the role assignments at it, and the resources of a group.

use super::{call::Call, directory, federated, ids, resource_ids, state::DeletedVault, times};

/// Deletes a group, its resources, and the node groups of its clusters.
pub fn group(call: &mut Call<'_>, name: &str) {
    let folded = ids::fold(name);
    let Some(group) = call.state.groups.remove(&folded) else { return };
    let inside = |of: &str| of.eq_ignore_ascii_case(&group.name);
    let state = &*call.state;
    let node_groups: Vec<String> = state.clusters.values().filter(|c| inside(&c.group)).map(|c| c.node_group.clone()).collect();
    let clusters: Vec<String> = state.clusters.iter().filter(|(_, c)| inside(&c.group)).map(|(key, _)| key.clone()).collect();
    let scale_sets: Vec<String> = state.scale_sets.iter().filter(|(_, s)| inside(&s.group)).map(|(key, _)| key.clone()).collect();
    let vaults: Vec<String> = state.vaults.values().filter(|v| inside(&v.group)).map(|v| v.name.clone()).collect();
    let identities: Vec<String> = state.identities.iter().filter(|(_, i)| inside(&i.group)).map(|(key, _)| key.clone()).collect();
    clusters.iter().for_each(|key| cluster(call, key));
    scale_sets.iter().for_each(|key| scale_set(call, key));
    vaults.iter().for_each(|name| vault(call, name));
    for key in &identities {
        identity(call, key);
    }
    call.state.plain.retain(|_, p| !p.group.eq_ignore_ascii_case(&group.name));
    call.state.drop_lost_blobs();
    call.state.assignments.drop_under(&ids::fold(&ids::group_id(&call.state.subscription, name)));
    for node_group in node_groups {
        self::group(call, &node_group);
    }
}

/// Deletes a cluster, its identity bindings, and its control plane's own principal.
pub fn cluster(call: &mut Call<'_>, key: &str) {
    let below = format!("{key}/");
    call.state.bindings.retain(|id, _| !id.starts_with(&below));
    if let Some(cluster) = call.state.clusters.remove(key)
        && let Some(principal) = cluster.principal_id
    {
        directory::remove(call.state, key, &principal);
    }
}

/// Deletes a scale set and its system-assigned identity.
pub fn scale_set(call: &mut Call<'_>, key: &str) {
    if let Some(set) = call.state.scale_sets.remove(key)
        && let Some(principal) = set.principal_id
    {
        directory::remove(call.state, key, &principal);
    }
}

/// Moves a vault to the deleted vaults. Its name stays taken and its secrets are kept; the role assignments at it are deleted.
pub fn vault(call: &mut Call<'_>, name: &str) {
    let key = ids::fold(name);
    let Some(vault) = call.state.vaults.remove(&key) else { return };
    call.state.assignments.drop_under(&ids::fold(&resource_ids::vault(&call.state.subscription, &vault)));
    call.state.forget_grants(|_, of, _| of == key);
    let purge_at = call.now.saturating_add(vault.retention_days.saturating_mul(times::DAY));
    call.state.deleted_vaults.insert(key, DeletedVault { vault, deleted: call.now, purge_at });
    call.changed();
}

/// Deletes an identity with its principal and its federated credentials. Returns whether there was one.
pub fn identity(call: &mut Call<'_>, key: &str) -> bool {
    let Some(identity) = call.state.identities.remove(key) else { return false };
    directory::remove(call.state, key, &identity.principal_id);
    let credentials: Vec<String> = federated::of(call.state, key).map(|(key, _)| key.clone()).collect();
    for key in credentials {
        call.state.federated.remove(&key);
    }
    call.state.assignments.drop_under(key);
    call.changed();
    true
}
