//! Managed clusters, to be read: what a cluster says of its identities, its node resource group and its issuer.
//! AKS writes ids with a lower-case `resourcegroups`, its type with a capital M, its answers indented and without a charset.

use super::{
    Answer, Call, access, directory, error, identities, ids,
    state::{Cluster, Group, State},
};
use crate::sandbox::http::{Body, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

pub const KIND: &str = "Microsoft.ContainerService/managedClusters";

/// What came to the document with which version, first and last; a client of an older or newer one does not see it (recorded, and the
/// REST reference). Below `properties`, a pool's fields after `pool.`.
const SINCE: &[(&str, &str)] = &[
    ("azurePortalFQDN", "2021-03-01"),
    ("currentKubernetesVersion", "2022-03-01"),
    ("metricsProfile", "2024-02-01"),
    ("networkProfile.ipFamilies", "2021-10-01"),
    ("networkProfile.networkDataplane", "2023-06-01"),
    ("networkProfile.serviceCidrs", "2021-10-01"),
    ("oidcIssuerProfile", "2022-08-01"),
    ("resourceUID", "2023-10-01"),
    ("securityProfile", "2021-09-01"),
    ("storageProfile", "2022-01-01"),
    ("supportPlan", "2023-04-01"),
    ("workloadAutoScalerProfile", "2022-11-01"),
    ("pool.currentOrchestratorVersion", "2021-09-01"),
    ("pool.enableFIPS", "2021-03-01"),
    ("pool.kubeletDiskType", "2021-02-01"),
    ("pool.osSKU", "2021-03-01"),
    ("pool.scaleDownMode", "2021-08-01"),
    ("pool.securityProfile", "2024-02-01"),
];
const UNTIL: &[(&str, &str)] = &[("enablePodSecurityPolicy", "2024-10-01")];
/// From here on clusters and pools have an entity tag, and a cluster says of which kind it is.
const TAGGED: &str = "2025-10-01";

fn take(properties: &mut Value, way: &str) {
    let (at, name) = match way.split_once('.') {
        Some(("pool", name)) => (&mut properties["agentPoolProfiles"][0], name),
        Some((at, name)) => (&mut properties[at], name),
        None => (properties, way),
    };
    if let Some(object) = at.as_object_mut() {
        object.shift_remove(name);
    }
}

/// As this version tells it.
pub fn document(state: &State, cluster: &Cluster, api_version: &str) -> Value {
    let mut body = whole(state, cluster);
    let properties = &mut body["properties"];
    let dropped = SINCE.iter().filter(|(_, since)| api_version < *since).chain(UNTIL.iter().filter(|(_, until)| api_version >= *until));
    for (way, _) in dropped {
        take(properties, way);
    }
    if api_version < "2022-03-01" {
        properties["kubernetesVersion"] = json!(cluster.version);
    }
    if api_version >= TAGGED {
        let tag = |of: &str| json!(ids::guid(&["etag", of, &cluster.name]));
        properties["agentPoolProfiles"][0]["eTag"] = tag("pool");
        properties["storageProfile"]["diskCSIDriver"]["version"] = json!("v1");
        let more = json!({
            "controlPlanePluginProfiles": {"azure-monitor-metrics-ccp": {"enableV2": true}, "gpu-provisioner": {"enableV2": true},
                "karpenter": {"enableV2": true}, "kubelet-serving-csr-approver": {"enableV2": true},
                "live-patching-controller": {"enableV2": true}, "static-egress-controller": {"enableV2": true}},
            "nodeProvisioningProfile": {"mode": "Manual", "defaultNodePools": "Auto"}, "bootstrapProfile": {"artifactSource": "Direct"},
            "hostedSystemProfile": {"enabled": false}, "enableFIPS": false,
        });
        if let (Value::Object(all), Value::Object(more)) = (properties, more) {
            all.extend(more);
        }
        body["kind"] = json!("Base");
        body["eTag"] = tag("cluster");
    }
    body
}

fn whole(state: &State, cluster: &Cluster) -> Value {
    let (subscription, node_group) = (&state.subscription, &cluster.node_group);
    let address = ids::guid(&["outbound address", &cluster.name]);
    let mut properties = json!({
        "provisioningState": "Succeeded", "powerState": {"code": "Running"},
        "kubernetesVersion": cluster.version.rsplit_once('.').map_or(cluster.version.as_str(), |(minor, _)| minor),
        "currentKubernetesVersion": cluster.version, "dnsPrefix": cluster.dns_prefix, "fqdn": cluster.fqdn,
        "azurePortalFQDN": cluster.fqdn.replacen(".hcp.", ".portal.hcp.", 1),
        "agentPoolProfiles": [{"name": "nodepool1", "count": 1, "vmSize": "Standard_DS2_v2", "osDiskSizeGB": 128, "osDiskType": "Managed",
            "kubeletDiskType": "OS", "maxPods": 30, "type": "VirtualMachineScaleSets", "enableAutoScaling": false, "scaleDownMode": "Delete",
            "provisioningState": "Succeeded", "powerState": {"code": "Running"}, "orchestratorVersion": cluster.version,
            "currentOrchestratorVersion": cluster.version, "enableNodePublicIP": false, "mode": "System", "osType": "Linux", "osSKU": "Ubuntu",
            "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202601.07.0", "upgradeSettings": {"maxSurge": "10%"}, "enableFIPS": false,
            "securityProfile": {"enableVTPM": false, "enableSecureBoot": false}}],
        "servicePrincipalProfile": {"clientId": cluster.client_id},
        "nodeResourceGroup": node_group, "enableRBAC": true, "enablePodSecurityPolicy": false, "supportPlan": "KubernetesOfficial",
        "networkProfile": {"networkPlugin": "azure", "networkPolicy": "none", "networkDataplane": "azure", "loadBalancerSku": "standard",
            "loadBalancerProfile": {"managedOutboundIPs": {"count": 1}, "effectiveOutboundIPs": [{"id": ids::resource_id(subscription, node_group, "Microsoft.Network/publicIPAddresses", &address)}],
                "backendPoolType": "nodeIPConfiguration"},
            "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10", "outboundType": "loadBalancer", "serviceCidrs": ["10.0.0.0/16"], "ipFamilies": ["IPv4"]},
        "maxAgentPools": 100,
    });
    if let Some(kubelet) = cluster.kubelet.as_ref().and_then(|key| state.identities.get(key)) {
        properties["identityProfile"] = json!({"kubeletidentity": {"resourceId": identities::id(subscription, kubelet),
            "clientId": kubelet.client_id, "objectId": kubelet.principal_id}});
    }
    let more = json!({
        "autoUpgradeProfile": {"nodeOSUpgradeChannel": "NodeImage"}, "securityProfile": {},
        "storageProfile": {"diskCSIDriver": {"enabled": true}, "fileCSIDriver": {"enabled": true}, "snapshotController": {"enabled": true}},
        "oidcIssuerProfile": match &cluster.oidc_issuer {
            Some(url) => json!({"enabled": true, "issuerURL": url}),
            None => json!({"enabled": false}),
        },
        "workloadAutoScalerProfile": {}, "resourceUID": &ids::hex(&["cluster", &cluster.name])[..24], "metricsProfile": {"costAnalysis": {"enabled": false}},
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    let mut body = json!({"id": ids::low_group_id(subscription, &cluster.group, KIND, &cluster.name), "location": cluster.location,
        "name": cluster.name, "type": "Microsoft.ContainerService/ManagedClusters", "properties": properties});
    if let Some(principal) = &cluster.principal_id {
        body["identity"] = json!({"type": "SystemAssigned", "principalId": principal, "tenantId": state.tenant});
    }
    body["sku"] = json!({"name": "Base", "tier": "Free"});
    body
}

fn answer(status: u16, body: &Value) -> Response {
    let text = serde_json::to_string_pretty(body).unwrap_or_default();
    Response { status, headers: vec![("content-type".into(), "application/json".into())], body: Body::Full(text.into()) }
}

pub fn list(call: &Call<'_>, group: Option<&str>) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    let subscription = &call.state.subscription;
    let scope = group.map_or_else(|| format!("/subscriptions/{subscription}"), |g| ids::group_id(subscription, g));
    access::require(call, "Microsoft.ContainerService/managedClusters/read", &scope)?;
    let all = call.state.clusters.values().filter(|c| group.is_none_or(|g| c.group.eq_ignore_ascii_case(g)));
    let value: Vec<Value> = all.map(|c| document(call.state, c, &call.api_version())).collect();
    Ok(answer(200, &json!({ "value": value })))
}

fn find<'a>(call: &'a Call<'_>, group: &Group, name: &str) -> Result<&'a Cluster, Response> {
    let key = ids::fold(&ids::resource_id(&call.state.subscription, &group.name, KIND, name));
    call.state.clusters.get(&key).ok_or_else(|| error::resource_not_found(KIND, name, &group.name))
}

pub fn one(call: &Call<'_>, group: &Group, name: &str) -> Answer {
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    if call.request.method != "GET" {
        let verb = if call.request.method == "DELETE" { "delete" } else { "write" };
        access::require(call, &format!("{KIND}/{verb}"), &scope)?;
        return Err(error::body(409, "OperationNotAllowed", "The clusters of the sandbox can be read, not changed."));
    }
    access::require(call, &format!("{KIND}/read"), &scope)?;
    Ok(answer(200, &document(call.state, find(call, group, name)?, &call.api_version())))
}

/// `listClusterUserCredential` and `listClusterAdminCredential`: a kubeconfig, in base64.
pub fn credential(call: &Call<'_>, group: &Group, name: &str, verb: &str) -> Answer {
    let (action, user) = match verb {
        "listclusterusercredential" => ("listClusterUserCredential", "clusterUser"),
        "listclusteradmincredential" => ("listClusterAdminCredential", "clusterAdmin"),
        _ => {
            return Err(error::gateway(
                404,
                "InvalidResourceType",
                format!("The resource type '{verb}' could not be found in the namespace 'Microsoft.ContainerService'."),
            ));
        }
    };
    if call.request.method != "POST" {
        return Err(error::method_not_allowed(call));
    }
    let scope = ids::resource_id(&call.state.subscription, &group.name, KIND, name);
    access::require(call, &format!("{KIND}/{action}/action"), &scope)?;
    let cluster = find(call, group, name)?;
    let own = || Entry::of_sandbox(cluster, &call.rules.ca_pem, &call.rules.admin_token, None);
    let entry = call.rules.entries.get(&cluster.name).cloned().unwrap_or_else(own);
    let config = kubeconfig(&[(cluster, entry)], user);
    Ok(answer(200, &json!({"kubeconfigs": [{"name": user, "value": STANDARD.encode(config)}]})))
}

/// What a kubeconfig says of one cluster: how it is reached, and as whom. Holds a credential, so no Debug.
#[derive(Clone)]
pub struct Entry {
    pub cluster: Value,
    pub user: Value,
}

impl Entry {
    /// Of a cluster that is served here.
    pub fn of_sandbox(cluster: &Cluster, ca_pem: &str, token: &str, proxy: Option<&str>) -> Self {
        let mut entry = json!({"server": format!("https://{}:443", cluster.fqdn), "certificate-authority-data": STANDARD.encode(ca_pem)});
        if let Some(proxy) = proxy {
            entry["proxy-url"] = json!(proxy);
        }
        Self { cluster: entry, user: json!({ "token": token }) }
    }
}

/// A kubeconfig (JSON is YAML) with a context for each; the first is current. `role` is `clusterUser` or `clusterAdmin`: az names the context of
/// an admin by it.
pub fn kubeconfig(clusters: &[(&Cluster, Entry)], role: &str) -> String {
    let user = |cluster: &Cluster| format!("{role}_{}_{}", cluster.group, cluster.name);
    let of =
        |make: &dyn Fn(&Cluster, &Entry) -> Value| clusters.iter().map(|(cluster, entry)| make(cluster, entry)).collect::<Vec<Value>>();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": clusters.first().map_or("", |(cluster, _)| &cluster.name),
        "clusters": of(&|cluster, entry| json!({"name": cluster.name, "cluster": entry.cluster})),
        "contexts": of(&|cluster, _| json!({"name": cluster.name, "context": {"cluster": cluster.name, "user": user(cluster)}})),
        "users": of(&|cluster, entry| json!({"name": user(cluster), "user": entry.user})),
    });
    serde_json::to_string_pretty(&config).unwrap_or_default()
}

pub fn remove_in(call: &mut Call<'_>, group: &str) {
    let gone: Vec<String> =
        call.state.clusters.iter().filter(|(_, c)| c.group.eq_ignore_ascii_case(group)).map(|(key, _)| key.clone()).collect();
    for key in gone {
        if let Some(cluster) = call.state.clusters.remove(&key)
            && let Some(principal) = cluster.principal_id
        {
            directory::remove(call.state, &key, &principal);
        }
    }
}
