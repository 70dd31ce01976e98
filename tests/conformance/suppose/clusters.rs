//! Managed clusters: made as their documents say that they were asked for, and read. What AKS fills in is left to the sandbox.

use super::{super::record::Record, Ask, Made, build::Build, place::Place};
use serde_json::{Map, Value, json};

/// What a user says of a cluster, and of a pool; the rest of a document is AKS's.
const ASKED: [&str; 11] = [
    "dnsPrefix",
    "kubernetesVersion",
    "enableRBAC",
    "linuxProfile",
    "windowsProfile",
    "addonProfiles",
    "securityProfile",
    "podIdentityProfile",
    "disableLocalAccounts",
    "apiServerAccessProfile",
    "autoUpgradeProfile",
];
const ASKED_OF_POOLS: [&str; 17] = [
    "name",
    "count",
    "vmSize",
    "mode",
    "osType",
    "type",
    "maxPods",
    "enableAutoScaling",
    "minCount",
    "maxCount",
    "enableEncryptionAtHost",
    "enableUltraSSD",
    "vnetSubnetID",
    "nodeLabels",
    "workloadRuntime",
    "networkProfile",
    "enableCustomCATrust",
];
const ASKED_OF_NETWORK: [&str; 4] = ["networkPlugin", "networkPluginMode", "loadBalancerSku", "outboundType"];

/// What AKS has filled in since which day, and from which api-version on it is told: a document without it is of a cluster that is older.
const FILLED: [(&str, &str, &str); 6] = [
    ("/agentPoolProfiles/0/upgradeSettings", "2022-01-01", "2020-01-01"),
    ("/autoUpgradeProfile", "2023-06-01", "2020-01-01"),
    ("/agentPoolProfiles/0/scaleDownMode", "2025-01-01", "2021-08-01"),
    ("/agentPoolProfiles/0/securityProfile", "2025-01-01", "2024-02-01"),
    ("/networkProfile/networkPolicy", "2025-01-01", "2020-01-01"),
    ("/enablePodSecurityPolicy", "2025-01-01", "2024-01-01"),
];

/// The day before the first that would have filled in what this document lacks.
fn day_of(record: &Record, document: &Value) -> Option<String> {
    // of these the version in the URL tells nothing
    if record.api_version.ends_with("-preview") {
        return None;
    }
    let told = &document["properties"];
    let azure = told["networkProfile"]["networkPlugin"] == "azure";
    let lacks = |(place, _, version): &&(&str, &str, &str)| {
        let due = record.api_version.as_str() >= *version && (azure || !place.ends_with("networkPolicy"));
        due && told.is_object() && told.pointer(place).is_none()
    };
    let first = FILLED.iter().filter(lacks).map(|(_, day, _)| *day).min()?;
    let first: jiff::civil::Date = first.parse().ok()?;
    Some(first.yesterday().ok()?.to_string())
}

pub fn suppose(record: &Record, build: &mut Build<'_>) -> Made<Ask> {
    let group = Place::of(&record.path).group.unwrap_or_default();
    match record.status {
        200 if record.op.contains(".list.") => {
            build.group_for(record)?;
            for document in record.body["value"].as_array().into_iter().flatten() {
                build.world.set(&json!({ "aks_day": day_of(record, document) }));
                make(build, &group, document["id"].as_str().unwrap_or_default(), document)?;
            }
        }
        200 => {
            build.world.set(&json!({ "aks_day": day_of(record, &record.body) }));
            make(build, &group, &record.path, &record.body)?;
        }
        404 if record.has("NotFound") => ended(build, &group, &record.path)?,
        401 | 403 | 404 | 429 => build.group_for(record)?,
        status => return Err(format!("a cluster that answers {status} is not understood")),
    }
    Ok(Ask::of(record, build))
}

fn part(from: &Value, names: &[&str]) -> Map<String, Value> {
    from.as_object().into_iter().flatten().filter(|(n, _)| names.contains(&n.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// The request that made it, as far as its document tells.
fn make(build: &mut Build<'_>, group: &str, id: &str, document: &Value) -> Made<()> {
    build.group(group)?;
    let told = &document["properties"];
    let mut properties = part(told, &ASKED);
    let pools = told["agentPoolProfiles"].as_array().into_iter().flatten().map(|pool| Value::Object(part(pool, &ASKED_OF_POOLS)));
    properties.insert("agentPoolProfiles".into(), pools.collect());
    properties.insert("networkProfile".into(), Value::Object(part(&told["networkProfile"], &ASKED_OF_NETWORK)));
    if told["oidcIssuerProfile"]["enabled"] == json!(true) {
        properties.insert("oidcIssuerProfile".into(), json!({ "enabled": true }));
    }
    // a recorder writes one GUID over every client id, `msi` too: who has an identity runs as no service principal
    let client = told["servicePrincipalProfile"]["clientId"].as_str().filter(|_| document.get("identity").is_none()).unwrap_or("msi");
    let mut body = json!({"location": build.location(document["location"].as_str().unwrap_or("westus2"))});
    if client == "msi" {
        body["identity"] = json!({ "type": "SystemAssigned" });
    } else {
        let app = build.login(client)?;
        properties.insert("servicePrincipalProfile".into(), json!({"clientId": app, "secret": "not-a-secret-1"}));
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
    build.put(id, "2024-09-01", &body).map(drop)
}

/// Deleted, and looked at until AKS knows it no more: at the next look ARM still asks it.
fn ended(build: &mut Build<'_>, group: &str, path: &str) -> Made<()> {
    make(build, group, path, &json!({"properties": {"agentPoolProfiles": [{"name": "nodepool1", "mode": "System"}]}}))?;
    build.world.set(&json!({ "lateness": "quick" }));
    build.delete(path, "2024-09-01")?;
    let path = format!("{}?api-version=2024-09-01", build.path(path));
    let seen = build.world.arm("GET", &path, None);
    build.must("a cluster that is being deleted", &seen).map(drop)
}
