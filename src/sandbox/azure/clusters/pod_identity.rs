//! The pod identity add-on (`podIdentityProfile`): when AKS refuses it, which identities it puts on the nodes, and how a cluster's document
//! shows it. What it installs into the cluster is not part of Azure.

use super::replies::refusal;
use crate::{
    azure::{
        access::{self, Plane},
        call::Call,
        ids,
        state::{Assigned, Cluster, State},
    },
    http::Response,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FEATURE: &str = "microsoft.containerservice/enablepodidentitypreview";
const ASSIGN: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
/// Fields of an entry that only AKS sets.
const AKS_ONLY: [&str; 2] = ["provisioningState", "provisioningInfo"];

/// What the add-on of a cluster should install, as its installer needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodIdentity {
    pub identities: Vec<PodIdentityEntry>,
    pub exceptions: Vec<PodException>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PodIdentityEntry {
    pub name: String,
    pub namespace: String,
    pub selector: String,
    pub resource_id: String,
    pub client_id: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PodException {
    pub name: String,
    pub namespace: String,
    pub labels: Value,
}

fn profile(asked: &Map<String, Value>) -> Option<&Value> {
    asked.get("podIdentityProfile").filter(|profile| profile.is_object())
}

fn is_enabled(asked: &Map<String, Value>) -> bool {
    profile(asked).is_some_and(|profile| profile["enabled"] == true)
}

fn list<'a>(asked: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    let profile = profile(asked).filter(|_| is_enabled(asked));
    profile.and_then(|profile| profile[name].as_array()).into_iter().flatten().filter(|entry| entry.is_object()).collect()
}

fn entries(asked: &Map<String, Value>) -> Vec<&Value> {
    list(asked, "userAssignedIdentities")
}

fn text<'a>(entry: &'a Value, pointer: &str) -> &'a str {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the settings of the add-on if it is enabled; None within `Some` if it was disabled; None if it was never mentioned.
pub fn settings(state: &State, cluster: &Cluster) -> Option<Option<PodIdentity>> {
    profile(&cluster.asked)?;
    if !is_enabled(&cluster.asked) {
        return Some(None);
    }
    let of_entry = |entry: &&Value| {
        let (name, resource_id) = (text(entry, "/name").to_owned(), text(entry, "/identity/resourceId").to_owned());
        let client_id = state.identities.get(&ids::fold(&resource_id)).map(|identity| identity.client_id.clone());
        PodIdentityEntry {
            namespace: text(entry, "/namespace").to_owned(),
            selector: entry["bindingSelector"].as_str().unwrap_or(&name).to_owned(),
            client_id: client_id.unwrap_or_else(|| text(entry, "/identity/clientId").to_owned()),
            name,
            resource_id,
        }
    };
    let of_exception = |entry: &&Value| PodException {
        name: text(entry, "/name").to_owned(),
        namespace: text(entry, "/namespace").to_owned(),
        labels: entry["podLabels"].clone(),
    };
    let exceptions = list(&cluster.asked, "userAssignedIdentityExceptions");
    Some(Some(PodIdentity {
        identities: entries(&cluster.asked).iter().map(of_entry).collect(),
        exceptions: exceptions.iter().map(of_exception).collect(),
    }))
}

/// Drops what only AKS sets, and everything of an add-on that is disabled: it does not keep its lists.
pub fn settle(asked: &mut Map<String, Value>) {
    let enabled = is_enabled(asked);
    let Some(profile) = asked.get_mut("podIdentityProfile").and_then(Value::as_object_mut) else { return };
    if !enabled {
        *profile = Map::from_iter([("enabled".to_owned(), json!(false))]);
        return;
    }
    profile.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    for entry in profile.get_mut("userAssignedIdentities").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(entry) = entry.as_object_mut() {
            entry.retain(|field, _| !AKS_ONLY.contains(&field.as_str()));
        }
    }
}

fn invalid(field: &str) -> Response {
    let message = format!("The value of parameter podIdentityProfile.{field} is invalid. Error details: it is required.");
    refusal(400, "InvalidParameter", message)
}

/// Refuses a cluster as AKS does, where the add-on is enabled. Every change of such a cluster is checked, whatever it is about. `cluster` has
/// the requested properties, `before` the earlier ones.
pub fn check(call: &Call<'_>, cluster: &Cluster, before: &Map<String, Value>, creates: bool) -> Result<(), Response> {
    if !is_enabled(&cluster.asked) {
        return Ok(());
    }
    // Azure/azure-quickstart-templates#12928
    if call.state.features.get(FEATURE).is_none_or(|feature| feature.state != "Registered") {
        let message =
            "PodIdentity addon is not allowed since feature 'Microsoft.ContainerService/EnablePodIdentityPreview' is not enabled.";
        return Err(refusal(400, "BadRequest", message));
    }
    // MicrosoftDocs/azure-docs#72221
    let Some(principal) = control_plane(call.state, cluster) else {
        return Err(refusal(400, "BadRequest", "PodIdentity addon requires managed identity."));
    };
    // Azure/AKS#2011
    let consent = profile(&cluster.asked).is_some_and(|profile| profile["allowNetworkPluginKubenet"] == true);
    if cluster.network_plugin() == "kubenet" && !consent {
        return Err(refusal(400, "BadRequest", "Network plugin kubenet is not supported to use with PodIdentity addon."));
    }
    let entries = entries(&cluster.asked);
    // Azure/aad-pod-identity#1123
    if creates && !entries.is_empty() {
        let message = "PodIdentity addon user assigned identities are not allowed in cluster creation.";
        return Err(refusal(400, "PodIdentityAddonUserAssignedIdentitiesNotAllowedInCreation", message));
    }
    for entry in &entries {
        for field in ["name", "namespace", "identity/resourceId"] {
            if text(entry, &format!("/{field}")).is_empty() {
                return Err(invalid(&format!("userAssignedIdentities.{}", field.replace('/', "."))));
            }
        }
    }
    for exception in list(&cluster.asked, "userAssignedIdentityExceptions") {
        for (field, is_missing) in [
            ("name", text(exception, "/name").is_empty()),
            ("namespace", text(exception, "/namespace").is_empty()),
            ("podLabels", !exception["podLabels"].is_object()),
        ] {
            if is_missing {
                return Err(invalid(&format!("userAssignedIdentityExceptions.{field}")));
            }
        }
    }
    check_names(&entries, before)?;
    entries.iter().try_for_each(|entry| check_operator(call, &principal, entry))
}

