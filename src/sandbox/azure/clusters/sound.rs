//! What a managed cluster can be asked for: the types of its properties, as AKS decodes them, and their bounds. What is not named here is
//! taken as it comes and told again, and nothing else is done with it.

use super::super::shape::{self, Kind, Table};
use super::refusal;
use crate::{http::Response, measure};
use serde_json::{Map, Value};

/// What AKS takes of one pool (AKS documentation, "limits").
const MOST_NODES: i64 = 1000;
const PODS: std::ops::RangeInclusive<i64> = 10..=250;
/// Of all that one cluster was ever asked for: what ARM takes of one request.
const LARGEST: usize = 4 << 20;

const TYPES: Table = &[
    ("kubernetesVersion", Kind::Text),
    ("dnsPrefix", Kind::Text),
    ("fqdnSubdomain", Kind::Text),
    ("nodeResourceGroup", Kind::Text),
    ("diskEncryptionSetID", Kind::Text),
    ("publicNetworkAccess", Kind::Text),
    ("supportPlan", Kind::Text),
    ("enableRBAC", Kind::Flag),
    ("enablePodSecurityPolicy", Kind::Flag),
    ("enableFIPS", Kind::Flag),
    ("disableLocalAccounts", Kind::Flag),
    ("agentPoolProfiles", Kind::List),
    ("agentPoolProfiles[].name", Kind::Text),
    ("agentPoolProfiles[].count", Kind::Number),
    ("agentPoolProfiles[].minCount", Kind::Number),
    ("agentPoolProfiles[].maxCount", Kind::Number),
    ("agentPoolProfiles[].maxPods", Kind::Number),
    ("agentPoolProfiles[].osDiskSizeGB", Kind::Number),
    ("agentPoolProfiles[].vmSize", Kind::Text),
    ("agentPoolProfiles[].type", Kind::Text),
    ("agentPoolProfiles[].mode", Kind::Text),
    ("agentPoolProfiles[].osType", Kind::Text),
    ("agentPoolProfiles[].osSKU", Kind::Text),
    ("agentPoolProfiles[].orchestratorVersion", Kind::Text),
    ("agentPoolProfiles[].vnetSubnetID", Kind::Text),
    ("agentPoolProfiles[].enableAutoScaling", Kind::Flag),
    ("agentPoolProfiles[].enableNodePublicIP", Kind::Flag),
    ("agentPoolProfiles[].enableFIPS", Kind::Flag),
    ("agentPoolProfiles[].availabilityZones", Kind::Texts),
    ("agentPoolProfiles[].nodeTaints", Kind::Texts),
    ("agentPoolProfiles[].nodeLabels", Kind::Words),
    ("agentPoolProfiles[].tags", Kind::Words),
    ("agentPoolProfiles[].upgradeSettings", Kind::Object),
    ("agentPoolProfiles[].securityProfile", Kind::Object),
    ("networkProfile", Kind::Object),
    ("networkProfile.networkPlugin", Kind::Text),
    ("networkProfile.networkPluginMode", Kind::Text),
    ("networkProfile.networkPolicy", Kind::Text),
    ("networkProfile.loadBalancerSku", Kind::Text),
    ("networkProfile.loadBalancerProfile", Kind::Object),
    ("networkProfile.natGatewayProfile", Kind::Object),
    ("networkProfile.podCidr", Kind::Text),
    ("networkProfile.serviceCidr", Kind::Text),
    ("networkProfile.dnsServiceIP", Kind::Text),
    ("networkProfile.podCidrs", Kind::Texts),
    ("networkProfile.serviceCidrs", Kind::Texts),
    ("networkProfile.ipFamilies", Kind::Texts),
    ("podIdentityProfile", Kind::Object),
    ("podIdentityProfile.enabled", Kind::Flag),
    ("podIdentityProfile.allowNetworkPluginKubenet", Kind::Flag),
    ("podIdentityProfile.userAssignedIdentities", Kind::List),
    ("podIdentityProfile.userAssignedIdentityExceptions", Kind::List),
    ("servicePrincipalProfile", Kind::Object),
    ("servicePrincipalProfile.clientId", Kind::Text),
    ("oidcIssuerProfile", Kind::Object),
    ("oidcIssuerProfile.enabled", Kind::Flag),
    ("addonProfiles", Kind::Objects),
    ("addonProfiles.*.enabled", Kind::Flag),
    ("addonProfiles.*.config", Kind::Words),
    ("privateLinkResources", Kind::List),
    ("aadProfile", Kind::Object),
    ("aiToolchainOperatorProfile", Kind::Object),
    ("apiServerAccessProfile", Kind::Object),
    ("apiServerAccessProfile.authorizedIPRanges", Kind::Texts),
    ("autoScalerProfile", Kind::Words),
    ("autoUpgradeProfile", Kind::Object),
    ("azureMonitorProfile", Kind::Object),
    ("bootstrapProfile", Kind::Object),
    ("controlPlanePluginProfiles", Kind::Objects),
    ("hostedSystemProfile", Kind::Object),
    ("httpProxyConfig", Kind::Object),
    ("ingressProfile", Kind::Object),
    ("linuxProfile", Kind::Object),
    ("metricsProfile", Kind::Object),
    ("nodeProvisioningProfile", Kind::Object),
    ("nodeResourceGroupProfile", Kind::Object),
    ("securityProfile", Kind::Object),
    ("serviceMeshProfile", Kind::Object),
    ("storageProfile", Kind::Object),
    ("upgradeSettings", Kind::Object),
    ("windowsProfile", Kind::Object),
    ("workloadAutoScalerProfile", Kind::Object),
];

