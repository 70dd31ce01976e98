//! Managed clusters: created as their documents say that they were requested, and read. What AKS fills in is left to the sandbox.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};
use serde_json::{Map, Value, json};

/// The fields of a cluster, and of a pool, that a user sets; AKS fills in the rest.
const ASKED: [&str; 24] = [
    "dnsPrefix",
    "fqdnSubdomain",
    "kubernetesVersion",
    "enableRBAC",
    // AKS returns this if it was requested, and never fills it in.
    "enablePodSecurityPolicy",
    "linuxProfile",
    "windowsProfile",
    "aadProfile",
    "addonProfiles",
    "aiToolchainOperatorProfile",
    "apiServerAccessProfile",
    "autoScalerProfile",
    "autoUpgradeProfile",
    "azureMonitorProfile",
    "disableLocalAccounts",
    "diskEncryptionSetID",
    "httpProxyConfig",
    "ingressProfile",
    "nodeResourceGroupProfile",
    "podIdentityProfile",
    "publicNetworkAccess",
    "securityProfile",
    "serviceMeshProfile",
    "upgradeSettings",
];
/// The fields that a user sets in a profile that AKS fills in.
const ASKED_OF: [(&str, &str); 3] =
    [("storageProfile", "blobCSIDriver"), ("workloadAutoScalerProfile", "keda"), ("workloadAutoScalerProfile", "verticalPodAutoscaler")];
const ASKED_OF_POOLS: [&str; 37] = [
    "name",
    "count",
    "vmSize",
    "mode",
    "osType",
    "type",
    "maxPods",
    "availabilityZones",
    "enableAutoScaling",
    "minCount",
    "maxCount",
    "enableEncryptionAtHost",
    "enableUltraSSD",
    "vnetSubnetID",
    "podSubnetID",
    "nodeLabels",
    "nodeTaints",
    "tags",
    "workloadRuntime",
    "networkProfile",
    "enableCustomCATrust",
    "kubeletConfig",
    "linuxOSConfig",
    "windowsProfile",
    "gpuInstanceProfile",
    "gpuProfile",
    "scaleSetPriority",
    "scaleSetEvictionPolicy",
    "spotMaxPrice",
    "proximityPlacementGroupID",
    "hostGroupID",
    "capacityReservationGroupID",
    "nodePublicIPPrefixID",
    "creationData",
    "messageOfTheDay",
    "upgradeStrategy",
    "virtualMachinesProfile",
];
const ASKED_OF_NETWORK: [&str; 6] =
    ["networkPlugin", "networkPluginMode", "loadBalancerSku", "outboundType", "advancedNetworking", "natGatewayProfile"];

/// A field that AKS fills in: its part of the document, the day since when, and the first stable and preview version that returns it.
/// A document of such a version without the field is about a cluster that was created before that day.
struct Filled {
    part: &'static str,
    field: &'static str,
    day: &'static str,
    stable: &'static str,
    preview: &'static str,
}

const fn filled(part: &'static str, field: &'static str, day: &'static str, stable: &'static str, preview: &'static str) -> Filled {
    Filled { part, field, day, stable, preview }
}

const POOL: &str = "/agentPoolProfiles/0";
const NETWORK: &str = "/networkProfile";
const PLUGINS: &str = "/controlPlanePluginProfiles";
const NEVER: &str = "9999";
const FILLED: [Filled; 7] = [
    filled("", "autoUpgradeProfile", "2023-06-01", "2020-11-01", "2020-11-01"),
    filled(POOL, "securityProfile", "2023-10-01", "2024-07-01", "2023-06-02"),
    filled(POOL, "enableNodePublicIP", "2024-05-01", "2019-06-01", "2019-06-01"),
    filled(POOL, "upgradeSettings", "2024-05-01", "2020-04-01", "2020-04-01"),
    filled(NETWORK, "networkPolicy", "2024-10-01", "2019-02-01", "2019-02-01"),
    filled(POOL, "scaleDownMode", "2025-01-01", "2021-07-01", "2021-07-01"),
    filled(PLUGINS, "static-egress-controller", "2025-01-01", NEVER, "2024-03-02"),
];

impl Filled {
    fn returned_by(&self, version: &str) -> bool {
        version >= if version.ends_with("-preview") { self.preview } else { self.stable }
    }
}

/// How many days pass from the date in a version's name until clients use it.
const UNTIL_SERVED: i64 = 45;

/// Returns the version of the request. A recorder may write a newer one into the URL; a version that is younger than the answer shows this,
/// and then the newest version of that day is used.
fn version(record: &Record) -> String {
    let Some(day) = record.day() else { return record.api_version.clone() };
    if record.api_version.as_str() <= day.to_string().as_str() {
        return record.api_version.clone();
    }
    let served = day.checked_sub(jiff::Span::new().days(UNTIL_SERVED)).unwrap_or(day);
    let kind = if record.api_version.ends_with("-preview") { "-preview" } else { "" };
    format!("{served}{kind}")
}

/// Returns the day before the first one that would have filled in what this document lacks.
fn day_of(version: &str, document: &Value) -> Option<String> {
    let told = document.get("properties")?;
    let lacks = |f: &&Filled| {
        let part = told.pointer(f.part).filter(|part| part.is_object());
        f.returned_by(version) && part.is_some_and(|part| part.get(f.field).is_none())
    };
    let first = FILLED.iter().filter(lacks).map(|f| f.day).min()?;
    let first: jiff::civil::Date = first.parse().ok()?;
    Some(first.yesterday().ok()?.to_string())
}

