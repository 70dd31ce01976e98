//! Builds the document of a cluster by api-version, from the requested properties and AKS's defaults. Ids have a lower-case
//! `resourcegroups`, and the type has a capital M.

use super::versions::{keep_known, take, take_field};
use super::{addons, pod_identity};
use crate::azure::{
    ids, resource_ids,
    state::{Cluster, State},
};
use serde_json::{Map, Value, json};

/// Defaults that AKS adds, and the day since when: a cluster created earlier does not get them later. `pool.` marks fields of a node pool,
/// `network.` fields of the network profile. Each day lies between the newest known document without the field and the oldest one with it.
const FILLED: &[(&str, &str)] = &[
    ("autoUpgradeProfile", "2023-06-01"),
    ("pool.securityProfile", "2023-10-01"),
    ("pool.enableNodePublicIP", "2024-05-01"),
    ("pool.upgradeSettings", "2024-05-01"),
    ("network.networkPolicy", "2024-10-01"),
    ("controlPlanePluginProfiles.gpu-provisioner", "2025-01-01"),
    ("controlPlanePluginProfiles.kubelet-serving-csr-approver", "2025-01-01"),
    ("controlPlanePluginProfiles.static-egress-controller", "2025-01-01"),
    ("pool.scaleDownMode", "2025-01-01"),
];

/// Fields that a cluster has only after it is created (recorded).
const NOT_YET: &[&str] = &["top.eTag", "pool.eTag", "identityProfile", "networkProfile.loadBalancerProfile.effectiveOutboundIPs"];

/// Returns the document as this api-version shows it.
pub fn document(state: &State, cluster: &Cluster, api_version: &str) -> Value {
    let mut body = whole(state, cluster);
    if api_version < "2022-03-01" {
        body["properties"]["kubernetesVersion"] = json!(cluster.version);
    }
    if api_version < "2023-02-01" {
        body["sku"]["name"] = json!("Basic");
    }
    if body["properties"]["provisioningState"] == "Creating" {
        NOT_YET.iter().for_each(|field| take_field(&mut body, field));
    }
    keep_known(&mut body, api_version);
    body
}

fn tag(of: &str, name: &str) -> Value {
    json!(ids::guid(&["etag", of, name]))
}

/// Removes the defaults of this part that AKS did not have yet when the cluster was created.
fn unfilled(cluster: &Cluster, part: &str, body: &mut Value) {
    let Some(day) = &cluster.filled else { return };
    let later = FILLED.iter().filter(|(_, since)| day.as_str() < *since).filter_map(|(path, _)| path.strip_prefix(part));
    later.for_each(|path| take(body, path));
}

/// Merges objects recursively; values of `over` win.
pub fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                match into.get_mut(name) {
                    Some(existing) if existing.is_object() && value.is_object() => merge(existing, value),
                    _ => drop(into.insert(name.clone(), value.clone())),
                }
            }
        }
        (into, over) => into.clone_from(over),
    }
}

/// A cluster without requested pools is one of the sandbox's own and looks like one made by an older `az aks create`.
fn pools(cluster: &Cluster) -> Vec<Value> {
    let own = json!([{"name": "nodepool1", "count": 1, "enableAutoScaling": false, "networkPlugin": "azure", "maxPods": 30, "mode": "System",
        "orchestratorVersion": cluster.version}]);
    let asked = cluster.asked.get("agentPoolProfiles").unwrap_or(&own);
    // older podid versions stored whatever was sent
    asked.as_array().into_iter().flatten().filter(|pool| pool.is_object()).map(|pool| self::pool(cluster, pool)).collect()
}

