//! Creates, updates and deletes clusters. Each of these is answered at once and continues as an operation that is polled.

use super::{
    addons,
    document::{document, merge},
    pod_identity,
    provision::{self, ClusterSpec},
    replies::{answer, find, refusal},
    validation,
};
use crate::{
    azure::{
        call::{Answer, Call},
        directory, error, ids, operations, providers, removal, resource_ids,
        state::{Cluster, Group, Operation},
        subscriptions, times,
    },
    http::Response,
    lateness::Lateness,
};
use serde_json::{Map, Value, json};

/// Fields that a request may hold but only AKS sets.
const AKS_ONLY: [&str; 9] = [
    "provisioningState",
    "powerState",
    "fqdn",
    "azurePortalFQDN",
    "privateFQDN",
    "currentKubernetesVersion",
    "identityProfile",
    "maxAgentPools",
    "resourceUID",
];
const AKS_ONLY_OF_POOLS: [&str; 5] = ["provisioningState", "powerState", "currentOrchestratorVersion", "nodeImageVersion", "eTag"];
/// Fields that no answer contains.
const SECRETS: [&str; 2] = ["adminPassword", "secret"];
/// The newest patch version of each supported minor version; any other minor version gets patch 5.
const PATCHES: [(&str, &str); 3] = [("1.32", "1.32.10"), ("1.33", "1.33.5"), ("1.34", "1.34.2")];

fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !names.contains(&name.as_str()));
            map.values_mut().for_each(|value| without(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| without(value, names)),
        _ => {}
    }
}

/// Returns the properties that the client asks for, without the fields that only AKS sets.
fn asked(body: &Map<String, Value>) -> Map<String, Value> {
    let mut all = body.get("properties").cloned().unwrap_or_default();
    without(&mut all, &SECRETS);
    let Value::Object(mut all) = all else { return Map::new() };
    // az sends an empty version if the user gave none
    let is_set = |value: &Value| !value.is_null() && value.as_str() != Some("");
    all.retain(|name, value| !AKS_ONLY.contains(&name.as_str()) && is_set(value));
    for pool in all.get_mut("agentPoolProfiles").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(pool) = pool.as_object_mut() {
            pool.retain(|name, value| !AKS_ONLY_OF_POOLS.contains(&name.as_str()) && is_set(value));
        }
    }
    all
}

/// Returns the newest patch version for a minor version.
fn patch_of(version: &str) -> String {
    match version.matches('.').count() {
        1 => PATCHES.iter().find(|(minor, _)| *minor == version).map_or_else(|| format!("{version}.5"), |(_, patch)| (*patch).to_owned()),
        _ => version.to_owned(),
    }
}

pub fn put(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    providers::require(call, "Microsoft.ContainerService")?;
    let body = error::object(call)?;
    let location = subscriptions::place_of(&body)?;
    let asked = asked(&body);
    validation::check_name(name)?;
    validation::check(&asked)?;
    if let Some(existing) = call
        .state
        .clusters
        .get(&resource_ids::cluster_key(&call.state.subscription, &group.name, name))
        .filter(|c| c.ending.is_none())
        .cloned()
    {
        if existing.location != location {
            return Err(error::other_location(name, &group.name, &existing.location, &location));
        }
        return change(call, existing, &body, asked, "Updating", 200);
    }
    // the Kubernetes API knows a cluster by its name alone
    if let Some(other) = call.state.clusters.values().find(|c| c.name.eq_ignore_ascii_case(name)) {
        let message = format!("The sandbox supports one cluster of a name, and '{name}' exists in resource group '{}'.", other.group);
        return Err(refusal(409, "OperationNotAllowed", message));
    }
    let cluster = create(call, group, name, &location, &body, &asked)?;
    change(call, cluster, &body, asked, "Creating", 201)
}

