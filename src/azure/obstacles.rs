//! What of a cluster's settings stands in the way of pod identity (MIC and NMI, or the AKS add-on), each with its reason.
//! Sources: the AKS documentation (virtual-machines-node-pools, imds-restriction, node-resource-group-lockdown, deployment-safeguards),
//! and Azure/aad-pod-identity.

use super::{ArmId, Cluster};
use serde::Serialize;

/// What an obstacle does to one way of running pod identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    #[default]
    None,
    /// It works in part, or may be refused.
    Warns,
    /// It works, but only whoever runs the cluster can accept the risk.
    NeedsConsent,
    /// No pod gets a token.
    Blocks,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// The word for it, such as `imds-restriction`.
    pub sign: &'static str,
    /// On MIC and NMI that somebody installs.
    pub effect: Effect,
    /// On the AKS add-on.
    pub addon_effect: Effect,
    /// A clause about "it", the cluster.
    pub reason: String,
    pub way_out: &'static str,
}

impl Obstacle {
    /// Returns the way out, with the cluster's name in its commands.
    pub fn way_out_of(&self, cluster: &ArmId) -> String {
        let place = format!("-g {} -n {}", cluster.group_name().unwrap_or_default(), cluster.name());
        self.way_out.replace("-g GROUP -n CLUSTER", &place)
    }
}

/// The word for a cluster whose pods can pretend to be others.
pub const KUBENET: &str = "kubenet";
/// The word for enforced Deployment Safeguards.
pub const SAFEGUARDS: &str = "safeguards";
/// The first version without the add-on in the list of components (AKS documentation, "supported Kubernetes versions").
const WITHOUT_ADDON: u32 = 31;