fn pool(cluster: &Cluster, asked: &Value) -> Value {
    let sets = asked["type"].as_str() != Some("AvailabilitySet");
    let network = |name: &str| cluster.asked.get("networkProfile").and_then(|n| n.get(name)).and_then(Value::as_str);
    // pods of an overlay use no addresses of the virtual network
    let most = match (network("networkPlugin"), network("networkPluginMode")) {
        (_, Some("overlay")) => 250,
        (Some("azure"), _) => 30,
        _ => 110,
    };
    let mut body = json!({"name": "nodepool1", "count": 1, "vmSize": "Standard_DS2_v2", "osDiskSizeGB": 128, "osDiskType": "Managed",
        "kubeletDiskType": "OS", "maxPods": most, "type": "VirtualMachineScaleSets", "provisioningState": "Succeeded",
        "powerState": {"code": "Running"}, "orchestratorVersion": cluster.asked_version(), "currentOrchestratorVersion": cluster.version,
        "enableNodePublicIP": false, "mode": "User", "osType": "Linux", "osSKU": "Ubuntu"});
    if sets {
        body["scaleDownMode"] = json!("Delete");
        body["nodeImageVersion"] = json!("AKSUbuntu-2204gen2containerd-202601.07.0");
    }
    body["upgradeSettings"] = if sets { json!({"maxSurge": "10%", "maxUnavailable": "0"}) } else { json!({}) };
    body["enableFIPS"] = json!(false);
    body["securityProfile"] = json!({"sshAccess": "LocalUser", "enableVTPM": false, "enableSecureBoot": false});
    unfilled(cluster, "pool.", &mut body);
    merge(&mut body, asked);
    take(&mut body, "networkPlugin");
    body["eTag"] = tag("pool", &format!("{}/{}", cluster.name, body["name"].as_str().unwrap_or_default()));
    body
}

fn network(state: &State, cluster: &Cluster) -> Value {
    let asked = cluster.asked.get("networkProfile").unwrap_or(&Value::Null);
    let azure = cluster.network_plugin() == "azure";
    let mut body = json!({ "networkPlugin": cluster.network_plugin() });
    // the default of both plugins in the swagger
    body["networkPolicy"] = json!("none");
    if azure {
        body["networkDataplane"] = json!("azure");
    }
    body["loadBalancerSku"] = json!("standard");
    if !asked["loadBalancerSku"].as_str().is_some_and(|sku| sku.eq_ignore_ascii_case("basic")) {
        let address = ids::guid(&["outbound address", &cluster.name]);
        let id = ids::resource_id(&state.subscription, &cluster.node_group, "Microsoft.Network/publicIPAddresses", &address);
        body["loadBalancerProfile"] =
            json!({"managedOutboundIPs": {"count": 1}, "effectiveOutboundIPs": [{ "id": id }], "backendPoolType": "nodeIPConfiguration"});
    }
    if !azure || asked["networkPluginMode"] == "overlay" {
        body["podCidr"] = json!("10.244.0.0/16");
        body["podCidrs"] = json!(["10.244.0.0/16"]);
    }
    let rest = json!({"serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10", "dockerBridgeCidr": "172.17.0.1/16", "outboundType": "loadBalancer",
        "serviceCidrs": ["10.0.0.0/16"], "ipFamilies": ["IPv4"]});
    merge(&mut body, &rest);
    if azure {
        body["podLinkLocalAccess"] = json!("IMDS");
    }
    unfilled(cluster, "network.", &mut body);
    if !asked.is_null() {
        merge(&mut body, asked);
    }
    body
}

