//! Hostile requests: without a login, too many at once, failing in the middle. The server answers all of them, stores nothing, and keeps
//! running. A world that an older podid filled with values of wrong types can still be read.

use super::{Lab, Lateness, proxy::hello};
use crate::{body_limits, running::Running};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

const ARM: &str = "management.azure.com";

pub(super) fn running(lab: &Lab) -> &Arc<Running> {
    &lab.sandbox.embedded.as_ref().unwrap().running
}

async fn status(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut answer)).await;
    assert!(matches!(read, Ok(Ok(_))), "no answer: {read:?}");
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

fn head(path: &str, token: &str, length: usize) -> String {
    let login = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    format!("PUT {path} HTTP/1.1\r\nhost: a\r\n{login}content-type: application/json\r\ncontent-length: {length}\r\n\r\n")
}

async fn kubernetes(lab: &Lab, method: &str, path: &str, kind: &str, body: Value) -> (u16, Value) {
    let config: Value = serde_json::from_slice(&std::fs::read(&lab.sandbox.access().kubeconfig).unwrap()).unwrap();
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let request = lab.client.request(method.parse().unwrap(), format!("{server}{path}")).bearer_auth(lab.sandbox_admin());
    let answer = request.header("content-type", kind).body(body.to_string()).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn an_unknown_caller_is_refused_before_its_body_is_read() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-hostile", true).await;
    let cluster: &'static str = Box::leak(running(&lab).clusters()[0].fqdn.clone().into_boxed_str());
    let hosts = [
        (ARM, "/subscriptions/s/resourceGroups/g?api-version=2021-04-01", "401"),
        ("graph.microsoft.com", "/v1.0/applications", "401"),
        ("kv-hostile.vault.azure.net", "/secrets/s?api-version=7.4", "401"),
        (cluster, "/api/v1/namespaces/default/configmaps/a", "403"),
    ];
    let mut open = Vec::new();
    for n in 0..150 {
        let (host, path, due) = hosts[n % hosts.len()];
        let mut stream = hello(&lab, host).await.unwrap();
        stream.write_all(head(path, "", 4_000_000).as_bytes()).await.unwrap();
        stream.write_all(&[b' '; 2048]).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(status(&mut stream).await, due, "{host}");
        open.push(stream);
        assert_eq!(running(&lab).bodies.taken(), 0, "no body is read");
    }
    assert_eq!(lab.arm("GET", &lab.group(), None).await.status, 200);
    // at the token endpoint the sender is unknown before the body is read
    let large = "x".repeat(70_000);
    let answer = lab.form(&format!("{}/oauth2/v2.0/token", lab.sandbox.access().tenant), &[("grant_type", &large)]).await;
    assert_eq!((answer.status, &answer.body["error"]), (413, &json!("invalid_request")));
}

#[tokio::test]
async fn all_bodies_together_have_a_memory_limit() {
    let lab = Lab::new(Lateness::None).await;
    let token = lab.token("https://management.azure.com/.default").await;
    let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/half?api-version=2023-01-31", lab.group());
    let mut open = Vec::new();
    for _ in 0..24 {
        let mut stream = hello(&lab, ARM).await.unwrap();
        let (head, path) = (head(&path, &token, 4 << 20), path.len());
        open.push(tokio::spawn(async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            // a request without memory is answered while it is still being sent
            let _ = stream.write_all(&vec![b' '; (3 << 20) + path]).await;
            let _ = stream.flush().await;
            stream
        }));
    }
    let room = &running(&lab).bodies;
    let mut most = 0;
    for _ in 0..600 {
        most = most.max(room.taken());
        if open.iter().all(tokio::task::JoinHandle::is_finished) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!((48 << 20..=body_limits::ALL_BYTES).contains(&most), "{most}");
    let mut refused = 0;
    let mut streams = Vec::new();
    for task in open {
        let mut stream = task.await.unwrap();
        let mut answer = [0; 400];
        if let Ok(Ok(n)) = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut answer)).await {
            let text = String::from_utf8_lossy(&answer[..n]).into_owned();
            assert!(text.starts_with("HTTP/1.1 503") && text.contains("retry-after: 1"), "{text}");
            refused += 1;
        }
        streams.push(stream);
    }
    assert!(refused > 0, "none had to go");
    // requests without a body still work
    assert_eq!(lab.arm("GET", &lab.group(), None).await.status, 200);
    drop(streams);
    for _ in 0..200 {
        if room.taken() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} bytes are still held", room.taken());
}