/// The principal of the control plane; none on a cluster with a service principal.
fn control_plane(state: &State, cluster: &Cluster) -> Option<String> {
    let assigned = || cluster.identities.iter().find_map(|id| state.identities.get(&ids::fold(id)));
    cluster.principal_id.clone().or_else(|| Some(assigned()?.principal_id.clone()))
}

/// A name leads to one identity, and cannot be given to another one in a single change (Azure/AKS#2943).
fn check_names(entries: &[&Value], before: &Map<String, Value>) -> Result<(), Response> {
    let mut known: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for entry in self::entries(before).iter().chain(entries) {
        let (name, namespace, id) = (text(entry, "/name"), text(entry, "/namespace"), ids::fold(text(entry, "/identity/resourceId")));
        let wanted = entries.iter().any(|e| text(e, "/name") == name && text(e, "/namespace") == namespace);
        if wanted && known.insert((name, namespace), id.clone()).is_some_and(|other| other != id) {
            let message = format!(
                "Found pod identities use different identities with the same name '{name}' in namespace '{namespace}'. Please update the pod identity name."
            );
            return Err(refusal(400, "BadRequest", message));
        }
    }
    Ok(())
}

/// One identity that was deleted, or that the control plane may not assign, fails every change of the cluster (Azure/AKS#2943).
fn check_operator(call: &Call<'_>, principal: &str, entry: &Value) -> Result<(), Response> {
    let id = text(entry, "/identity/resourceId");
    let exists = call.state.identities.contains_key(&ids::fold(id));
    if exists && access::granting(call.state, principal, ASSIGN, id, Plane::Control).is_some() {
        return Ok(());
    }
    let message = format!(
        "Cluster identity has no assignment permission over identity 'resourceId: {id} - clientId: {} - objectId: {}'. Please grant at least 'Managed Identity Operator' permission before assigning pod identity.",
        text(entry, "/identity/clientId"),
        text(entry, "/identity/objectId"),
    );
    Err(refusal(400, "PodIdentityAddonIdentitiesAssignmentError", message))
}

/// Puts the identities of the entries on the nodes, and takes those of entries off that are not there any more.
pub fn follow(call: &mut Call<'_>, cluster: &Cluster, before: &Map<String, Value>) {
    let of = |asked: &Map<String, Value>| -> BTreeMap<String, String> {
        entries(asked).iter().map(|e| text(e, "/identity/resourceId")).map(|id| (ids::fold(id), id.to_owned())).collect()
    };
    let (old, new) = (of(before), of(&cluster.asked));
    let add: Vec<(String, Assigned)> = new
        .into_iter()
        .filter_map(|(key, id)| {
            let identity = call.state.identities.get(&key)?;
            let (client_id, principal_id) = (identity.client_id.clone(), identity.principal_id.clone());
            Some((key, Assigned { id, client_id, principal_id }))
        })
        .collect();
    let keep: BTreeSet<&String> = add.iter().map(|(key, _)| key).collect();
    let remove: Vec<&String> = old.keys().filter(|key| !keep.contains(key)).collect();
    if add.is_empty() && remove.is_empty() {
        return;
    }
    if let Some(set) = call.state.scale_sets.get_mut(&cluster.scale_set) {
        for key in remove {
            set.identities.remove(key);
        }
        set.identities.extend(add);
    }
}

/// Returns the profile as a document shows it: AKS leaves out `{"enabled": false}` and empty lists (recorded), and each entry has a
/// provisioning state. `changes`: the cluster's last change is not finished.
pub fn shown(asked: &Value, changes: bool) -> Value {
    let mut body = Map::new();
    for (name, value) in asked.as_object().into_iter().flatten() {
        let empty = value == &json!(false) || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            body.insert(name.clone(), value.clone());
        }
    }
    let identities = body.get_mut("userAssignedIdentities").and_then(Value::as_array_mut).into_iter().flatten();
    for identity in identities.filter_map(Value::as_object_mut) {
        identity.insert("provisioningState".into(), json!(if changes { "Updating" } else { "Assigned" }));
    }
    Value::Object(body)
}
