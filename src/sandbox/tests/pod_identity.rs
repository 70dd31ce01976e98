//! The pod identity add-on: when ARM refuses it, what it puts on the nodes and into the cluster, and that a pod gets its secret by it.

use super::lab::{Cluster, NAMESPACE, mounted};
use super::*;
use crate::Options;

const FEATURE: &str = "/providers/Microsoft.Features/providers/Microsoft.ContainerService/features/EnablePodIdentityPreview";
const GROUP: &str = "/apis/aadpodidentity.k8s.io/v1";
const NMI: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/nmi";

async fn lab(bare: bool) -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { bare, ..options(dir.path(), Lateness::None) };
    Lab::with(dir, options).await
}

fn path(lab: &Lab, name: &str) -> String {
    format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", lab.group())
}

async fn register(lab: &Lab) {
    let at = format!("{}{FEATURE}", lab.subscription());
    lab.arm("POST", &format!("{at}/register"), None).await;
    assert_eq!(lab.arm("GET", &at, None).await.body["properties"]["state"], "Registered");
}

/// Reads a cluster, changes its profile, and writes it back, as az does.
async fn change(lab: &Lab, name: &str, profile: impl FnOnce(&mut Value)) -> Answer {
    let mut body = lab.arm("GET", &path(lab, name), None).await.body;
    profile(&mut body["properties"]["podIdentityProfile"]);
    lab.arm("PUT", &path(lab, name), Some(body)).await
}

async fn enable(lab: &Lab, name: &str) -> Answer {
    change(lab, name, |profile| *profile = json!({"enabled": true})).await
}

fn entry(name: &str, identity: &Value) -> Value {
    let of = |field: &str| identity["properties"][field].clone();
    json!({"name": name, "namespace": NAMESPACE, "identity":
        {"resourceId": identity["id"], "clientId": of("clientId"), "objectId": of("principalId")}})
}

async fn set(lab: &Lab, entries: Value) -> Answer {
    change(lab, "aks-mi", |profile| profile["userAssignedIdentities"] = entries).await
}

async fn control_plane(lab: &Lab) -> String {
    lab.arm("GET", &path(lab, "aks-mi"), None).await.body["identity"]["principalId"].as_str().unwrap().to_owned()
}

async fn on_the_nodes(lab: &Lab) -> Vec<String> {
    let group = lab.arm("GET", &path(lab, "aks-mi"), None).await.body["properties"]["nodeResourceGroup"].as_str().unwrap().to_owned();
    let sets = format!("{}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachineScaleSets", lab.subscription());
    let set = lab.arm("GET", &sets, None).await.body["value"][0].clone();
    set["identity"]["userAssignedIdentities"].as_object().unwrap().keys().map(|id| id.rsplit('/').next().unwrap().to_owned()).collect()
}

fn refusal(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default(), answer.body["message"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn the_add_on_needs_the_feature_a_managed_identity_and_consent_on_kubenet() {
    let lab = lab(true).await;
    let text = "PodIdentity addon is not allowed since feature 'Microsoft.ContainerService/EnablePodIdentityPreview' is not enabled.";
    assert_eq!(refusal(&enable(&lab, "aks-mi").await), (400, "BadRequest", text));
    register(&lab).await;
    assert_eq!(refusal(&enable(&lab, "aks-sp").await), (400, "BadRequest", "PodIdentity addon requires managed identity."));
    let with_kubenet = async |profile: Value| {
        let body = json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"dnsPrefix": "kube",
            "agentPoolProfiles": [{"name": "one", "count": 1}], "networkProfile": {"networkPlugin": "kubenet"}, "podIdentityProfile": profile}});
        lab.arm("PUT", &path(&lab, "kube"), Some(body)).await
    };
    let text = "Network plugin kubenet is not supported to use with PodIdentity addon.";
    assert_eq!(refusal(&with_kubenet(json!({"enabled": true})).await), (400, "BadRequest", text));
    let allowed = json!({"enabled": true, "allowNetworkPluginKubenet": true});
    assert_eq!(with_kubenet(allowed).await.status, 201);
    assert_eq!(enable(&lab, "aks-mi").await.status, 200);
}