fn create(
    call: &mut Call<'_>,
    group: &Group,
    name: &str,
    location: &str,
    body: &Map<String, Value>,
    asked: &Map<String, Value>,
) -> Result<Cluster, Response> {
    let text = |pointer: &str| Value::Object(asked.clone()).pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let Some(dns_prefix) = text("/dnsPrefix").or_else(|| text("/fqdnSubdomain")) else {
        return Err(refusal(400, "InvalidParameter", "The value of parameter dnsPrefix is invalid. Error details: it is required."));
    };
    let client_id = text("/servicePrincipalProfile/clientId").filter(|id| id != "msi");
    if let Some(id) = &client_id
        && directory::by_app(call.state, id).is_none()
    {
        let message = format!(
            "Service principal clientID: {id} not found in Active Directory tenant {}, Please see https://aka.ms/aks-sp-help for more details.",
            call.state.tenant
        );
        return Err(refusal(404, "ServicePrincipalNotFound", message));
    }
    let kind = body.get("identity").and_then(|i| i.get("type")).and_then(Value::as_str).unwrap_or_default();
    if client_id.is_none() && !matches!(kind, "SystemAssigned" | "UserAssigned") {
        let message = "Provisioning of a cluster needs a service principal or a managed identity: neither servicePrincipalProfile nor identity is given.";
        return Err(refusal(400, "InvalidParameter", message));
    }
    for id in user_assigned(body) {
        if !call.state.identities.contains_key(&ids::fold(&id)) {
            let identity = id.rsplit('/').next().unwrap_or_default();
            return Err(error::resource_not_found(resource_ids::IDENTITY, identity, id.split('/').nth(4).unwrap_or_default()));
        }
    }
    let pool = Value::Object(asked.clone()).pointer("/agentPoolProfiles/0").cloned().unwrap_or_default();
    let Some(pool_name) = pool["name"].as_str() else {
        return Err(refusal(
            400,
            "InvalidParameter",
            "The value of parameter agentPoolProfiles is invalid. Error details: a pool is required.",
        ));
    };
    let version = patch_of(&text("/kubernetesVersion").unwrap_or_else(|| PATCHES[1].0.to_owned()));
    let now = call.now;
    let spec = ClusterSpec {
        name,
        group: &group.name,
        location,
        dns_prefix: &dns_prefix,
        version: &version,
        pool: (pool_name, pool["count"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1)),
        client_id: client_id.as_deref(),
        own_identity: kind == "SystemAssigned",
        issuer: false,
    };
    let mut cluster = provision::provision(call.state, &spec, now);
    cluster.identities = user_assigned(body);
    cluster.filled.clone_from(&call.rules.aks_day);
    Ok(cluster)
}

fn user_assigned(body: &Map<String, Value>) -> Vec<String> {
    let all = body.get("identity").and_then(|i| i.get("userAssignedIdentities")).and_then(Value::as_object);
    all.into_iter().flatten().map(|(id, _)| id.clone()).collect()
}

/// Applies the requested properties and starts the operation.
fn change(
    call: &mut Call<'_>,
    mut cluster: Cluster,
    body: &Map<String, Value>,
    asked: Map<String, Value>,
    verb: &str,
    status: u16,
) -> Answer {
    addons::check(call, &cluster, &asked)?;
    // an issuer cannot be disabled again
    let issuer = asked.get("oidcIssuerProfile").and_then(|p| p.get("enabled")) == Some(&json!(true));
    if issuer && cluster.oidc_issuer.is_none() {
        cluster.oidc_issuer = Some(provision::issuer(call.state, &cluster.name, &cluster.location));
    }
    // a minor version that the cluster runs already changes nothing
    if let Some(version) = asked.get("kubernetesVersion").and_then(Value::as_str)
        && !cluster.version.starts_with(&format!("{version}."))
    {
        cluster.version = patch_of(version);
    }
    let before = cluster.asked.clone();
    let mut all = Value::Object(std::mem::take(&mut cluster.asked));
    merge(&mut all, &Value::Object(asked));
    if let Value::Object(mut all) = all {
        addons::settle(&mut all);
        pod_identity::settle(&mut all);
        validation::check_size(&all)?;
        cluster.asked = all;
    }
    if let Some(tags) = error::tags(body) {
        cluster.tags = tags;
    }
    if let Some(tier) = body.get("sku").and_then(|s| s.get("tier")).and_then(Value::as_str) {
        cluster.tier = Some(tier.to_owned());
    }
    pod_identity::check(call, &cluster, &before, verb == "Creating")?;
    addons::follow(call, &cluster);
    pod_identity::follow(call, &cluster, &before);
    let operation = begin(call, &cluster.name);
    verb.clone_into(&mut cluster.verb);
    cluster.changing = Some(operation.clone());
    let place = operation_url(call, &cluster.location, "operations", &operation);
    let key = resource_ids::cluster_key(&call.state.subscription, &cluster.group, &cluster.name);
    call.state.clusters.insert(key.clone(), cluster);
    call.changed();
    let body = call.state.clusters.get(&key).map(|c| document(call.state, c, &call.api_version())).unwrap_or_default();
    Ok(answer(status, &body).with("azure-asyncoperation", place))
}

/// PATCH changes only tags.
pub fn patch(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let mut cluster = find(call, group, name)?.clone();
    if let Some(tags) = error::tags(&error::object(call)?) {
        cluster.tags = tags;
    }
    let body = document(call.state, &cluster, &call.api_version());
    let key = resource_ids::cluster_key(&call.state.subscription, &group.name, name);
    call.state.clusters.insert(key, cluster);
    call.changed();
    Ok(answer(200, &body))
}

