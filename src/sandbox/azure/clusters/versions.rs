//! Which api-version introduced which field of a cluster's document. Clients of other versions do not see the field.
//!
//! The versions are those of the swagger, `specification/containerservice/resource-manager/Microsoft.ContainerService/aks` in
//! Azure/azure-rest-api-specs: the first stable and the first preview version whose `managedClusters.json` defines the field. Three rows
//! follow recorded answers instead: `eTag` is defined in 2024-09-01, but that version does not return it; `controlPlanePluginProfiles` is
//! in no swagger, but previews return it; `enableFIPS` of a cluster was returned before it was defined.

use serde_json::Value;

const NEVER: &str = "9999";

/// A field, its first stable version and its first preview. Fields are those of `properties`; `pool.` marks fields of a node pool and
/// `top.` fields of the document itself. If the old previews are no longer in the swagger, the stable version is used for both.
const SINCE: &[(&str, &str, &str)] = &[
    ("top.kind", "2025-07-01", "2024-02-02"),
    ("top.eTag", "2024-10-01", "2024-03-02"),
    ("top.identity", "2019-04-01", "2019-04-01"),
    ("top.sku", "2020-03-01", "2020-03-01"),
    ("apiServerAccessProfile", "2019-08-01", "2019-08-01"),
    ("apiServerAccessProfile.privateDNSZone", "2020-11-01", "2020-11-01"),
    ("apiServerAccessProfile.enablePrivateClusterPublicFQDN", "2021-05-01", "2021-05-01"),
    ("apiServerAccessProfile.disableRunCommand", "2021-08-01", "2021-08-01"),
    ("apiServerAccessProfile.enableVnetIntegration", "2025-03-01", "2022-04-02"),
    ("apiServerAccessProfile.subnetId", "2025-03-01", "2022-04-02"),
    ("aiToolchainOperatorProfile", "2025-05-01", "2023-09-02"),
    ("autoScalerProfile", "2020-02-01", "2020-02-01"),
    ("autoUpgradeProfile", "2020-11-01", "2020-11-01"),
    ("autoUpgradeProfile.nodeOSUpgradeChannel", "2023-06-01", "2022-10-02"),
    ("azureMonitorProfile", "2023-01-01", "2022-07-02"),
    ("azurePortalFQDN", "2021-02-01", "2021-02-01"),
    ("bootstrapProfile", "2025-01-01", "2024-01-02"),
    ("controlPlanePluginProfiles", NEVER, "2024-03-02"),
    ("currentKubernetesVersion", "2022-04-01", "2021-11-01"),
    ("disableLocalAccounts", "2021-03-01", "2021-03-01"),
    ("diskEncryptionSetID", "2020-01-01", "2020-01-01"),
    ("enableFIPS", "2026-07-01", "2025-10-02"),
    ("fqdnSubdomain", "2021-02-01", "2021-02-01"),
    ("hostedSystemProfile", "2026-02-01", "2025-08-02"),
    ("httpProxyConfig", "2021-03-01", "2021-03-01"),
    ("identityProfile", "2019-11-01", "2019-11-01"),
    ("ingressProfile", "2024-01-01", "2022-03-02"),
    ("ingressProfile.webAppRouting.nginx", "2025-02-01", "2024-06-02"),
    ("maxAgentPools", "2019-04-01", "2019-04-01"),
    ("metricsProfile", "2024-02-01", "2023-07-02"),
    ("networkProfile.advancedNetworking", "2024-09-01", "2024-03-02"),
    ("networkProfile.advancedNetworking.enabled", "2024-09-01", "2024-10-02"),
    ("networkProfile.ipFamilies", "2021-10-01", "2021-10-01"),
    ("networkProfile.loadBalancerProfile", "2019-08-01", "2019-08-01"),
    ("networkProfile.loadBalancerProfile.backendPoolType", "2023-10-01", "2022-08-02"),
    ("networkProfile.loadBalancerSku", "2019-04-01", "2019-04-01"),
    ("networkProfile.natGatewayProfile", "2021-07-01", "2021-07-01"),
    ("networkProfile.networkDataplane", "2023-02-01", "2023-02-02"),
    ("networkProfile.networkPluginMode", "2023-02-01", "2022-04-02"),
    ("networkProfile.outboundType", "2019-11-01", "2019-11-01"),
    ("networkProfile.podCidrs", "2021-10-01", "2021-10-01"),
    ("networkProfile.podLinkLocalAccess", NEVER, "2024-04-02"),
    ("networkProfile.serviceCidrs", "2021-10-01", "2021-10-01"),
    ("networkProfile.staticEgressGatewayProfile", "2025-04-01", "2024-02-02"),
    ("nodeProvisioningProfile", "2025-05-01", "2023-09-02"),
    ("nodeProvisioningProfile.defaultNodePools", "2025-05-01", "2025-03-02"),
    ("nodeResourceGroupProfile", "2024-09-01", "2022-11-02"),
    ("oidcIssuerProfile", "2022-09-01", "2021-11-01"),
    ("podIdentityProfile", "2020-11-01", "2020-11-01"),
    ("podIdentityProfile.allowNetworkPluginKubenet", "2021-02-01", "2021-02-01"),
    ("powerState", "2020-09-01", "2020-09-01"),
    ("privateFQDN", "2019-10-01", "2019-10-01"),
    ("privateLinkResources", "2021-03-01", "2021-03-01"),
    ("publicNetworkAccess", "2021-08-01", "2021-08-01"),
    ("resourceUID", "2023-08-01", "2023-07-02"),
    ("securityProfile", "2021-07-01", "2021-07-01"),
    ("securityProfile.azureKeyVaultKms", "2022-06-01", "2022-02-02"),
    ("securityProfile.customCATrustCertificates", "2025-01-01", "2022-09-02"),
    ("securityProfile.defender", "2022-06-01", "2022-05-02"),
    ("securityProfile.imageCleaner", "2023-02-01", "2022-07-02"),
    ("securityProfile.imageIntegrity", NEVER, "2023-06-02"),
    ("securityProfile.nodeRestriction", NEVER, "2022-06-02"),
    ("securityProfile.workloadIdentity", "2023-02-01", "2022-03-02"),
    ("serviceMeshProfile", "2023-08-01", "2023-02-02"),
    ("status", "2025-04-01", "2024-10-02"),
    ("storageProfile", "2022-04-01", "2022-04-02"),
    ("storageProfile.blobCSIDriver", "2022-09-01", "2022-05-02"),
    ("storageProfile.diskCSIDriver.version", NEVER, "2022-04-02"),
    ("supportPlan", "2023-03-01", "2023-03-02"),
    ("upgradeSettings", "2023-07-01", "2023-01-02"),
    ("windowsProfile", "2019-04-01", "2019-04-01"),
    ("workloadAutoScalerProfile", "2022-11-01", "2022-05-02"),
    ("workloadAutoScalerProfile.verticalPodAutoscaler", "2023-06-01", "2022-07-02"),
    ("pool.artifactStreamingProfile", "2026-03-01", "2023-09-02"),
    ("pool.capacityReservationGroupID", "2023-10-01", "2021-11-01"),
    ("pool.creationData", "2021-08-01", "2021-08-01"),
    ("pool.currentOrchestratorVersion", "2022-04-01", "2022-03-02"),
    ("pool.eTag", "2024-10-01", "2024-03-02"),
    ("pool.enableAutoScaling", "2019-02-01", "2019-02-01"),
    ("pool.enableCustomCATrust", NEVER, "2022-04-02"),
    ("pool.enableEncryptionAtHost", "2020-12-01", "2020-12-01"),
    ("pool.enableFIPS", "2021-03-01", "2021-03-01"),
    ("pool.enableNodePublicIP", "2019-06-01", "2019-06-01"),
    ("pool.enableUltraSSD", "2021-05-01", "2021-05-01"),
    ("pool.gpuInstanceProfile", "2021-03-01", "2021-03-01"),
    ("pool.gpuProfile", "2025-01-01", "2023-09-02"),
    ("pool.hostGroupID", "2022-06-01", "2022-01-02"),
    ("pool.kubeletConfig", "2020-11-01", "2020-11-01"),
    ("pool.kubeletDiskType", "2020-12-01", "2020-12-01"),
    ("pool.linuxOSConfig", "2020-11-01", "2020-11-01"),
    ("pool.messageOfTheDay", "2024-10-01", "2021-11-01"),
    ("pool.mode", "2020-03-01", "2020-03-01"),
    ("pool.networkProfile", "2023-10-01", "2022-08-03"),
    ("pool.nodeImageVersion", "2020-04-01", "2020-04-01"),
    ("pool.nodeLabels", "2019-11-01", "2019-11-01"),
    ("pool.nodePublicIPPrefixID", "2021-02-01", "2021-02-01"),
    ("pool.nodeTaints", "2019-06-01", "2019-06-01"),
    ("pool.orchestratorVersion", "2019-02-01", "2019-02-01"),
    ("pool.osDiskType", "2020-09-01", "2020-09-01"),
    ("pool.osSKU", "2021-03-01", "2021-03-01"),
    ("pool.podIPAllocationMode", "2025-04-01", "2024-01-02"),
    ("pool.podSubnetID", "2020-11-01", "2020-11-01"),
    ("pool.powerState", "2020-09-01", "2020-09-01"),
    ("pool.provisioningState", "2019-02-01", "2019-02-01"),
    ("pool.proximityPlacementGroupID", "2020-06-01", "2020-06-01"),
    ("pool.scaleDownMode", "2021-07-01", "2021-07-01"),
    ("pool.scaleSetPriority", "2019-06-01", "2019-06-01"),
    ("pool.scaleSetEvictionPolicy", "2019-06-01", "2019-06-01"),
    ("pool.securityProfile", "2024-07-01", "2023-06-02"),
    ("pool.securityProfile.enableSecureBoot", "2024-07-01", "2023-11-02"),
    ("pool.securityProfile.enableVTPM", "2024-07-01", "2023-11-02"),
    ("pool.securityProfile.sshAccess", "2025-08-01", "2023-06-02"),
    ("pool.spotMaxPrice", "2020-02-01", "2020-02-01"),
    ("pool.status", "2025-04-01", "2024-10-02"),
    ("pool.tags", "2019-11-01", "2019-11-01"),
    ("pool.type", "2019-02-01", "2019-02-01"),
    ("pool.upgradeSettings", "2020-04-01", "2020-04-01"),
    ("pool.upgradeSettings.drainTimeoutInMinutes", "2023-06-01", "2023-06-02"),
    ("pool.upgradeSettings.maxUnavailable", "2025-03-01", "2024-10-02"),
    ("pool.upgradeSettings.nodeSoakDurationInMinutes", "2023-11-01", "2023-09-02"),
    ("pool.upgradeSettings.undrainableNodeBehavior", "2025-03-01", "2024-04-02"),
    ("pool.upgradeStrategy", NEVER, "2025-08-02"),
    ("pool.virtualMachineNodesStatus", "2025-04-01", "2023-10-02"),
    ("pool.virtualMachinesProfile", "2025-04-01", "2023-10-02"),
    ("pool.windowsProfile", "2024-02-01", "2022-08-02"),
    ("pool.workloadRuntime", "2021-08-01", "2021-08-01"),
];

