//! Tests of the components against a small Kubernetes API and a small Azure.

mod fake;
mod foreign;
mod workload_identity;

use super::{Component, RunningComponents, start};
use fake::{CANARY, CLIENT, Fake, IDENTITY};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ALL: [Component; 3] = [Component::Mic, Component::Nmi, Component::Csi];

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn metadata(name: &str) -> Value {
    json!({ "name": name, "namespace": "shop", "annotations": { "aadpodidentity.k8s.io/Behavior": "namespaced" } })
}

fn identity(fake: &Fake) {
    let spec = json!({ "type": 0, "resourceID": IDENTITY, "clientID": CLIENT });
    fake.put(
        "azureidentities",
        json!({ "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity", "metadata": metadata("claims"), "spec": spec }),
    );
}

fn binding(fake: &Fake) {
    let spec = json!({ "azureIdentity": "claims", "selector": "claims-api" });
    fake.put(
        "azureidentitybindings",
        json!({ "apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentityBinding", "metadata": metadata("bind"), "spec": spec }),
    );
}

fn class(fake: &Fake, change: impl FnOnce(&mut Value)) {
    let parameters = json!({
        "usePodIdentity": "true", "keyvaultName": "kv1", "tenantID": "tenant",
        "objects": "array:\n  - |\n    objectName: sqldbconn\n    objectType: secret\n    objectAlias: conn\n",
    });
    let data = json!([{ "objectName": "conn", "key": "conn" }]);
    let mut class = json!({ "metadata": metadata("spc"), "spec": { "provider": "azure", "parameters": parameters,
        "secretObjects": [{ "secretName": "synced", "type": "Opaque", "data": data }] } });
    change(&mut class);
    fake.put("secretproviderclasses", class);
}

fn pod(fake: &Fake, change: impl FnOnce(&mut Value)) {
    let csi = json!({ "driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": { "secretProviderClass": "spc" } });
    let env = json!([{ "name": "CONN", "valueFrom": { "secretKeyRef": { "name": "synced", "key": "conn" } } }]);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "app", "namespace": "shop", "labels": { "aadpodidbinding": "claims-api" } },
        "spec": { "nodeName": "node-0", "serviceAccountName": "default", "volumes": [{ "name": "kv", "csi": csi }],
            "containers": [{ "name": "main", "image": "app:1", "env": env }] },
        "status": { "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }] },
    });
    change(&mut pod);
    fake.put("pods", pod);
}

/// Stores everything that a pod needs to read its secret, and the pod.
fn whole(fake: &Fake) {
    identity(fake);
    binding(fake);
    class(fake, |_| {});
    pod(fake, |_| {});
}

fn play(fake: &Fake) -> RunningComponents {
    start((*fake.config).clone(), &ALL)
}

fn is_running(fake: &Fake) -> Option<Value> {
    fake.find("pods", "app").filter(|p| p["status"]["phase"] == "Running")
}

fn never_leaked(fake: &Fake) {
    for ((plural, ..), object) in &fake.world().objects {
        assert!(!object.to_string().contains(CANARY), "{plural} holds the value: {object}");
    }
}

