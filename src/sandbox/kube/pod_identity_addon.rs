//! The objects that the pod identity add-on of AKS installs: NMI in managed mode with its custom resources in `kube-system`, and for each
//! entry of the cluster's profile an AzureIdentity with its binding, or an exception.

use super::addons::{MARK, Placed, account, container, daemon_set, placed, role};
use serde_json::{Value, json};

pub const GROUP: &str = "aadpodidentity.k8s.io";
const NMI: &str = "nmi";

fn custom(kind: &str, plural: &str, namespace: &str, name: &str, spec: Value) -> Placed {
    let object = json!({"metadata": {"annotations": {"aadpodidentity.k8s.io/Behavior": "namespaced"}}, "spec": spec});
    placed(&format!("{GROUP}/v1"), kind, plural, Some(namespace), name, object)
}

/// Returns an exception for pods with these labels.
pub fn exception(namespace: &str, name: &str, labels: &Value) -> Placed {
    custom("AzurePodIdentityException", "azurepodidentityexceptions", namespace, name, json!({ "podLabels": labels }))
}

/// Returns the AzureIdentity of an entry.
pub fn identity(namespace: &str, name: &str, resource_id: &str, client_id: &str) -> Placed {
    let spec = json!({"type": 0, "resourceID": resource_id, "clientID": client_id});
    custom("AzureIdentity", "azureidentities", namespace, name, spec)
}

/// Returns the AzureIdentityBinding of an entry.
pub fn binding(namespace: &str, name: &str, selector: &str) -> Placed {
    let spec = json!({"azureIdentity": name, "selector": selector});
    custom("AzureIdentityBinding", "azureidentitybindings", namespace, &format!("{name}-binding"), spec)
}

/// Returns the definitions of the custom resources. Managed mode has no AzureAssignedIdentities.
pub fn definitions() -> Vec<Placed> {
    let all = podid_crds::all().into_iter().filter(|crd| crd["spec"]["group"] == GROUP);
    all.filter(|crd| crd["spec"]["names"]["kind"] != "AzureAssignedIdentity")
        .map(|crd| {
            let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            placed("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", None, &name, crd)
        })
        .collect()
}

/// Returns NMI with its rights and the exception for the pods of AKS itself.
pub fn nmi() -> Vec<Placed> {
    let group = json!([GROUP]);
    let rules = json!([
        {"verbs": ["get", "list"], "apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"]},
        {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]},
        {
            "verbs": ["get", "list", "watch"], "apiGroups": group,
            "resources": ["azureidentitybindings", "azureidentities", "azurepodidentityexceptions"],
        },
    ]);
    let image = "mcr.microsoft.com/oss/azure/aad-pod-identity/nmi:v1.8.18";
    let args = ["--node=$(NODE_NAME)", "--http-probe-port=8085", "--operation-mode=managed", "--forceNamespaced=true"];
    let spec = json!({"containers": [container(NMI, image, &args)], "hostNetwork": true});
    let mut all = vec![account("aad-pod-id-nmi-service-account")];
    all.extend(role("aad-pod-id-nmi-role", "aad-pod-id-nmi-service-account", rules));
    all.push(exception("kube-system", "aks-addon-exception", &json!({MARK.0: MARK.1})));
    let (path, mut set) = daemon_set(NMI, NMI, spec);
    set["spec"]["template"]["spec"]["serviceAccountName"] = json!("aad-pod-id-nmi-service-account");
    all.push((path, set));
    all
}