/// A field and the first version without it.
const UNTIL: &[(&str, &str)] = &[("enablePodSecurityPolicy", "2025-03-01"), ("networkProfile.dockerBridgeCidr", "2023-04-01")];

/// Returns whether this api-version has the fields introduced with the given versions.
pub fn has(api_version: &str, stable: &str, preview: &str) -> bool {
    api_version >= if api_version.ends_with("-preview") { preview } else { stable }
}

/// Removes the fields that this api-version does not have.
pub fn keep_known(document: &mut Value, api_version: &str) {
    let early = SINCE.iter().filter(|(_, stable, preview)| !has(api_version, stable, preview)).map(|(field, ..)| *field);
    let late = UNTIL.iter().filter(|(_, until)| api_version >= *until).map(|(field, _)| *field);
    early.chain(late).for_each(|field| take_field(document, field));
}

/// `field` is written as in `SINCE`.
pub fn take_field(document: &mut Value, field: &str) {
    if let Some(field) = field.strip_prefix("top.") {
        take(document, field);
    } else if let Some(field) = field.strip_prefix("pool.") {
        let pools = document["properties"]["agentPoolProfiles"].as_array_mut();
        pools.into_iter().flatten().for_each(|pool| take(pool, field));
    } else {
        take(&mut document["properties"], field);
    }
}