fn whole(state: &State, cluster: &Cluster) -> Value {
    let running = |operation: &Option<String>| operation.as_ref().is_some_and(|o| state.operations.get(o).is_some_and(|o| o.polls > 0));
    let provisioning = match (&cluster.ending, running(&cluster.changing)) {
        (Some(_), _) => "Deleting",
        (None, true) => cluster.verb.as_str(),
        (None, false) => "Succeeded",
    };
    let availability = cluster.asked.get("agentPoolProfiles").is_some_and(|pools| pools[0]["type"] == "AvailabilitySet");
    let mut properties = json!({
        "provisioningState": provisioning, "powerState": {"code": "Running"},
        "kubernetesVersion": cluster.asked_version(),
        "currentKubernetesVersion": cluster.version, "dnsPrefix": cluster.dns_prefix, "fqdn": cluster.fqdn,
        "azurePortalFQDN": cluster.fqdn.replacen(".hcp.", ".portal.hcp.", 1),
        "agentPoolProfiles": pools(cluster),
        "servicePrincipalProfile": {"clientId": cluster.client_id},
        "nodeResourceGroup": cluster.node_group, "enableRBAC": true, "supportPlan": "KubernetesOfficial",
        "networkProfile": network(state, cluster),
        "maxAgentPools": if availability { 1 } else { 100 },
    });
    if let Some(kubelet) = cluster.kubelet.as_ref().and_then(|key| state.identities.get(key)) {
        properties["identityProfile"] = json!({"kubeletidentity": {"resourceId": resource_ids::identity(&state.subscription, kubelet),
            "clientId": kubelet.client_id, "objectId": kubelet.principal_id}});
    }
    let more = json!({
        "autoUpgradeProfile": {"nodeOSUpgradeChannel": "NodeImage"}, "securityProfile": {},
        "storageProfile": {"diskCSIDriver": {"enabled": true, "version": "v1"}, "fileCSIDriver": {"enabled": true}, "snapshotController": {"enabled": true}},
        "workloadAutoScalerProfile": {}, "resourceUID": &ids::hex(&["cluster", &cluster.name])[..24], "metricsProfile": {"costAnalysis": {"enabled": false}},
        "controlPlanePluginProfiles": {"azure-monitor-metrics-ccp": {"enableV2": true}, "gpu-provisioner": {"enableV2": true},
            "karpenter": {"enableV2": true}, "kubelet-serving-csr-approver": {"enableV2": true},
            "live-patching-controller": {"enableV2": true}, "static-egress-controller": {"enableV2": true}},
        "nodeProvisioningProfile": {"mode": "Manual", "defaultNodePools": "Auto"}, "bootstrapProfile": {"artifactSource": "Direct"},
        "hostedSystemProfile": {"enabled": false}, "enableFIPS": false,
    });
    merge(&mut properties, &more);
    // AKS does not upgrade nodes outside of scale sets
    if availability {
        take(&mut properties, "autoUpgradeProfile");
    }
    unfilled(cluster, "", &mut properties);
    for (name, value) in &cluster.asked {
        match name.as_str() {
            "agentPoolProfiles" | "networkProfile" | "kubernetesVersion" | "servicePrincipalProfile" | "oidcIssuerProfile" => {}
            "addonProfiles" => properties[name] = addons::document(state, cluster, value),
            "podIdentityProfile" => properties[name] = pod_identity::shown(value, running(&cluster.changing)),
            _ => match properties.get_mut(name) {
                Some(existing) => merge(existing, value),
                None => properties[name] = value.clone(),
            },
        }
    }
    properties["oidcIssuerProfile"] = match &cluster.oidc_issuer {
        Some(url) => json!({"enabled": true, "issuerURL": url}),
        None => json!({"enabled": false}),
    };
    let mut body = json!({"id": ids::low_group_id(&state.subscription, &cluster.group, resource_ids::CLUSTER, &cluster.name), "location": cluster.location,
        "name": cluster.name, "type": "Microsoft.ContainerService/ManagedClusters", "kind": "Base"});
    if !cluster.tags.is_empty() {
        body["tags"] = json!(cluster.tags);
    }
    body["properties"] = properties;
    match (&cluster.principal_id, &cluster.identities[..]) {
        (Some(principal), _) => body["identity"] = json!({"type": "SystemAssigned", "principalId": principal, "tenantId": state.tenant}),
        (None, []) => {}
        (None, ids) => body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": assigned(state, ids)}),
    }
    body["sku"] = json!({"name": "Base", "tier": cluster.tier.as_deref().unwrap_or("Free")});
    body["eTag"] = tag("cluster", &cluster.name);
    body
}

fn assigned(state: &State, all: &[String]) -> Map<String, Value> {
    let of = |id: &String| {
        let identity = state.identities.get(&ids::fold(id))?;
        Some((id.clone(), json!({"clientId": identity.client_id, "principalId": identity.principal_id})))
    };
    all.iter().filter_map(of).collect()
}