#[tokio::test]
async fn an_entry_needs_an_identity_that_the_control_plane_may_assign() {
    let lab = lab(true).await;
    register(&lab).await;
    enable(&lab, "aks-mi").await;
    let (web, api) = (lab.identity("web").await, lab.identity("api").await);
    let refused = set(&lab, json!([entry("web", &web)])).await;
    let (status, code, text) = refusal(&refused);
    assert_eq!((status, code), (400, "PodIdentityAddonIdentitiesAssignmentError"));
    assert!(text.contains(web["id"].as_str().unwrap()) && text.contains("'Managed Identity Operator'"), "{text}");
    let principal = control_plane(&lab).await;
    for identity in [&web, &api] {
        assert_eq!(lab.assign(identity["id"].as_str().unwrap(), OPERATOR, &principal).await.status, 201);
    }
    for missing in ["name", "namespace", "identity"] {
        let mut entry = entry("web", &web);
        entry.as_object_mut().unwrap().remove(missing);
        assert_eq!(set(&lab, json!([entry])).await.body["code"], "InvalidParameter", "{missing}");
    }
    assert_eq!(set(&lab, json!([entry("web", &web), entry("api", &api)])).await.status, 200);
    let retargeted = set(&lab, json!([entry("web", &api)])).await;
    let text = format!(
        "Found pod identities use different identities with the same name 'web' in namespace '{NAMESPACE}'. Please update the pod identity name."
    );
    assert_eq!(refusal(&retargeted), (400, "BadRequest", text.as_str()));
    // an identity that is gone fails every change of the cluster, until its entry is gone, too
    lab.arm("DELETE", api["id"].as_str().unwrap(), None).await;
    let tagged = change(&lab, "aks-mi", |_| ()).await;
    assert_eq!(tagged.body["code"], "PodIdentityAddonIdentitiesAssignmentError");
    assert!(tagged.body["message"].as_str().unwrap().contains("/api'") || tagged.body["message"].to_string().contains("/api "));
    assert_eq!(set(&lab, json!([entry("web", &web)])).await.status, 200);
}

#[tokio::test]
async fn a_new_cluster_cannot_have_entries() {
    let lab = lab(true).await;
    register(&lab).await;
    let web = lab.identity("web").await;
    let body = json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"dnsPrefix": "new",
        "agentPoolProfiles": [{"name": "one", "count": 1}], "networkProfile": {"networkPlugin": "azure"},
        "podIdentityProfile": {"enabled": true, "userAssignedIdentities": [entry("web", &web)]}}});
    let refused = lab.arm("PUT", &path(&lab, "new"), Some(body)).await;
    assert_eq!(refused.body["code"], "PodIdentityAddonUserAssignedIdentitiesNotAllowedInCreation");
}

async fn list(cluster: &Cluster, plural: &str) -> Vec<String> {
    let all = cluster.ask("GET", &format!("{GROUP}/{plural}"), None).await.body["items"].as_array().unwrap().clone();
    all.iter().map(|o| format!("{}/{}", o["metadata"]["namespace"].as_str().unwrap(), o["metadata"]["name"].as_str().unwrap())).collect()
}