#[tokio::test]
async fn a_pod_with_everything_in_place_gets_its_secret() {
    let fake = Fake::start().await;
    let components = play(&fake);
    whole(&fake);
    let pod = until("the pod to run", || is_running(&fake)).await;
    assert!(pod["status"]["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    assert!(pod["status"]["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "PodScheduled"));
    let status = fake.find("secretproviderclasspodstatuses", "app-shop-spc").unwrap();
    assert_eq!(status["status"]["objects"], json!([{ "id": "secret/sqldbconn", "version": "v1" }]));
    assert_eq!(status["status"]["mounted"], true);
    assert_eq!(status["metadata"]["ownerReferences"][0]["uid"], pod["metadata"]["uid"]);
    let secret = fake.find("secrets", "synced").unwrap();
    use base64::Engine;
    assert_eq!(secret["data"]["conn"], base64::engine::general_purpose::STANDARD.encode(CANARY));
    assert_eq!(secret["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"], "true");
    let assigned = fake.find("azureassignedidentities", "app-shop-claims").unwrap();
    assert_eq!(assigned["status"]["status"], "Assigned");
    assert_eq!(assigned["metadata"]["namespace"], "shop");
    assert_eq!(assigned["spec"]["azureIdentityRef"]["spec"]["clientID"], CLIENT);
    for written in [&assigned, &status] {
        assert_eq!(podid_crds::astray(written), Vec::<String>::new());
    }
    until("the binding's event", || fake.events().into_iter().find(|(reason, _)| reason == "binding applied")).await;
    until("the components to be idle", || components.idle().then_some(())).await;
    never_leaked(&fake);
    let asked = fake.world().log.len();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(fake.world().log.len(), asked, "an idle component makes no requests");
    components.stop().await;
}

#[tokio::test]
async fn the_identity_is_removed_from_the_nodes_with_its_last_pod() {
    let fake = Fake::start().await;
    fake.world().asynchronous = true;
    let components = play(&fake);
    whole(&fake);
    until("the pod to run", || is_running(&fake)).await;
    assert_eq!(fake.world().on_nodes.iter().collect::<Vec<_>>(), [&IDENTITY.to_lowercase()]);
    fake.remove("pods", "shop", "app");
    until("the identity to go", || fake.find("azureassignedidentities", "app-shop-claims").is_none().then_some(())).await;
    assert!(fake.world().on_nodes.is_empty());
    components.stop().await;
}

async fn failed_mount(fake: &Fake, text: &str) {
    let found = until(text, || fake.events().into_iter().find(|(reason, message)| reason == "FailedMount" && message.contains(text))).await;
    assert!(found.1.starts_with("MountVolume.SetUp failed for volume \"kv\" : rpc error: code = "), "{}", found.1);
    assert_eq!(fake.find("pods", "app").unwrap()["status"]["phase"], "Pending");
    never_leaked(fake);
}

#[tokio::test]
async fn a_late_grant_fixes_the_mount() {
    let fake = Fake::start().await;
    fake.world().granted = false;
    let components = play(&fake);
    whole(&fake);
    failed_mount(
        &fake,
        "failed to get objectType:secret, objectName:sqldbconn, objectVersion:: GET https://kv1.vault.azure.net/secrets/sqldbconn/\n",
    )
    .await;
    let (_, message) = fake.events().into_iter().find(|(reason, _)| reason == "FailedMount").unwrap();
    let start = "MountVolume.SetUp failed for volume \"kv\" : rpc error: code = Unknown desc = failed to mount secrets store objects for pod shop/app, err: rpc error: code = Unknown desc = failed to mount objects, error: failed to get objectType:secret";
    assert!(
        message.starts_with(start)
            && message.contains("RESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden\n")
            && message.contains("ForbiddenByRbac"),
        "{message}"
    );
    until("an idle player while it waits for the next try", || components.idle().then_some(())).await;
    let container = until("a container that is being created", || {
        Some(fake.find("pods", "app").unwrap()["status"]["containerStatuses"][0].clone()).filter(|c| !c.is_null())
    });
    assert_eq!(container.await["state"]["waiting"]["reason"], "ContainerCreating");
    fake.world().granted = true;
    until("the pod to run", || is_running(&fake)).await;
    components.stop().await;
}

#[tokio::test]
async fn a_missing_operator_role_is_an_event_of_the_binding_and_adding_it_fixes_the_pod() {
    let fake = Fake::start().await;
    fake.world().operator = false;
    let components = play(&fake);
    whole(&fake);
    let (_, text) = until("the event", || fake.events().into_iter().find(|(reason, _)| reason == "binding apply error")).await;
    assert!(
        text.starts_with("failed to apply binding shop/bind node node-0 for pod shop/app, error: ")
            && text.contains("Code=\"LinkedAuthorizationFailed\""),
        "{text}"
    );
    assert_eq!(fake.find("azureassignedidentities", "app-shop-claims").unwrap()["status"]["status"], "Created");
    fake.world().operator = true;
    until("the pod to run", || is_running(&fake)).await;
    components.stop().await;
}