/// Returns the obstacles of a cluster, those that block first.
pub fn pod_identity_obstacles(cluster: &Cluster) -> Vec<Obstacle> {
    use Effect::{Blocks, NeedsConsent, None, Warns};
    let mut all = Vec::new();
    let mut add = |sign, effect, addon_effect, reason: String, way_out| all.push(Obstacle { sign, effect, addon_effect, reason, way_out });
    let is = |value: &Option<String>, word: &str| value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case(word));
    let pools = |fits: &dyn Fn(&super::Pool) -> bool| {
        cluster.pools.iter().filter(|pool| fits(pool)).map(|pool| pool.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if is(&cluster.node_group_restriction, "ReadOnly") {
        let reason = "its node resource group is locked (restrictionLevel is ReadOnly), so MIC may not assign identities to the nodes";
        let way_out =
            "Unlock it with `az aks update -g GROUP -n CLUSTER --nrg-lockdown-restriction-level Unrestricted`, or use workload identity.";
        add("locked-node-group", Blocks, Blocks, reason.to_owned(), way_out);
    }
    if is(&cluster.sku, "Automatic") {
        let reason = "it is an AKS Automatic cluster, which refuses pods that use the host's network or paths; NMI and MIC need both";
        add("automatic", Blocks, Blocks, reason.to_owned(), "Use another cluster, or workload identity.");
    } else if is(&cluster.safeguards, "Enforce") || is(&cluster.safeguards, "Enforcement") {
        let reason = "its Deployment Safeguards are enforced, and refuse pods that use the host's network or paths, as NMI and MIC do";
        let way_out =
            "Exclude the namespace: `az aks safeguards update -g GROUP -n CLUSTER --excluded-ns NAMESPACE`; or use workload identity.";
        add(SAFEGUARDS, Blocks, Warns, reason.to_owned(), way_out);
    }
    let machines = pools(&|pool| pool.kind.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("VirtualMachineScaleSets")));
    if !machines.is_empty() {
        let reason = format!(
            "its node pools {machines} are no scale sets: the add-on works on scale sets only, and MIC assigns identities to each machine by itself"
        );
        add("virtual-machines", Warns, Blocks, reason, "Add a pool of the type VirtualMachineScaleSets, and keep the pods on its nodes.");
    }
    if cluster.service_principal_client_id.is_some() {
        let reason = "it has a service principal, and the add-on requires a managed identity".to_owned();
        let way_out = "Give the cluster a managed identity: `az aks update -g GROUP -n CLUSTER --enable-managed-identity`; or bind with `--mode pod-identity`.";
        add("service-principal", None, Blocks, reason, way_out);
    }
    if is(&cluster.node_provisioning, "Auto") {
        let reason = "it provisions its nodes automatically: these are single machines, which come and go without identities".to_owned();
        add(
            "node-auto-provisioning",
            Warns,
            Blocks,
            reason,
            "Keep the pods on a pool that is not provisioned automatically, or use workload identity.",
        );
    }
    if is(&cluster.network_plugin, "kubenet") {
        let reason =
            "it uses kubenet, where a pod with the capability NET_RAW can pretend to be another pod and get its identity".to_owned();
        add(KUBENET, NeedsConsent, NeedsConsent, reason, "Forbid NET_RAW by a policy and consent, or use a cluster with Azure CNI.");
    }
    if is(&cluster.pod_link_local_access, "None") {
        let reason =
            "it restricts the metadata service, so requests of pods for tokens never reach NMI; mounts by the CSI driver still work";
        let way_out = "Turn the restriction off with `az aks update -g GROUP -n CLUSTER --disable-imds-restriction` (of the extension aks-preview), or use workload identity.";
        add("imds-restriction", Warns, Warns, reason.to_owned(), way_out);
    }
    let windows = pools(&|pool| is(&pool.os, "Windows"));
    if !windows.is_empty() {
        let reason = format!("its node pools {windows} run Windows, where NMI does not run");
        add("windows", Warns, Warns, reason, "Keep the pods on Linux nodes with the node selector `kubernetes.io/os: linux`.");
    }
    if cluster.addons.iter().any(|addon| addon.eq_ignore_ascii_case("azurepolicy")) {
        let reason = "Azure Policy for Kubernetes is on: policies about the host's network, host paths or capabilities refuse NMI and MIC";
        add("azure-policy", Warns, Warns, reason.to_owned(), "Exclude the namespace of pod identity from those policy assignments.");
    }
    let version = cluster.kubernetes_version.as_deref().unwrap_or_default();
    if version.split('.').nth(1).and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| minor >= WITHOUT_ADDON) {
        let reason = format!("it runs Kubernetes {version}, and the add-on is documented up to 1.30");
        add("version", None, Warns, reason, "Look whether NMI runs after this: `kubectl get pods -n kube-system | grep nmi`.");
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.effect.max(one.addon_effect)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::clusters::parse;
    use serde_json::{Value, json};

    fn signs(change: impl FnOnce(&mut Value)) -> Vec<(&'static str, Effect, Effect)> {
        let mut document = json!({
            "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks", "location": "westeurope",
            "sku": { "name": "Base", "tier": "Free" },
            "properties": { "networkProfile": { "networkPlugin": "azure", "podLinkLocalAccess": "IMDS" },
                "servicePrincipalProfile": { "clientId": "msi" }, "nodeProvisioningProfile": { "mode": "Manual" },
                "nodeResourceGroupProfile": { "restrictionLevel": "Unrestricted" }, "currentKubernetesVersion": "1.30.5",
                "agentPoolProfiles": [{ "name": "pool1", "type": "VirtualMachineScaleSets", "osType": "Linux", "count": 2, "vmSize": "s" }] },
        });
        change(&mut document);
        pod_identity_obstacles(&parse(&document).unwrap()).into_iter().map(|one| (one.sign, one.effect, one.addon_effect)).collect()
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
        let pool = |field: &str, value: &str| json!([{ "name": "p", field: value }]);
        let (none, warns, consent, blocks) = (Effect::None, Effect::Warns, Effect::NeedsConsent, Effect::Blocks);
        let all = [
            ("/properties/nodeResourceGroupProfile", json!({"restrictionLevel": "ReadOnly"}), ("locked-node-group", blocks, blocks)),
            ("/sku/name", json!("Automatic"), ("automatic", blocks, blocks)),
            ("/properties/safeguardsProfile", json!({"level": "Enforcement"}), (SAFEGUARDS, blocks, warns)),
            ("/properties/agentPoolProfiles", pool("type", "VirtualMachines"), ("virtual-machines", warns, blocks)),
            ("/properties/servicePrincipalProfile/clientId", json!("app"), ("service-principal", none, blocks)),
            ("/properties/nodeProvisioningProfile/mode", json!("Auto"), ("node-auto-provisioning", warns, blocks)),
            ("/properties/networkProfile/networkPlugin", json!("Kubenet"), (KUBENET, consent, consent)),
            ("/properties/networkProfile/podLinkLocalAccess", json!("None"), ("imds-restriction", warns, warns)),
            ("/properties/agentPoolProfiles", pool("osType", "Windows"), ("windows", warns, warns)),
            ("/properties/addonProfiles", json!({"azurepolicy": {"enabled": true}}), ("azure-policy", warns, warns)),
            ("/properties/currentKubernetesVersion", json!("1.33.5"), ("version", none, warns)),
        ];
        for (pointer, value, expected) in all {
            assert_eq!(of(pointer, value), [expected]);
        }
    }

    #[test]
    fn what_blocks_comes_first() {
        let found = signs(|document| {
            document["properties"]["networkProfile"]["networkPlugin"] = json!("kubenet");
            document["sku"]["name"] = json!("Automatic");
        });
        assert_eq!(found, [("automatic", Effect::Blocks, Effect::Blocks), (KUBENET, Effect::NeedsConsent, Effect::NeedsConsent)]);
    }
}
