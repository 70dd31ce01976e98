//! Signs in a cluster's document that the add-on cannot work there, or not for all pods. Nothing is guessed from fields that are missing.

use serde_json::Value;

/// An obstacle, and the way out.
#[derive(Debug, PartialEq)]
pub(super) struct Obstacle {
    pub text: String,
    pub way_out: &'static str,
    /// Whether the add-on cannot work at all.
    pub is_fatal: bool,
}

const OTHER_CLUSTER: &str = "Use another cluster, or a mode that needs no managed identity on the nodes.";
/// The first version without the add-on in the list of components (AKS documentation, "supported Kubernetes versions").
const WITHOUT_ADDON: u32 = 31;

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is(document: &Value, pointer: &str, word: &str) -> bool {
    text(document, pointer).eq_ignore_ascii_case(word)
}

/// `consents`: to kubenet.
pub(super) fn of(document: &Value, consents: bool) -> Vec<Obstacle> {
    let mut all = Vec::new();
    let mut add = |is_fatal, text: String, way_out| all.push(Obstacle { text, way_out, is_fatal });
    let client = text(document, "/properties/servicePrincipalProfile/clientId");
    if document.pointer("/identity/type").is_none() && !client.is_empty() && !client.eq_ignore_ascii_case("msi") {
        let way = "Give the cluster a managed identity: `az aks update -g GROUP -n CLUSTER --enable-managed-identity`; or bind with `--mode pod-identity`.";
        add(true, "it has a service principal, and the add-on requires a managed identity".to_owned(), way);
    }
    if is(document, "/properties/networkProfile/networkPlugin", "kubenet") && !consents {
        let way =
            "Accept it with `--kubenet allow` (in a spec: `kubenet: allow`) if a policy keeps NET_RAW from all pods, or use Azure CNI.";
        add(true, "it uses kubenet, where a pod with NET_RAW can get the tokens of other pods".to_owned(), way);
    }
    let pools = document.pointer("/properties/agentPoolProfiles").and_then(Value::as_array);
    for pool in pools.into_iter().flatten() {
        let (name, kind) = (text(pool, "/name"), text(pool, "/type"));
        if !kind.is_empty() && !kind.eq_ignore_ascii_case("VirtualMachineScaleSets") {
            add(true, format!("its node pool {name} is of the type {kind}, and the add-on works on scale sets only"), OTHER_CLUSTER);
        }
        if is(pool, "/osType", "Windows") {
            let way = "Keep the pods on Linux nodes with the node selector kubernetes.io/os: linux.";
            add(false, format!("its node pool {name} runs Windows, where NMI does not run"), way);
        }
    }
    if is(document, "/properties/nodeProvisioningProfile/mode", "Auto") {
        let what = "it provisions its nodes automatically: these are single machines, which the add-on gives no identities";
        add(true, what.to_owned(), OTHER_CLUSTER);
    }
    if is(document, "/sku/name", "Automatic") {
        add(true, "it is an AKS Automatic cluster, whose policies do not allow NMI".to_owned(), OTHER_CLUSTER);
    }
    if is(document, "/properties/networkProfile/podLinkLocalAccess", "None") {
        let way =
            "Pods with CSI mounts are not affected. For tokens in pods: `az aks update -g GROUP -n CLUSTER --disable-imds-restriction`.";
        add(false, "it restricts the metadata service, so requests of pods for tokens never reach NMI".to_owned(), way);
    }
    if ["Enforcement", "Enforce"].iter().any(|level| is(document, "/properties/safeguardsProfile/level", level)) {
        let way = "Exclude the namespace of a pod that is refused: `az aks update -g GROUP -n CLUSTER --safeguards-excluded-ns NAMESPACE`.";
        add(false, "its Deployment Safeguards are enforced, and may refuse the pods of a proof".to_owned(), way);
    }
    let version = text(document, "/properties/currentKubernetesVersion");
    if version.split('.').nth(1).and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| minor >= WITHOUT_ADDON) {
        let way = "Look whether NMI runs after this: `kubectl get pods -n kube-system | grep nmi`.";
        add(false, format!("it runs Kubernetes {version}, and the add-on is documented up to 1.30"), way);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(change: impl FnOnce(&mut Value)) -> Value {
        let mut document = json!({"identity": {"type": "SystemAssigned"}, "sku": {"name": "Base"}, "properties": {
            "currentKubernetesVersion": "1.30.5", "servicePrincipalProfile": {"clientId": "msi"}, "networkProfile": {"networkPlugin": "azure"},
            "agentPoolProfiles": [{"name": "pool", "type": "VirtualMachineScaleSets", "osType": "Linux"}]}});
        change(&mut document);
        document
    }

    fn said(document: &Value, consents: bool) -> String {
        let line = |o: Obstacle| format!("{}: {}", if o.is_fatal { "refused" } else { "warning" }, o.text);
        of(document, consents).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_plain_cluster_has_no_obstacle() {
        assert_eq!(said(&cluster(|_| ()), false), "");
    }

    #[test]
    fn a_service_principal_kubenet_and_nodes_outside_of_scale_sets_are_refused() {
        let by_principal = cluster(|c| {
            c["properties"]["servicePrincipalProfile"]["clientId"] = json!("0000");
            c.as_object_mut().unwrap().remove("identity");
        });
        assert_eq!(said(&by_principal, false), "refused: it has a service principal, and the add-on requires a managed identity");
        let kubenet = cluster(|c| c["properties"]["networkProfile"]["networkPlugin"] = json!("Kubenet"));
        assert!(said(&kubenet, false).starts_with("refused: it uses kubenet"));
        assert_eq!(said(&kubenet, true), "");
        let machines = cluster(|c| c["properties"]["agentPoolProfiles"][0]["type"] = json!("VirtualMachines"));
        assert!(said(&machines, false).starts_with("refused: its node pool pool is of the type VirtualMachines"));
        let automatic = cluster(|c| {
            c["sku"]["name"] = json!("Automatic");
            c["properties"]["nodeProvisioningProfile"] = json!({"mode": "Auto"});
        });
        assert_eq!(said(&automatic, false).matches("refused: ").count(), 2);
    }

    #[test]
    fn what_fails_only_for_some_pods_is_a_warning() {
        let odd = cluster(|c| {
            let properties = &mut c["properties"];
            properties["agentPoolProfiles"][0]["osType"] = json!("Windows");
            properties["networkProfile"]["podLinkLocalAccess"] = json!("None");
            properties["safeguardsProfile"] = json!({"level": "Enforcement"});
            properties["currentKubernetesVersion"] = json!("1.33.5");
        });
        assert_eq!(said(&odd, false).matches("warning: ").count(), 4, "{}", said(&odd, false));
        assert!(!said(&odd, false).contains("refused"));
    }
}