#[tokio::test]
async fn without_access_to_the_scale_set_there_is_no_event() {
    let fake = Fake::start().await;
    fake.world().contributor = false;
    let components = play(&fake);
    identity(&fake);
    binding(&fake);
    pod(&fake, |_| {});
    until("MIC's try", || fake.world().log.iter().any(|l| l.starts_with("GET management") && l.ends_with(" mic")).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!fake.events().iter().any(|(reason, _)| reason.starts_with("binding")), "{:?}", fake.events());
    components.stop().await;
}

#[tokio::test]
async fn objects_that_do_not_match_are_ignored() {
    let fake = Fake::start().await;
    let components = play(&fake);
    identity(&fake);
    binding(&fake);
    let bad = json!({ "metadata": metadata("bad"), "spec": { "resourceID": "claims", "clientID": CLIENT } });
    fake.put("azureidentities", bad);
    fake.put("azureidentitybindings", json!({ "metadata": metadata("to-bad"), "spec": { "azureIdentity": "bad", "selector": "to-bad" } }));
    let plain = |name: &str, namespace: &str, label: &str, node: &str| {
        let metadata = json!({ "name": name, "namespace": namespace, "labels": { "aadpodidbinding": label } });
        fake.put("pods", json!({ "metadata": metadata, "spec": { "nodeName": node, "containers": [] }, "status": { "phase": "Pending" } }));
    };
    plain("elsewhere", "other", "claims-api", "node-0");
    plain("case", "shop", "Claims-api", "node-0");
    plain("nowhere", "shop", "claims-api", "");
    plain("malformed", "shop", "to-bad", "node-0");
    plain("right", "shop", "claims-api", "node-0");
    until("the right one", || fake.find("azureassignedidentities", "right-shop-claims").filter(|a| a["status"]["status"] == "Assigned"))
        .await;
    let all: Vec<String> = fake.world().objects.keys().filter(|(p, ..)| p == "azureassignedidentities").map(|(.., n)| n.clone()).collect();
    assert_eq!(all, ["right-shop-claims"]);
    assert_eq!(fake.find("pods", "nowhere").unwrap()["status"]["phase"], "Pending", "a pod without a node does not run");
    until("a pod without volumes to run", || fake.find("pods", "right").filter(|p| p["status"]["phase"] == "Running")).await;
    components.stop().await;
}

async fn refused(text: &str, change: impl FnOnce(&mut Value)) {
    let fake = Fake::start().await;
    identity(&fake);
    binding(&fake);
    class(&fake, change);
    pod(&fake, |_| {});
    let components = play(&fake);
    failed_mount(&fake, text).await;
    components.stop().await;
}

