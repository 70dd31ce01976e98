//! What of a cluster's settings stands in the way of pod identity (MIC and NMI, or the AKS add-on), each with its reason.
//! Sources: the AKS documentation (virtual-machines-node-pools, imds-restriction, node-resource-group-lockdown, deployment-safeguards),
//! and Azure/aad-pod-identity.

use super::Cluster;
use serde::Serialize;

/// How much of pod identity an obstacle affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// No pod of the cluster gets a token.
    Blocks,
    /// AKS refuses the add-on; MIC and NMI work.
    BlocksAddon,
    /// It works in part, or only with consent.
    Warns,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// The word for it, such as `imds-restriction`.
    pub sign: &'static str,
    pub effect: Effect,
    pub reason: String,
    pub way_out: &'static str,
}

/// Returns the obstacles of a cluster, those that block first.
pub fn pod_identity_obstacles(cluster: &Cluster) -> Vec<Obstacle> {
    let mut all = Vec::new();
    let mut add = |sign, effect, reason: String, way_out| all.push(Obstacle { sign, effect, reason, way_out });
    let is = |value: &Option<String>, word: &str| value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case(word));
    let pools = |fits: &dyn Fn(&super::Pool) -> bool| {
        cluster.pools.iter().filter(|pool| fits(pool)).map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if is(&cluster.node_group_restriction, "ReadOnly") {
        add(
            "locked-node-group",
            Effect::Blocks,
            "the node resource group is locked (nodeResourceGroupProfile.restrictionLevel is ReadOnly), so MIC may not assign identities to the nodes".to_owned(),
            "Unlock it with `az aks update --nrg-lockdown-restriction-level Unrestricted`, or use workload identity.",
        );
    }
    if is(&cluster.pod_link_local_access, "None") {
        add(
            "imds-restriction",
            Effect::Blocks,
            "the cluster restricts the metadata service (IMDS restriction), so a pod's request for a token never reaches NMI".to_owned(),
            "Turn the restriction off with `az aks update --disable-imds-restriction`, or use workload identity.",
        );
    }
    if is(&cluster.sku, "Automatic") {
        add(
            "automatic",
            Effect::Blocks,
            "AKS Automatic refuses pods that use the host's network or paths, and NMI and MIC need both".to_owned(),
            "Use workload identity.",
        );
    } else if is(&cluster.safeguards, "Enforce") || is(&cluster.safeguards, "Enforcement") {
        add(
            "safeguards",
            Effect::Blocks,
            "Deployment Safeguards are enforced, and refuse pods that use the host's network or paths; NMI and MIC need both".to_owned(),
            "Exclude the namespace of pod identity from the safeguards, or use workload identity.",
        );
    }
    let machines = pools(&|pool| is(&pool.kind, "VirtualMachines"));
    if !machines.is_empty() {
        add(
            "virtual-machines",
            Effect::BlocksAddon,
            format!(
                "the node pools {machines} consist of single virtual machines: the add-on only works with scale sets, and MIC assigns an identity to each machine by itself"
            ),
            "Add a pool of type VirtualMachineScaleSets and schedule the pods there.",
        );
    }
    if cluster.service_principal_client_id.is_some() {
        add(
            "service-principal",
            Effect::BlocksAddon,
            "the cluster uses a service principal: \"PodIdentity addon requires managed identity.\"".to_owned(),
            "Install MIC and NMI instead of the add-on, or change the cluster with `az aks update --enable-managed-identity`.",
        );
    }
    if is(&cluster.node_provisioning, "Auto") {
        add(
            "node-auto-provisioning",
            Effect::Warns,
            "node auto-provisioning adds and removes single machines at any time: a new node has no identity until MIC has assigned it"
                .to_owned(),
            "Schedule the pods to a pool that is not provisioned automatically, or use workload identity.",
        );
    }
    if is(&cluster.network_plugin, "kubenet") {
        add(
            "kubenet",
            Effect::Warns,
            "the cluster uses kubenet: any pod can pretend to have another pod's address (ARP spoofing), and so get its identity"
                .to_owned(),
            "Use a cluster with Azure CNI, or consent to the risk and drop NET_RAW from all pods.",
        );
    }
    let windows = pools(&|pool| is(&pool.os, "Windows"));
    if !windows.is_empty() {
        add(
            "windows",
            Effect::Warns,
            format!("the node pools {windows} run Windows, where there is no NMI: pods there get no token"),
            "Schedule the pods to Linux nodes.",
        );
    }
    if cluster.addons.iter().any(|addon| addon.eq_ignore_ascii_case("azurepolicy")) {
        add(
            "azure-policy",
            Effect::Warns,
            "Azure Policy for Kubernetes is on: policies about the host's network, host paths or capabilities refuse NMI and MIC"
                .to_owned(),
            "Exclude the namespace of pod identity from those policy assignments.",
        );
    }
    all.sort_by_key(|one| one.effect as u8);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::clusters::parse;
    use serde_json::{Value, json};

    fn signs(change: impl FnOnce(&mut Value)) -> Vec<(&'static str, Effect)> {
        let mut document = json!({
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks", "location": "westeurope",
            "sku": { "name": "Base", "tier": "Free" },
            "properties": { "networkProfile": { "networkPlugin": "azure", "podLinkLocalAccess": "IMDS" },
                "servicePrincipalProfile": { "clientId": "msi" }, "nodeProvisioningProfile": { "mode": "Manual" },
                "nodeResourceGroupProfile": { "restrictionLevel": "Unrestricted" },
                "agentPoolProfiles": [{ "name": "pool1", "type": "VirtualMachineScaleSets", "osType": "Linux", "count": 2, "vmSize": "s" }] },
        });
        change(&mut document);
        pod_identity_obstacles(&parse(&document).unwrap()).into_iter().map(|one| (one.sign, one.effect)).collect()
    }

    #[test]
    fn a_plain_cluster_has_no_obstacle() {
        assert_eq!(signs(|_| {}), []);
    }

    #[test]
    fn each_sign_has_its_effect() {
        let of = |pointer: &'static str, value: Value| {
            signs(move |document| {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                document.pointer_mut(parent).unwrap()[name] = value;
            })
        };
        assert_eq!(
            of("/properties/nodeResourceGroupProfile", json!({"restrictionLevel": "ReadOnly"})),
            [("locked-node-group", Effect::Blocks)]
        );
        assert_eq!(of("/properties/networkProfile/podLinkLocalAccess", json!("None")), [("imds-restriction", Effect::Blocks)]);
        assert_eq!(of("/sku/name", json!("Automatic")), [("automatic", Effect::Blocks)]);
        assert_eq!(of("/properties/safeguardsProfile", json!({"level": "Enforcement"})), [("safeguards", Effect::Blocks)]);
        assert_eq!(of("/properties/servicePrincipalProfile/clientId", json!("app")), [("service-principal", Effect::BlocksAddon)]);
        assert_eq!(of("/properties/nodeProvisioningProfile/mode", json!("Auto")), [("node-auto-provisioning", Effect::Warns)]);
        assert_eq!(of("/properties/networkProfile/networkPlugin", json!("Kubenet")), [("kubenet", Effect::Warns)]);
        assert_eq!(of("/properties/addonProfiles", json!({"azurepolicy": {"enabled": true}})), [("azure-policy", Effect::Warns)]);
        let pool = |field: &str, value: &str| json!([{ "name": "p", field: value }]);
        assert_eq!(of("/properties/agentPoolProfiles", pool("type", "VirtualMachines")), [("virtual-machines", Effect::BlocksAddon)]);
        assert_eq!(of("/properties/agentPoolProfiles", pool("osType", "Windows")), [("windows", Effect::Warns)]);
    }

    #[test]
    fn what_blocks_comes_first() {
        let found = signs(|document| {
            document["properties"]["networkProfile"]["networkPlugin"] = json!("kubenet");
            document["sku"]["name"] = json!("Automatic");
        });
        assert_eq!(found, [("automatic", Effect::Blocks), ("kubenet", Effect::Warns)]);
    }
}