#[tokio::test]
async fn a_request_that_panics_gets_an_answer_and_is_undone() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-hostile", true).await;
    let before = serde_json::to_value(&*running(&lab).azure()).unwrap();
    let cluster = running(&lab).clusters()[0].clone();
    let objects = cluster.kube.export();
    let asked = async |url: String, token: &str| {
        let request = lab.client.get(url).bearer_auth(token).header("x-podid-test-panic", "canary-in-the-panic");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let arm = lab.token("https://management.azure.com/.default").await;
    let vault = lab.token("https://vault.azure.net/.default").await;
    let admin = lab.sandbox_admin();
    for (url, token, field, text) in [
        (format!("https://{ARM}{}?api-version=2021-04-01", lab.group()), &arm, "/error/code", "InternalServerError"),
        ("https://kv-hostile.vault.azure.net/secrets?api-version=7.4".to_owned(), &vault, "/error/code", "InternalServerError"),
        (format!("https://{}/api/v1/pods", cluster.fqdn), &admin, "/reason", "InternalError"),
    ] {
        let (status, answer) = asked(url.clone(), token).await;
        let body: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, body.pointer(field)), (500, Some(&json!(text))), "{url}: {answer}");
        assert!(!answer.contains("canary"), "{answer}");
    }
    assert_eq!(serde_json::to_value(&*running(&lab).azure()).unwrap(), before);
    assert_eq!(cluster.kube.export(), objects);
    assert!(lab.lines().iter().any(|line| line["status"] == 500), "it is logged like any other request");
    let lab = lab.again(Lateness::None).await;
    assert_eq!(lab.arm("GET", &lab.group(), None).await.status, 200);
    assert_eq!(lab.arm("GET", &lab.vault_path("kv-hostile"), None).await.status, 200);
}

#[tokio::test]
async fn a_world_of_an_older_podid_with_invalid_values_can_be_listed() {
    let lab = Lab::new(Lateness::None).await;
    let names = {
        let mut azure = running(&lab).azure();
        let keys: Vec<String> = azure.clusters.keys().cloned().collect();
        for key in &keys {
            let asked = &mut azure.clusters.get_mut(key).unwrap().asked;
            asked.insert("agentPoolProfiles".to_owned(), json!(["x", 1, null, {"name": ["y"], "count": "z"}]));
            asked.insert("podIdentityProfile".to_owned(), json!({"userAssignedIdentities": ["x"]}));
            asked.insert("networkProfile".to_owned(), json!("azure"));
            asked.insert("storageProfile".to_owned(), json!([1]));
        }
        keys
    };
    let clusters = format!("{}/providers/Microsoft.ContainerService/managedClusters", lab.subscription());
    for lab in [lab] {
        assert_eq!(lab.arm("GET", &clusters, None).await.body["value"].as_array().unwrap().len(), names.len());
        let lab = lab.again(Lateness::None).await;
        for version in ["2019-04-01", "2024-02-02-preview", "2026-02-01"] {
            let answer = lab.arm("GET", &format!("{clusters}?api-version={version}"), None).await;
            assert_eq!((answer.status, answer.body["value"].as_array().unwrap().len()), (200, names.len()), "{version}");
        }
    }
}

#[tokio::test]
async fn a_small_patch_does_not_create_a_large_resource() {
    let lab = Lab::new(Lateness::None).await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let map = json!({"metadata": {"name": "doubled"}, "data": {"a": "x".repeat(1000)}});
    assert_eq!(kubernetes(&lab, "POST", maps, "application/json", map).await.0, 201);
    let steps: Vec<Value> = (0..60).map(|n| json!({"op": "copy", "from": "/data", "path": format!("/data/b{n}")})).collect();
    assert!(json!(steps).to_string().len() < 4096);
    let path = format!("{maps}/doubled");
    let (status, answer) = kubernetes(&lab, "PATCH", &path, "application/json-patch+json", json!(steps)).await;
    assert_eq!(status, 422);
    assert!(answer["message"].as_str().unwrap().contains("exceeding the limit 3145728"), "{answer}");
    let many = vec![json!({"op": "test", "path": "/kind", "value": "ConfigMap"}); 10_001];
    let (status, answer) = kubernetes(&lab, "PATCH", &path, "application/json-patch+json", json!(many)).await;
    assert_eq!((status, &answer["reason"]), (413, &json!("RequestEntityTooLarge")));
    assert_eq!(kubernetes(&lab, "GET", &path, "application/json", Value::Null).await.1["data"]["a"].as_str().unwrap().len(), 1000);
}