pub fn begin(call: &mut Call<'_>, name: &str) -> String {
    let run = call.state.next_generation(&format!("{}/operation/{name}", resource_ids::CLUSTER)).to_string();
    let operation = ids::guid(&["operation", resource_ids::CLUSTER, name, &run]);
    let polls = u32::from(call.rules.lateness != Lateness::None);
    call.state.operations.insert(operation.clone(), Operation { created: call.now, polls, status: None });
    operation
}

pub fn operation_url(call: &Call<'_>, location: &str, word: &str, operation: &str) -> String {
    // the api-version of these URLs is not the request's (recorded)
    operations::signed_url(call, &format!("providers/Microsoft.ContainerService/locations/{location}/{word}/{operation}"), "2025-03-01")
}

pub fn delete(call: &mut Call<'_>, group: &Group, name: &str) -> Answer {
    let Ok(cluster) = find(call, group, name).cloned() else { return Ok(Response::new(204)) };
    let key = resource_ids::cluster_key(&call.state.subscription, &group.name, name);
    removal::group(call, &cluster.node_group);
    call.state.assignments.drop_under(&key);
    let operation = begin(call, name);
    if call.rules.lateness == Lateness::None {
        removal::cluster(call, &key);
    } else if let Some(cluster) = call.state.clusters.get_mut(&key) {
        cluster.ending = Some(operation.clone());
    }
    call.changed();
    let place = |word: &str| operation_url(call, &cluster.location, word, &operation);
    Ok(Response::new(202).with("azure-asyncoperation", place("operations")).with("location", place("operationresults")))
}

/// Advances a deletion: the cluster is shown as deleting first, then AKS answers that it is not found while ARM still knows it, then it is
/// deleted.
pub fn advance(call: &mut Call<'_>, group: &Group, name: &str) -> Result<(), Response> {
    let Some(ending) = find(call, group, name)?.ending.clone() else { return Ok(()) };
    let left = call.state.operations.get(&ending).map_or(0, |o| o.polls);
    if left > 0 {
        poll(call, &ending);
        return Ok(());
    }
    let key = resource_ids::cluster_key(&call.state.subscription, &group.name, name);
    removal::cluster(call, &key);
    call.changed();
    let (subscription, its_group) = (&call.state.subscription, &group.name);
    Err(answer(
        404,
        &json!({"code": "NotFound", "details": [{"code": "Unspecified", "message": "rpc error: code = NotFound desc = Managed Cluster not found"}],
            "message": format!("Could not find managed cluster resource: {name} in subscription: {subscription}, resourceGroup: {its_group}."),
            "subcode": "GetManagedCluster_NotFound_HCPServerError"}),
    ))
}

/// Advances the operation that changes a cluster.
pub fn progress(call: &mut Call<'_>, group: &Group, name: &str) {
    let changing = find(call, group, name).ok().and_then(|cluster| cluster.changing.clone());
    if let Some(operation) = changing {
        poll(call, &operation);
    }
}

/// Returns whether the operation is finished.
pub fn poll(call: &mut Call<'_>, operation: &str) -> bool {
    let Some(running) = call.state.operations.get_mut(operation) else { return true };
    if running.polls == 0 {
        return true;
    }
    running.polls -= 1;
    call.counted();
    false
}

/// Removes the cluster whose deletion this operation is.
fn remove_ended(call: &mut Call<'_>, operation: &str) {
    let gone = call.state.clusters.iter().find(|(_, c)| c.ending.as_deref() == Some(operation)).map(|(key, _)| key.clone());
    if let Some(key) = gone {
        removal::cluster(call, &key);
        call.changed();
    }
}

/// Answers `operations/ID` with 200 while it runs and when it is done.
pub fn operation(call: &mut Call<'_>, id: &str) -> Answer {
    let Some(started) = call.state.operations.get(id).map(|o| o.created) else {
        return Err(refusal(404, "NotFound", format!("The entity was not found: operation {id}.")));
    };
    let done = poll(call, id);
    if done {
        remove_ended(call, id);
    }
    let mut body = json!({"name": id, "status": if done { "Succeeded" } else { "InProgress" }, "startTime": times::ticks(started)});
    if done {
        body["endTime"] = json!(times::ticks(call.now.max(started)));
    }
    Ok(answer(200, &body))
}

/// Answers `operationresults/ID`, which only a deletion names, with 202 while it runs and then with 204.
pub fn operation_result(call: &mut Call<'_>, location: &str, id: &str) -> Answer {
    if poll(call, id) {
        remove_ended(call, id);
        return Ok(Response::new(204));
    }
    let place = operation_url(call, location, "operationresults", id);
    Ok(Response::new(202).with("location", place))
}