/// On a bare cluster nothing but the add-on has NMI; on the other one the chart's NMI and MIC are there, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_gets_its_secret_by_the_add_on_and_all_of_it_can_be_removed() {
    for bare in [true, false] {
        let lab = lab(bare).await;
        let cluster = Cluster::new(&lab, 0);
        register(&lab).await;
        if bare {
            let mut body = lab.arm("GET", &path(&lab, "aks-mi"), None).await.body;
            body["properties"]["addonProfiles"] = json!({"azureKeyvaultSecretsProvider": {"enabled": true}});
            assert_eq!(lab.arm("PUT", &path(&lab, "aks-mi"), Some(body)).await.status, 200);
        }
        let before = lab.control("GET", "/export", None).await.body;
        let identity = lab.identity("claims-api-mid").await;
        let id = identity["id"].as_str().unwrap();
        lab.assign(id, OPERATOR, &control_plane(&lab).await).await;
        lab.new_vault("kv-claims", true).await;
        lab.assign(&lab.vault_path("kv-claims"), SECRETS_OFFICER, &lab.caller().await).await;
        lab.assign(&lab.vault_path("kv-claims"), SECRETS_USER, identity["properties"]["principalId"].as_str().unwrap()).await;
        assert_eq!(lab.vault("kv-claims", "PUT", "/secrets/db", Some(json!({"value": "canary"}))).await.status, 200);
        enable(&lab, "aks-mi").await;
        let exception = json!([{"name": "other", "namespace": NAMESPACE, "podLabels": {"app": "x"}}]);
        let added = change(&lab, "aks-mi", |profile| {
            profile["userAssignedIdentities"] = json!([entry("claims", &identity)]);
            profile["userAssignedIdentityExceptions"] = exception;
        });
        let added = added.await;
        assert_eq!(added.status, 200, "{}", added.body);
        let profile = lab.arm("GET", &path(&lab, "aks-mi"), None).await.body["properties"]["podIdentityProfile"].clone();
        assert_eq!(profile["userAssignedIdentities"][0]["provisioningState"], "Assigned");
        assert!(on_the_nodes(&lab).await.contains(&"claims-api-mid".to_owned()));
        let nmi = cluster.ask("GET", NMI, None).await.body;
        assert!(nmi.to_string().contains("--operation-mode=managed"), "{nmi}");
        // AKS makes the namespace and the objects of the entry
        assert_eq!(list(&cluster, "azureidentities").await, [format!("{NAMESPACE}/claims")]);
        let binding = cluster.ask("GET", &format!("{GROUP}/namespaces/{NAMESPACE}/azureidentitybindings/claims-binding"), None).await.body;
        assert_eq!(binding["spec"], json!({"azureIdentity": "claims", "selector": "claims"}));
        assert!(list(&cluster, "azurepodidentityexceptions").await.contains(&format!("{NAMESPACE}/other")));
        let csi = "secrets-store.csi.x-k8s.io/v1";
        let objects = "array:\n  - |\n    objectName: db\n    objectType: secret\n";
        let parameters =
            json!({"usePodIdentity": "true", "keyvaultName": "kv-claims", "tenantId": lab.sandbox.access().tenant, "objects": objects});
        let class = json!({"apiVersion": csi, "kind": "SecretProviderClass", "metadata": {"name": "claims", "namespace": NAMESPACE},
            "spec": {"provider": "azure", "parameters": parameters}});
        cluster.make(&format!("/apis/{csi}/namespaces/{NAMESPACE}/secretproviderclasses"), class).await;
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "proof", "namespace": NAMESPACE, "labels": {"aadpodidbinding": "claims"}},
            "spec": {"containers": [{"name": "c", "image": "busybox", "volumeMounts": [{"name": "s", "mountPath": "/mnt/s", "readOnly": true}]}],
                "volumes": [{"name": "s", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": "claims"}}}]}});
        cluster.make(&format!("/api/v1/namespaces/{NAMESPACE}/pods"), pod).await;
        assert_eq!(mounted(&cluster).await["status"]["objects"][0]["id"], "secret/db");
        if bare {
            let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/azureassignedidentities.aadpodidentity.k8s.io";
            assert_eq!(cluster.ask("GET", definition, None).await.status, 404, "managed mode has no MIC");
        } else {
            assert!(list(&cluster, "azureassignedidentities").await.is_empty());
        }
        // and back: the entry, then the add-on
        cluster.ask("DELETE", &format!("/api/v1/namespaces/{NAMESPACE}/pods/proof"), None).await;
        assert_eq!(set(&lab, json!([])).await.status, 200);
        assert!(list(&cluster, "azureidentities").await.is_empty() && list(&cluster, "azureidentitybindings").await.is_empty());
        assert!(!on_the_nodes(&lab).await.contains(&"claims-api-mid".to_owned()));
        cluster.ask("DELETE", &format!("/api/v1/namespaces/{NAMESPACE}"), None).await;
        assert_eq!(change(&lab, "aks-mi", |profile| *profile = json!({"enabled": false})).await.status, 200);
        let off = lab.arm("GET", &path(&lab, "aks-mi"), None).await.body["properties"]["podIdentityProfile"].clone();
        assert_eq!(off, json!({}), "AKS drops all of it");
        assert_eq!(cluster.ask("GET", NMI, None).await.status, 404);
        let after = lab.control("GET", "/export", None).await.body;
        assert_eq!(after["kubernetes"], before["kubernetes"], "bare: {bare}");
        lab.sandbox.close().await;
    }
}
