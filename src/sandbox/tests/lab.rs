//! The whole lab step by step: identity, roles, vault, grant, secret, binding, mount, pod; the components do the rest. Then it is undone.

use super::super::{Component, Options};
use super::{Answer, Lab, Lateness, OPERATOR, SECRETS_OFFICER, SECRETS_USER, VM_CONTRIBUTOR, old_client, options};
use serde_json::{Value, json};
use std::time::Duration;

pub const NAMESPACE: &str = "dev-claims-podid";

pub struct Cluster {
    client: reqwest::Client,
    server: String,
    token: String,
}

impl Cluster {
    pub fn new(lab: &Lab, at: usize) -> Self {
        let config: Value = serde_json::from_slice(&std::fs::read(&lab.sandbox.access().kubeconfig).unwrap()).unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        Self {
            client: old_client(lab.sandbox.access()),
            server: text(&config["clusters"][at]["cluster"]["server"]),
            token: text(&config["users"][at]["user"]["token"]),
        }
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.server)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body: answer.json().await.unwrap() }
    }

    pub async fn make(&self, path: &str, body: Value) {
        let answer = self.ask("POST", path, Some(&body)).await;
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
    }
}

/// Creates the Azure resources of the lab on one cluster and returns the identity.
pub async fn azure(lab: &Lab, node_principal: &str, node_group: &str) -> Value {
    let identity = lab.identity("claims-api-mid").await;
    let text = |name: &str| identity["properties"][name].as_str().unwrap().to_owned();
    lab.assign(identity["id"].as_str().unwrap(), OPERATOR, node_principal).await;
    lab.assign(node_group, VM_CONTRIBUTOR, node_principal).await;
    lab.new_vault("kv-claims", true).await;
    lab.assign(&lab.vault_path("kv-claims"), SECRETS_OFFICER, &lab.caller().await).await;
    lab.assign(&lab.vault_path("kv-claims"), SECRETS_USER, &text("principalId")).await;
    assert_eq!(lab.vault("kv-claims", "PUT", "/secrets/db", Some(json!({"value": "canary"}))).await.status, 200);
    identity
}