#[tokio::test]
async fn the_provider_returns_its_own_messages() {
    fn parameter(name: &'static str, value: Value) -> impl FnOnce(&mut Value) {
        move |class| class["spec"]["parameters"][name] = value
    }
    let line = |objects: &str| json!(objects);
    tokio::join!(
        refused("desc = failed to mount objects, error: keyvaultName is not provided", parameter("keyvaultName", Value::Null)),
        refused("error: tenantId is not provided", parameter("tenantID", Value::Null)),
        refused("error: objects is not set", parameter("objects", Value::Null)),
        refused(
            "failed to parse usePodIdentity flag, error: strconv.ParseBool: parsing \"yes\": invalid syntax",
            parameter("usePodIdentity", json!("yes"))
        ),
        refused(
            "only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy",
            parameter("useVMManagedIdentity", json!("true"))
        ),
        refused(
            "failed to create auth config, error: failed to get credentials, nodePublishSecretRef secret is not set",
            parameter("usePodIdentity", json!("false"))
        ),
        refused("failed to get vault: Invalid vault name: \"kv\", must be between 3 and 24 chars", parameter("keyvaultName", json!("kv"))),
        refused("Invalid vault name: \"kv_1\", must match [-a-zA-Z0-9]{3,24}", parameter("keyvaultName", json!("kv_1"))),
        refused("cloudName Moon is not valid", parameter("cloudName", json!("Moon"))),
        refused("failed to yaml unmarshal objects", parameter("objects", line("array:\n  - objectName: x\n"))),
        refused("unmarshal failed for keyVaultObjects at index 0", parameter("objects", line("array:\n  - \"a: [\"\n"))),
        refused(
            "Invalid vaultObjectTypes. Should be secret, key, or cert",
            parameter("objects", line("array:\n  - |\n    objectName: x\n    objectType: Secret\n"))
        ),
        refused("dial tcp: lookup nosuch.vault.azure.net: no such host", parameter("keyvaultName", json!("nosuch"))),
        refused("provider not found: provider \"vault\"", |class: &mut Value| class["spec"]["provider"] = "vault".into()),
        refused("failed to get secretproviderclass shop/spc, error: ", |class: &mut Value| class["metadata"]["name"] = "other".into()),
    );
}

#[tokio::test]
async fn a_wrong_client_id_is_assigned_and_gets_no_token() {
    let fake = Fake::start().await;
    let spec = json!({ "resourceID": IDENTITY, "clientID": "22222222-2222-2222-2222-222222222222" });
    fake.put("azureidentities", json!({ "metadata": metadata("claims"), "spec": spec }));
    binding(&fake);
    class(&fake, |_| {});
    pod(&fake, |_| {});
    let components = play(&fake);
    failed_mount(&fake, "nmi response failed with status code: 403, response body: adal: Refresh request failed. Status Code = '400'")
        .await;
    assert!(fake.events().iter().any(|(_, message)| message.contains("Identity not found")));
    until("it to be assigned all the same", || {
        fake.find("azureassignedidentities", "app-shop-claims").filter(|a| a["status"]["status"] == "Assigned")
    })
    .await;
    components.stop().await;
}

#[tokio::test]
async fn a_missing_key_prevents_the_start_and_the_alias_is_the_file_name() {
    let fake = Fake::start().await;
    identity(&fake);
    binding(&fake);
    class(&fake, |class| class["spec"]["secretObjects"][0]["data"][0]["objectName"] = "sqldbconn".into());
    pod(&fake, |_| {});
    let components = play(&fake);
    let text = "failed to get data in spc shop/spc for secret synced, err: file matching objectName sqldbconn not found in the pod";
    until("the sync's event", || fake.events().into_iter().find(|(r, m)| r == "FailedToCreateSecret" && m == text)).await;
    let waiting = until("the container's reason", || {
        let waiting = fake.find("pods", "app").unwrap()["status"]["containerStatuses"][0]["state"]["waiting"].clone();
        (waiting["reason"] == "CreateContainerConfigError").then_some(waiting)
    })
    .await;
    assert_eq!(waiting["message"], "secret \"synced\" not found");
    let mut class = fake.find("secretproviderclasses", "spc").unwrap();
    class["spec"]["secretObjects"][0]["data"][0]["objectName"] = "conn".into();
    fake.put("secretproviderclasses", class);
    until("the pod to run", || is_running(&fake)).await;
    components.stop().await;
}

#[tokio::test]
async fn a_component_that_waits_for_an_identity_is_idle() {
    let fake = Fake::start().await;
    class(&fake, |_| {});
    pod(&fake, |_| {});
    let components = play(&fake);
    until("the provider's challenge", || {
        fake.world().log.iter().any(|l| l == "GET kv1.vault.azure.net/secrets/sqldbconn/ csi").then_some(())
    })
    .await;
    until("idle components", || components.idle().then_some(())).await;
    assert!(fake.events().is_empty(), "NMI still looks");
    components.stop().await;
}