fn invalid(parameter: &str, why: &str) -> Response {
    refusal(400, "InvalidParameter", format!("The value of parameter {parameter} is invalid. Error details: {why}"))
}

/// Refuses properties that no cluster can have.
pub fn check(asked: &Map<String, Value>) -> Result<(), Response> {
    if let Some(wrong) = shape::wrong(asked, TYPES) {
        let (is, field, due) = (wrong.is, wrong.field.replace("[]", "").replace(".*", ""), wrong.due.in_go());
        let text = format!(
            "UnmarshalEntity encountered error: json: cannot unmarshal {is} into Go struct field Properties.properties.{field} of type {due}."
        );
        return Err(refusal(400, "UnmarshalError", text));
    }
    let text = |name: &str| asked.get(name).and_then(Value::as_str);
    for (field, prefix) in ["dnsPrefix", "fqdnSubdomain"].into_iter().filter_map(|field| Some((field, text(field)?))) {
        if !is_dns_prefix(prefix) {
            let why = "it must contain between 1 and 54 characters, only alphanumeric characters and hyphens, and start and end with an alphanumeric character.";
            return Err(invalid(field, why));
        }
    }
    if let Some(version) = text("kubernetesVersion").filter(|version| !is_version(version)) {
        let shown: String = version.chars().take(40).collect();
        return Err(refusal(400, "K8sVersionNotSupported", format!("Managed cluster version {shown:?} is not supported in this region.")));
    }
    for pool in asked.get("agentPoolProfiles").and_then(Value::as_array).into_iter().flatten() {
        check_pool(pool)?;
    }
    Ok(())
}

fn check_pool(pool: &Value) -> Result<(), Response> {
    let name = pool["name"].as_str().unwrap_or_default();
    let sound = (1..=12).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !sound {
        let why = "an agent pool's name must have 1 to 12 characters, only lowercase letters and digits, and start with a letter.";
        return Err(invalid("agentPoolProfile.name", why));
    }
    for (field, range) in [("count", 0..=MOST_NODES), ("minCount", 0..=MOST_NODES), ("maxCount", 0..=MOST_NODES), ("maxPods", PODS)] {
        if let Some(number) = pool[field].as_i64().filter(|number| !range.contains(number)) {
            let why = format!("{number} is not in the range of {} to {}.", range.start(), range.end());
            return Err(invalid(&format!("agentPoolProfile.{field}"), &why));
        }
    }
    Ok(())
}

fn is_dns_prefix(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    (1..=54).contains(&text.len())
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

/// A name that is also one of a host, a user and a context in a kubeconfig.
pub fn check_name(name: &str) -> Result<(), Response> {
    let ends = |c: char| c.is_ascii_alphanumeric();
    let sound = (1..=63).contains(&name.len())
        && name.starts_with(ends)
        && name.ends_with(ends)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if sound {
        return Ok(());
    }
    let why = "it must have 1 to 63 characters, only alphanumeric characters, underscores and hyphens, and start and end with an alphanumeric character.";
    Err(invalid("resourceName", why))
}

/// Refuses what a cluster would become by one change more, if that is too much for one resource.
pub fn check_size(asked: &Map<String, Value>) -> Result<(), Response> {
    if asked.values().map(measure::size).sum::<usize>() <= LARGEST {
        return Ok(());
    }
    Err(refusal(413, "RequestContentTooLarge", "The size of the resource exceeds the maximum size of 4 MB."))
}