pub fn take(from: &mut Value, path: &str) {
    match path.split_once('.') {
        Some((at, rest)) => {
            if let Some(inner) = from.get_mut(at) {
                take(inner, rest);
            }
        }
        None => {
            if let Some(object) = from.as_object_mut() {
                object.shift_remove(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::keep_known;
    use serde_json::{Value, json};

    fn seen(api_version: &str) -> Value {
        let mut document = json!({"kind": "Base", "eTag": "1", "properties": {"bootstrapProfile": {"artifactSource": "Direct"},
            "nodeProvisioningProfile": {"mode": "Manual", "defaultNodePools": "Auto"}, "hostedSystemProfile": {"enabled": false},
            "enablePodSecurityPolicy": false, "storageProfile": {"diskCSIDriver": {"enabled": true, "version": "v1"}},
            "agentPoolProfiles": [{"name": "a", "enableNodePublicIP": false, "eTag": "2", "securityProfile": {"sshAccess": "LocalUser"}}]}});
        keep_known(&mut document, api_version);
        document
    }

    #[test]
    fn a_stable_version_shows_a_field_from_its_general_availability_on() {
        let (before, after) = (seen("2025-04-01"), seen("2025-08-01"));
        assert_eq!((before.get("kind"), after["kind"].as_str()), (None, Some("Base")));
        assert_eq!(before["properties"].get("nodeProvisioningProfile"), None);
        assert_eq!(after["properties"]["nodeProvisioningProfile"]["defaultNodePools"], "Auto");
        assert_eq!(before["properties"]["bootstrapProfile"]["artifactSource"], "Direct");
        assert_eq!(after["properties"].get("hostedSystemProfile"), None);
        assert_eq!(after["properties"]["storageProfile"]["diskCSIDriver"].get("version"), None);
        assert_eq!(after["properties"]["agentPoolProfiles"][0]["securityProfile"]["sshAccess"], "LocalUser");
        assert_eq!(seen("2024-09-01").get("eTag"), None);
        assert_eq!(seen("2019-02-01")["properties"]["agentPoolProfiles"][0].get("enableNodePublicIP"), None);
    }

    #[test]
    fn a_preview_shows_a_field_before_the_stable_versions_do() {
        let preview = seen("2024-04-02-preview");
        assert_eq!((preview["kind"].as_str(), preview["eTag"].as_str()), (Some("Base"), Some("1")));
        assert_eq!(preview["properties"]["nodeProvisioningProfile"], json!({"mode": "Manual"}));
        assert_eq!(preview["properties"]["storageProfile"]["diskCSIDriver"]["version"], "v1");
        assert_eq!(seen("2023-10-02-preview").get("kind"), None);
    }

    #[test]
    fn a_removed_field_is_not_shown_by_later_versions() {
        assert_eq!(seen("2025-02-02-preview")["properties"]["enablePodSecurityPolicy"], false);
        assert_eq!(seen("2025-03-01")["properties"].get("enablePodSecurityPolicy"), None);
    }
}