pub async fn kubernetes(lab: &Lab, cluster: &Cluster, identity: &Value) {
    let group = "aadpodidentity.k8s.io/v1";
    cluster.make("/api/v1/namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).await;
    let meta = json!({"name": "claims", "namespace": NAMESPACE, "annotations": {"aadpodidentity.k8s.io/Behavior": "namespaced"}});
    let spec = json!({"type": 0, "resourceID": identity["id"], "clientID": identity["properties"]["clientId"]});
    let path = format!("/apis/{group}/namespaces/{NAMESPACE}");
    cluster
        .make(&format!("{path}/azureidentities"), json!({"apiVersion": group, "kind": "AzureIdentity", "metadata": meta, "spec": spec}))
        .await;
    let spec = json!({"azureIdentity": "claims", "selector": "claims"});
    let meta = json!({"name": "claims-binding", "namespace": NAMESPACE});
    cluster
        .make(
            &format!("{path}/azureidentitybindings"),
            json!({"apiVersion": group, "kind": "AzureIdentityBinding", "metadata": meta, "spec": spec}),
        )
        .await;
    let csi = "secrets-store.csi.x-k8s.io/v1";
    let objects = "array:\n  - |\n    objectName: db\n    objectType: secret\n";
    let parameters =
        json!({"usePodIdentity": "true", "keyvaultName": "kv-claims", "tenantId": lab.sandbox.access().tenant, "objects": objects});
    let body = json!({"apiVersion": csi, "kind": "SecretProviderClass", "metadata": {"name": "claims", "namespace": NAMESPACE},
        "spec": {"provider": "azure", "parameters": parameters}});
    cluster.make(&format!("/apis/{csi}/namespaces/{NAMESPACE}/secretproviderclasses"), body).await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "proof", "namespace": NAMESPACE, "labels": {"aadpodidbinding": "claims"}},
        "spec": {"containers": [{"name": "c", "image": "busybox", "volumeMounts": [{"name": "s", "mountPath": "/mnt/s", "readOnly": true}]}],
            "volumes": [{"name": "s", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": "claims"}}}]}});
    cluster.make(&format!("/api/v1/namespaces/{NAMESPACE}/pods"), pod).await;
}

pub async fn mounted(cluster: &Cluster) -> Value {
    let path = format!("/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{NAMESPACE}/secretproviderclasspodstatuses");
    for _ in 0..400 {
        let list = cluster.ask("GET", &path, None).await;
        if let Some(status) =
            list.body["items"].as_array().and_then(|items| items.first()).filter(|s| s["status"]["mounted"] == json!(true))
        {
            return status.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let events = cluster.ask("GET", &format!("/api/v1/namespaces/{NAMESPACE}/events"), None).await;
    panic!("nothing was mounted: {}", events.body["items"]);
}

pub async fn node(lab: &Lab, cluster: &str) -> (String, String) {
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/{cluster}", lab.group());
    let p = lab.arm("GET", &path, None).await.body["properties"].clone();
    let group = format!("{}/resourceGroups/{}", lab.subscription(), p["nodeResourceGroup"].as_str().unwrap());
    let principal = match p["identityProfile"]["kubeletidentity"]["objectId"].as_str() {
        Some(kubelet) => kubelet.to_owned(),
        None => {
            let graph = lab.token("https://graph.microsoft.com/.default").await;
            let client = p["servicePrincipalProfile"]["clientId"].as_str().unwrap();
            let url = format!("https://graph.microsoft.com/v1.0/servicePrincipals?$filter=appId%20eq%20'{client}'");
            lab.send("GET", &url, Some(&graph), None).await.body["value"][0]["id"].as_str().unwrap().to_owned()
        }
    };
    (principal, group)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_reads_its_secret_on_both_clusters_and_everything_is_removed_afterwards() {
    for (at, name) in ["aks-mi", "aks-sp"].into_iter().enumerate() {
        let lab = Lab::new(Lateness::None).await;
        let before = lab.control("GET", "/export", None).await.body.to_string();
        let (principal, group) = node(&lab, name).await;
        let identity = azure(&lab, &principal, &group).await;
        let cluster = Cluster::new(&lab, at);
        kubernetes(&lab, &cluster, &identity).await;
        let status = mounted(&cluster).await;
        assert_eq!(status["status"]["objects"][0]["id"], "secret/db");
        let export = lab.control("GET", "/export", None).await.body.to_string();
        assert!(export != before && !export.contains("canary"));
        for by in ["mic", "nmi", "csi"] {
            assert!(lab.lines().iter().any(|line| line["by"] == by), "{by} asked for nothing on {name}");
        }
        // then all of it is deleted, the pod first
        cluster.ask("DELETE", &format!("/api/v1/namespaces/{NAMESPACE}/pods/proof"), None).await;
        cluster.ask("DELETE", &format!("/api/v1/namespaces/{NAMESPACE}"), None).await;
        lab.control("GET", "/export", None).await;
        lab.arm("DELETE", &lab.vault_path("kv-claims"), None).await;
        lab.arm("DELETE", identity["id"].as_str().unwrap(), None).await;
        for scope in [group.as_str(), &lab.subscription()] {
            let list = lab
                .arm(
                    "GET",
                    &format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'{principal}'"),
                    None,
                )
                .await;
            for assignment in list.body["value"].as_array().unwrap() {
                lab.arm("DELETE", assignment["id"].as_str().unwrap(), None).await;
            }
        }
        let after = lab.control("GET", "/export", None).await.body.to_string();
        assert!(after == before, "{name}: the world is not what it was\n{after}\n{before}");
        lab.sandbox.close().await;
    }
}

/// Components start for the pods of an earlier process when the world is opened, without a request.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_pod_starts_the_components() {
    let lab = Lab::new(Lateness::None).await;
    let counts = async |lab: &Lab| lab.control("GET", "/settings", None).await.body["counts"].clone();
    let cluster = Cluster::new(&lab, 0);
    cluster.ask("GET", "/api/v1/namespaces", None).await;
    assert_eq!(counts(&lab).await, json!({"client": 1}), "no component runs without a pod");
    let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "busybox"}]}});
    cluster.make("/api/v1/namespaces/default/pods", body).await;
    let lab = lab.again(Lateness::None).await;
    lab.control("GET", "/export", None).await;
    assert!(counts(&lab).await["csi"].as_u64() > Some(0));
}

/// In a working lab each component makes requests. A disabled component makes none, and the others keep working.
#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_component_makes_no_requests_and_the_others_work() {
    for (absent, silent, heard) in [
        (vec![Component::Mic], vec!["mic"], vec!["csi"]),
        (vec![Component::Csi], vec!["csi"], vec!["mic", "nmi"]),
        (vec![Component::Mic, Component::Nmi, Component::Csi], vec!["mic", "nmi", "csi"], vec![]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { without: absent, ..options(dir.path(), Lateness::None) };
        let lab = Lab::with(dir, options).await;
        let (principal, group) = node(&lab, "aks-mi").await;
        let identity = azure(&lab, &principal, &group).await;
        kubernetes(&lab, &Cluster::new(&lab, 0), &identity).await;
        // an export waits until the components are idle
        lab.control("GET", "/export", None).await;
        let counts = lab.control("GET", "/settings", None).await.body["counts"].clone();
        for by in silent {
            assert_eq!(counts[by], Value::Null, "{by} in {counts}");
        }
        for by in heard {
            assert!(counts[by].as_u64() > Some(0), "{by} in {counts}");
        }
        lab.sandbox.close().await;
    }
}
