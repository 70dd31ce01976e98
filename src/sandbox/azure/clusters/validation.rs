//! Validates the properties of a managed cluster: their types, as AKS decodes them, and their limits. Fields that are not named here are
//! stored and returned as they were sent.

use super::replies::refusal;
use crate::{
    azure::field_types::{self, FieldType, FieldTypes},
    http::Response,
    measure,
};
use serde_json::{Map, Value};

/// The limits of one pool (AKS documentation, "limits").
const MOST_NODES: i64 = 1000;
const PODS: std::ops::RangeInclusive<i64> = 10..=250;
/// The largest size of a cluster's properties together, which is ARM's limit for one request.
const LARGEST: usize = 4 << 20;

const TYPES: FieldTypes = &[
    ("kubernetesVersion", FieldType::Text),
    ("dnsPrefix", FieldType::Text),
    ("fqdnSubdomain", FieldType::Text),
    ("nodeResourceGroup", FieldType::Text),
    ("diskEncryptionSetID", FieldType::Text),
    ("publicNetworkAccess", FieldType::Text),
    ("supportPlan", FieldType::Text),
    ("enableRBAC", FieldType::Flag),
    ("enablePodSecurityPolicy", FieldType::Flag),
    ("enableFIPS", FieldType::Flag),
    ("disableLocalAccounts", FieldType::Flag),
    ("agentPoolProfiles", FieldType::List),
    ("agentPoolProfiles[].name", FieldType::Text),
    ("agentPoolProfiles[].count", FieldType::Number),
    ("agentPoolProfiles[].minCount", FieldType::Number),
    ("agentPoolProfiles[].maxCount", FieldType::Number),
    ("agentPoolProfiles[].maxPods", FieldType::Number),
    ("agentPoolProfiles[].osDiskSizeGB", FieldType::Number),
    ("agentPoolProfiles[].vmSize", FieldType::Text),
    ("agentPoolProfiles[].type", FieldType::Text),
    ("agentPoolProfiles[].mode", FieldType::Text),
    ("agentPoolProfiles[].osType", FieldType::Text),
    ("agentPoolProfiles[].osSKU", FieldType::Text),
    ("agentPoolProfiles[].orchestratorVersion", FieldType::Text),
    ("agentPoolProfiles[].vnetSubnetID", FieldType::Text),
    ("agentPoolProfiles[].enableAutoScaling", FieldType::Flag),
    ("agentPoolProfiles[].enableNodePublicIP", FieldType::Flag),
    ("agentPoolProfiles[].enableFIPS", FieldType::Flag),
    ("agentPoolProfiles[].availabilityZones", FieldType::Texts),
    ("agentPoolProfiles[].nodeTaints", FieldType::Texts),
    ("agentPoolProfiles[].nodeLabels", FieldType::Words),
    ("agentPoolProfiles[].tags", FieldType::Words),
    ("agentPoolProfiles[].upgradeSettings", FieldType::Object),
    ("agentPoolProfiles[].securityProfile", FieldType::Object),
    ("networkProfile", FieldType::Object),
    ("networkProfile.networkPlugin", FieldType::Text),
    ("networkProfile.networkPluginMode", FieldType::Text),
    ("networkProfile.networkPolicy", FieldType::Text),
    ("networkProfile.loadBalancerSku", FieldType::Text),
    ("networkProfile.loadBalancerProfile", FieldType::Object),
    ("networkProfile.natGatewayProfile", FieldType::Object),
    ("networkProfile.podCidr", FieldType::Text),
    ("networkProfile.serviceCidr", FieldType::Text),
    ("networkProfile.dnsServiceIP", FieldType::Text),
    ("networkProfile.podCidrs", FieldType::Texts),
    ("networkProfile.serviceCidrs", FieldType::Texts),
    ("networkProfile.ipFamilies", FieldType::Texts),
    ("podIdentityProfile", FieldType::Object),
    ("podIdentityProfile.enabled", FieldType::Flag),
    ("podIdentityProfile.allowNetworkPluginKubenet", FieldType::Flag),
    ("podIdentityProfile.userAssignedIdentities", FieldType::List),
    ("podIdentityProfile.userAssignedIdentityExceptions", FieldType::List),
    ("servicePrincipalProfile", FieldType::Object),
    ("servicePrincipalProfile.clientId", FieldType::Text),
    ("oidcIssuerProfile", FieldType::Object),
    ("oidcIssuerProfile.enabled", FieldType::Flag),
    ("addonProfiles", FieldType::Objects),
    ("addonProfiles.*.enabled", FieldType::Flag),
    ("addonProfiles.*.config", FieldType::Words),
    ("privateLinkResources", FieldType::List),
    ("aadProfile", FieldType::Object),
    ("aiToolchainOperatorProfile", FieldType::Object),
    ("apiServerAccessProfile", FieldType::Object),
    ("apiServerAccessProfile.authorizedIPRanges", FieldType::Texts),
    ("autoScalerProfile", FieldType::Words),
    ("autoUpgradeProfile", FieldType::Object),
    ("azureMonitorProfile", FieldType::Object),
    ("bootstrapProfile", FieldType::Object),
    ("controlPlanePluginProfiles", FieldType::Objects),
    ("hostedSystemProfile", FieldType::Object),
    ("httpProxyConfig", FieldType::Object),
    ("ingressProfile", FieldType::Object),
    ("linuxProfile", FieldType::Object),
    ("metricsProfile", FieldType::Object),
    ("nodeProvisioningProfile", FieldType::Object),
    ("nodeResourceGroupProfile", FieldType::Object),
    ("securityProfile", FieldType::Object),
    ("serviceMeshProfile", FieldType::Object),
    ("storageProfile", FieldType::Object),
    ("upgradeSettings", FieldType::Object),
    ("windowsProfile", FieldType::Object),
    ("workloadAutoScalerProfile", FieldType::Object),
];

fn invalid(parameter: &str, why: &str) -> Response {
    refusal(400, "InvalidParameter", format!("The value of parameter {parameter} is invalid. Error details: {why}"))
}

/// Rejects properties with wrong types or values.
pub fn check(asked: &Map<String, Value>) -> Result<(), Response> {
    if let Some(wrong) = field_types::mismatch(asked, TYPES) {
        let (is, field, due) = (wrong.actual, wrong.field.replace("[]", "").replace(".*", ""), wrong.expected.go_name());
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
    let valid = (1..=12).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !valid {
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

/// The name is also used as host name, user and context of a kubeconfig.
pub fn check_name(name: &str) -> Result<(), Response> {
    let ends = |c: char| c.is_ascii_alphanumeric();
    let valid = (1..=63).contains(&name.len())
        && name.starts_with(ends)
        && name.ends_with(ends)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if valid {
        return Ok(());
    }
    let why = "it must have 1 to 63 characters, only alphanumeric characters, underscores and hyphens, and start and end with an alphanumeric character.";
    Err(invalid("resourceName", why))
}

/// Rejects a change that would make the resource too large.
pub fn check_size(asked: &Map<String, Value>) -> Result<(), Response> {
    if asked.values().map(measure::size).sum::<usize>() <= LARGEST {
        return Ok(());
    }
    Err(refusal(413, "RequestContentTooLarge", "The size of the resource exceeds the maximum size of 4 MB."))
}
