//! The world as sorted JSON, so that two worlds can be compared byte for byte. Version ids, times and operations in progress are left out.

use super::{
    azure::{self, clusters, features, federated, groups, identities, ids, policies, resource_ids, resources, scale_sets, vaults},
    error::Error,
    running::Running,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub async fn world(running: &Running) -> Result<Value, Error> {
    let mut arm = arm(&running.azure());
    let mut kubernetes: Map<String, Value> = running.clusters().iter().map(|c| (c.name.clone(), c.kube.export())).collect();
    for (name, stand_in) in &running.stand_ins {
        kubernetes.insert(name.clone(), stand_in.export().await?);
    }
    let mut all = Map::new();
    all.insert("secrets".into(), Value::Object(secrets(&running.azure())));
    all.insert("principals".into(), Value::Object(principals(&running.azure())));
    all.insert("kubernetes".into(), Value::Object(kubernetes));
    all.append(&mut arm);
    Ok(sorted(Value::Object(all)))
}

/// Removes what is disabled: AKS keeps a profile for each add-on that was ever on.
fn without_what_is_off(properties: &mut Value) {
    let ingress = &properties["ingressProfile"];
    let modes = ["/gatewayAPI/installation", "/webAppRouting/gatewayAPIImplementations/appRoutingIstio/mode"];
    let is_off = modes.iter().all(|mode| ingress.pointer(mode).is_some_and(|mode| mode == "Disabled"));
    if is_off
        && ingress["webAppRouting"]["enabled"] != true
        && let Some(properties) = properties.as_object_mut()
    {
        properties.remove("ingressProfile");
    }
    let Some(profiles) = properties.get_mut("addonProfiles").and_then(Value::as_object_mut) else { return };
    profiles.retain(|_, profile| profile["enabled"] != false);
    if profiles.is_empty()
        && let Some(properties) = properties.as_object_mut()
    {
        properties.remove("addonProfiles");
    }
}

fn arm(state: &azure::state::State) -> Map<String, Value> {
    let subscription = &state.subscription;
    let mut all = Map::new();
    for group in state.groups.values().filter(|g| g.ending.is_none()) {
        put(&mut all, groups::document(subscription, group));
    }
    for identity in state.identities.values() {
        put(&mut all, identities::document(&state.tenant, subscription, identity, ""));
        let id = resource_ids::identity(subscription, identity);
        for (_, credential) in federated::of(state, &ids::fold(&id)) {
            put(&mut all, federated::document(&id, credential));
        }
    }
    for cluster in state.clusters.values() {
        let mut body = clusters::document(state, cluster, "2024-09-01");
        // the address of an external cluster differs each time
        if cluster.own.is_some()
            && let Some(issuer) = body["properties"]["oidcIssuerProfile"].as_object_mut()
        {
            issuer.remove("issuerURL");
        }
        without_what_is_off(&mut body["properties"]);
        put(&mut all, body);
        let key = resource_ids::cluster_key(subscription, &cluster.group, &cluster.name);
        for binding in clusters::bindings::of(state, &key) {
            put(&mut all, clusters::bindings::document(state, cluster, binding));
        }
    }
    // as if all operations were finished
    for set in state.scale_sets.values() {
        put(&mut all, scale_sets::document(state, set, i64::MAX));
    }
    for plain in state.plain.values() {
        put(&mut all, azure::plain::document(plain));
    }
    for role in state.roles.values() {
        let id = azure::definitions::id(subscription, &role.guid);
        let scopes = role.custom.as_ref().map(|c| &c.assignable_scopes);
        put(
            &mut all,
            json!({"id": id, "name": role.guid, "roleName": role.name, "description": role.description, "permissions": role.permissions, "assignableScopes": scopes}),
        );
    }
    for vault in state.vaults.values() {
        let mut body = vaults::document(state, vault, "2026-02-01");
        // the order of entries and permissions depends only on the order of requests
        let mut entries: Vec<Value> = vault.policies.iter().map(|p| settled(policies::document(p))).collect();
        entries.sort_by_key(Value::to_string);
        body["properties"]["accessPolicies"] = Value::Array(entries);
        if let Some(body) = body.as_object_mut() {
            body.remove("systemData");
        }
        put(&mut all, body);
    }
    let names = resources::names(state);
    for a in state.assignments.iter() {
        let scope = resources::canonical(&names, &a.scope);
        let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", ids::fold(&a.name));
        let role = azure::roles::find(&state.roles, &a.role).map_or("", |r| r.name.as_str());
        let principal = state.principals.get(&a.principal).map(|p| p.display_name.clone());
        put(
            &mut all,
            json!({"id": id, "type": "Microsoft.Authorization/roleAssignments", "name": ids::fold(&a.name), "properties": {
                "scope": scope, "roleDefinitionId": azure::definitions::id(subscription, &a.role), "roleName": role, "principalId": a.principal,
                "principalName": principal, "principalType": a.principal_type, "description": a.description, "condition": a.condition}}),
        );
    }
    for lock in state.locks.values() {
        put(&mut all, azure::locks::document(lock));
    }
    for feature in state.features.values() {
        put(&mut all, features::document(subscription, feature));
    }
    let registered: Map<String, Value> = state
        .providers
        .values()
        .filter(|p| p.registration != "NotRegistered")
        .map(|p| (p.namespace.clone(), json!(p.registration)))
        .collect();
    [("resources".to_owned(), Value::Object(all)), ("providers".to_owned(), Value::Object(registered))].into_iter().collect()
}

/// Adds a document under its id, without its provisioning state.
fn put(all: &mut Map<String, Value>, mut body: Value) {
    if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("provisioningState");
    }
    let id = body["id"].as_str().unwrap_or_default().to_owned();
    all.insert(id, body);
}

fn settled(mut entry: Value) -> Value {
    for words in entry["permissions"].as_object_mut().into_iter().flat_map(|p| p.values_mut()) {
        if let Some(words) = words.as_array_mut() {
            for word in words.iter_mut() {
                *word = json!(ids::fold(word.as_str().unwrap_or_default()));
            }
            words.sort_by_key(Value::to_string);
        }
    }
    entry
}

/// Returns secrets by URL without version, with a digest instead of the value.
fn secrets(state: &azure::state::State) -> Map<String, Value> {
    let mut all = Map::new();
    for (key, secret) in &state.secrets {
        let vault = key.split_once('/').and_then(|(vault, _)| state.vaults.get(vault));
        let (Some(vault), Some(version)) = (vault, secret.versions.last()) else { continue };
        let digest: String = Sha256::digest(version.value.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        all.insert(
            format!("{}secrets/{}", vaults::uri(vault), secret.name),
            json!({"sha256": digest, "contentType": version.content_type, "enabled": version.enabled, "nbf": version.not_before,
                "exp": version.expires, "tags": version.tags}),
        );
    }
    all
}

/// Returns the principals of applications. An identity's principal is part of the identity.
fn principals(state: &azure::state::State) -> Map<String, Value> {
    let own = state.principals.iter().filter(|(_, p)| p.resource_id.is_none());
    own.map(|(oid, p)| (oid.clone(), json!({"appId": p.app_id, "displayName": p.display_name}))).collect()
}

/// Sorts the keys of all objects.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