/// Returns fields of the document that AKS did not fill in yet on this day: the user set them.
fn set_by_user(day: Option<&str>, part: &str) -> impl Iterator<Item = &'static str> {
    let day = day.unwrap_or(NEVER).to_owned();
    let part = part.to_owned();
    FILLED.iter().filter(move |f| f.part == part && f.day > day.as_str()).map(|f| f.field)
}

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let group = Place::of(&record.path).group.unwrap_or_default();
    let version = version(record);
    match record.status {
        200 if record.op.contains(".list.") => {
            build.group_for(record)?;
            for document in record.body["value"].as_array().into_iter().flatten() {
                make(build, &group, document["id"].as_str().unwrap_or_default(), document, &version)?;
            }
        }
        200 => make(build, &group, &record.path, &record.body, &version)?,
        404 if record.has("NotFound") => delete_completely(build, &group, &record.path)?,
        401 | 403 | 404 | 429 => build.group_for(record)?,
        status => return Err(format!("a cluster that answers {status} is not understood")),
    }
    let mut ask = Ask::of(record, build);
    ask.query = ask.query.replace(&record.api_version, &version);
    Ok(ask)
}

fn part(from: &Value, names: &[&str]) -> Map<String, Value> {
    from.as_object().into_iter().flatten().filter(|(n, _)| names.contains(&n.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Sends the request that created it, as far as its document shows.
fn make(build: &mut Build<'_>, group: &str, id: &str, document: &Value, version: &str) -> Made<()> {
    build.group(group)?;
    let told = &document["properties"];
    let day = day_of(version, document);
    build.world.set(&json!({ "aks_day": day }));
    let asked = |of: &str, names: &[&'static str]| names.iter().copied().chain(set_by_user(day.as_deref(), of)).collect::<Vec<_>>();
    let mut properties = part(told, &asked("", &ASKED));
    for (profile, field) in ASKED_OF {
        if let Some(value) = told[profile].get(field) {
            properties.entry(profile).or_insert(json!({}))[field] = value.clone();
        }
    }
    let names = asked(POOL, &ASKED_OF_POOLS);
    let pools = told["agentPoolProfiles"].as_array().into_iter().flatten().map(|pool| Value::Object(part(pool, &names)));
    properties.insert("agentPoolProfiles".into(), pools.collect());
    properties.insert("networkProfile".into(), Value::Object(part(&told["networkProfile"], &asked(NETWORK, &ASKED_OF_NETWORK))));
    if told["oidcIssuerProfile"]["enabled"] == json!(true) {
        properties.insert("oidcIssuerProfile".into(), json!({ "enabled": true }));
    }
    // A recorder writes one GUID over every client id, `msi` too: a cluster with an identity does not run as a service principal.
    let client = told["servicePrincipalProfile"]["clientId"].as_str().filter(|_| document.get("identity").is_none()).unwrap_or("msi");
    let mut body = json!({"location": build.location(document["location"].as_str().unwrap_or("westus2"))});
    if client == "msi" {
        body["identity"] = identity(build, &document["identity"])?;
    } else {
        let app = build.login(client)?;
        properties.insert("servicePrincipalProfile".into(), json!({"clientId": app, "secret": "not-a-secret-1"}));
    }
    // A cluster with the add-on is in a subscription with the preview feature.
    if told["podIdentityProfile"]["enabled"] == json!(true) {
        register(build, "EnablePodIdentityPreview")?;
    }
    body["properties"] = build.mapped(&Value::Object(properties));
    for said in ["tags", "sku"] {
        if let Some(value) = document.get(said) {
            body[said] = value.clone();
        }
    }
    if body["properties"].get("dnsPrefix").is_none() {
        body["properties"]["dnsPrefix"] = json!("lab");
    }
    // A cluster that is still being created.
    let fresh = told["provisioningState"] == json!("Creating");
    build.world.set(&json!({ "lateness": if fresh { "quick" } else { "none" } }));
    build.put(id, "2024-09-01", &body).map(drop)
}

/// Registers a preview feature of AKS; as a resource it is registered at once.
fn register(build: &Build<'_>, feature: &str) -> Made<()> {
    let provider = format!("/subscriptions/{}/providers/Microsoft.Features/featureProviders", build.world.subscription);
    let path = format!("{provider}/Microsoft.ContainerService/subscriptionFeatureRegistrations/{feature}?api-version=2021-07-01");
    build.must(&path, &build.world.arm("PUT", &path, Some(&json!({})))).map(drop)
}

/// Returns its own identity, or those that were created before.
fn identity(build: &Build<'_>, told: &Value) -> Made<Value> {
    if told["type"] != json!("UserAssigned") {
        return Ok(json!({ "type": "SystemAssigned" }));
    }
    let mut ids = Map::new();
    for id in told["userAssignedIdentities"].as_object().into_iter().flatten().map(|(id, _)| id) {
        build.identity(id, &Value::Null)?;
        ids.insert(build.path(id), json!({}));
    }
    Ok(json!({ "type": "UserAssigned", "userAssignedIdentities": ids }))
}

/// Deletes a cluster and waits until AKS no longer knows it; ARM still asks it the next time.
fn delete_completely(build: &mut Build<'_>, group: &str, path: &str) -> Made<()> {
    make(build, group, path, &json!({"properties": {"agentPoolProfiles": [{"name": "nodepool1", "mode": "System"}]}}), "2024-09-01")?;
    build.world.set(&json!({ "lateness": "quick" }));
    build.delete(path, "2024-09-01")?;
    let path = format!("{}?api-version=2024-09-01", build.path(path));
    let seen = build.world.arm("GET", &path, None);
    build.must("a cluster that is being deleted", &seen).map(drop)
}
