//! The add-on for Key Vault secrets (`addonProfiles.azureKeyvaultSecretsProvider`): its identity, how a cluster's document shows it, and when
//! it may be disabled. What it installs into the cluster is not part of Azure.

use super::replies::refusal;
use crate::{
    azure::{
        call::Call,
        directory, ids, removal, resource_ids,
        state::{Assigned, Cluster, Identity, State},
    },
    http::Response,
    lateness::Lateness,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const NAME: &str = "azureKeyvaultSecretsProvider";

/// Returns the profile of the add-on in `addonProfiles`, whose keys may have any case.
fn profile(asked: &Map<String, Value>) -> Option<&Value> {
    let all = asked.get("addonProfiles")?.as_object()?;
    all.iter().find(|(name, _)| name.eq_ignore_ascii_case(NAME)).map(|(_, profile)| profile)
}

/// What an add-on of a cluster should be, as the add-on's installer needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecretsProvider {
    pub rotation: bool,
    pub interval: Option<String>,
}

/// Returns the settings of the add-on if it is enabled; None within `Some` if it was disabled; None if it was never mentioned.
pub fn secrets_provider(cluster: &Cluster) -> Option<Option<SecretsProvider>> {
    let profile = profile(&cluster.asked)?;
    if profile["enabled"] != true {
        return Some(None);
    }
    let config = |name: &str| profile["config"][name].as_str();
    Some(Some(SecretsProvider {
        rotation: config("enableSecretRotation").is_some_and(|value| value.eq_ignore_ascii_case("true")),
        interval: config("rotationPollInterval").map(str::to_owned),
    }))
}

/// Drops what only AKS sets, and the settings of the add-on if it is disabled: it does not keep them.
pub fn settle(asked: &mut Map<String, Value>) {
    let profiles = asked.get_mut("addonProfiles").and_then(Value::as_object_mut);
    for (name, profile) in profiles.into_iter().flatten() {
        let disabled = name.eq_ignore_ascii_case(NAME) && profile["enabled"] != true;
        if let Some(profile) = profile.as_object_mut() {
            profile.retain(|field, _| field != "identity" && !(disabled && field == "config"));
        }
    }
}

/// Refuses to disable the add-on while the cluster has SecretProviderClasses (recorded).
pub fn check(call: &Call<'_>, cluster: &Cluster, asked: &Map<String, Value>) -> Result<(), Response> {
    let disabled = profile(asked).is_some_and(|profile| profile["enabled"] == false);
    let in_use = call.rules.mounted.get(&cluster.name).is_some_and(|classes| *classes > 0);
    if disabled && in_use && secrets_provider(cluster).flatten().is_some() {
        let message = "AzureKeyvaultSecretsProvider addon cannot be disabled due to more than 0 Secret Provider Classes";
        return Err(refusal(400, "BadRequest", message));
    }
    Ok(())
}

/// Returns the name and the key of the add-on's identity, which is in the node resource group.
fn identity(state: &State, cluster: &Cluster) -> (String, String) {
    let name = format!("azurekeyvaultsecretsprovider-{}", cluster.name);
    let id = ids::low_group_id(&state.subscription, &cluster.node_group, resource_ids::IDENTITY, &name);
    (name, id)
}

/// Creates the identity of an add-on that is enabled, and deletes that of one that is not. A cluster with a service principal has none.
pub fn follow(call: &mut Call<'_>, cluster: &Cluster) {
    let enabled = secrets_provider(cluster).flatten().is_some() && cluster.kubelet.is_some();
    let (name, full) = identity(call.state, cluster);
    let key = ids::fold(&full);
    match (enabled, call.state.identities.contains_key(&key)) {
        (true, false) => create(call, cluster, name, &full),
        (false, true) => {
            removal::identity(call, &key);
            if let Some(set) = call.state.scale_sets.get_mut(&cluster.scale_set) {
                set.identities.remove(&key);
            }
        }
        _ => {}
    }
}

fn create(call: &mut Call<'_>, cluster: &Cluster, name: String, full: &str) {
    let (client_id, principal_id) = directory::create(call.state, full, &name, Lateness::None, call.now);
    let id = ids::resource_id(&call.state.subscription, &cluster.node_group, resource_ids::IDENTITY, &name);
    let identity = Identity {
        name,
        group: cluster.node_group.clone(),
        location: cluster.location.clone(),
        tags: BTreeMap::new(),
        client_id: client_id.clone(),
        principal_id: principal_id.clone(),
    };
    let key = ids::fold(full);
    call.state.identities.insert(key.clone(), identity);
    if let Some(set) = call.state.scale_sets.get_mut(&cluster.scale_set) {
        set.identities.insert(key, Assigned { id, client_id, principal_id });
    }
}

/// Returns `addonProfiles` as a document shows it: with the identity of the add-on, and without the settings of one that is disabled.
pub fn document(state: &State, cluster: &Cluster, asked: &Value) -> Value {
    let mut all = asked.clone();
    let Some(profiles) = all.as_object_mut() else { return all };
    for (_, profile) in profiles.iter_mut().filter(|(name, profile)| name.eq_ignore_ascii_case(NAME) && profile.is_object()) {
        if profile["enabled"] != true {
            profile["config"] = Value::Null;
            continue;
        }
        let (_, id) = identity(state, cluster);
        if let Some(identity) = state.identities.get(&ids::fold(&id)) {
            profile["identity"] = json!({"resourceId": id, "clientId": identity.client_id, "objectId": identity.principal_id});
        }
    }
    all
}

/// Returns whether the cluster's webhook for workload identities is enabled; None if it was never mentioned.
pub fn workload_identity(cluster: &Cluster) -> Option<bool> {
    Some(cluster.asked.get("securityProfile")?.get("workloadIdentity")?.get("enabled")? == true)
}

/// Returns whether `ingressProfile` installs the Gateway API, and application routing on it; None for what was never mentioned.
pub fn gateways(cluster: &Cluster) -> (Option<bool>, Option<bool>) {
    let profile = cluster.asked.get("ingressProfile");
    let word = |pointer: &str, on: &str| profile?.pointer(pointer)?.as_str().map(|word| word.eq_ignore_ascii_case(on));
    let definitions = word("/gatewayAPI/installation", "Standard");
    (definitions, word("/webAppRouting/gatewayAPIImplementations/appRoutingIstio/mode", "Enabled"))
}
