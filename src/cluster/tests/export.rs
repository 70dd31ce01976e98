//! The kubeconfig for a program that podid runs.

use super::config::{V1, exec, script};
use super::fake::{Fake, Reply, cluster, kubeconfig, settings};
use super::{at, pods};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::Path;

async fn exported(from: &Path) -> String {
    cluster(settings(from)).await.unwrap().kubeconfig().await.unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn it_leads_to_the_same_cluster_with_the_token_that_a_login_command_gave() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let answer = format!(r#"echo '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"tok"}}}}'"#);
    let plugin = script(dir.path(), "plugin", &answer);
    let text = exported(&kubeconfig(&dir, &fake.url, exec(&plugin))).await;
    let file = other.path().join("config");
    std::fs::write(&file, text).unwrap();
    cluster(settings(&file)).await.unwrap().read().get(&at(pods(), "a")).await.unwrap();
    assert_eq!(fake.last().headers["authorization"], "Bearer tok");
    let runs = std::fs::read_to_string(dir.path().join("runs")).unwrap();
    assert_eq!(runs.lines().count(), 1, "the program asks nobody to log in again");
}

#[tokio::test]
async fn it_has_one_context_and_what_the_connection_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let authority = super::fake::entry("x")["certificate-authority-data"].clone();
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [
            { "name": "c", "cluster": { "server": "https://api.lab:6443/base", "proxy-url": "http://proxy.lab:3128", "tls-server-name": "inner.lab", "certificate-authority-data": authority } },
            { "name": "other", "cluster": { "server": "https://other.lab" } },
        ],
        "users": [{ "name": "u", "user": { "token": "t0ken", "as": "jane" } }, { "name": "v", "user": { "token": "another" } }],
        "contexts": [{ "name": "lab", "context": { "cluster": "c", "user": "u", "namespace": "shop" } }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    let text = exported(&path).await;
    let config: Value = serde_json::from_str(&text).unwrap();
    let cluster = &config["clusters"][0]["cluster"];
    assert_eq!((&cluster["server"], &cluster["tls-server-name"]), (&json!("https://api.lab:6443/base"), &json!("inner.lab")));
    assert!(cluster["proxy-url"].as_str().unwrap().starts_with("http://proxy.lab:3128"), "{cluster}");
    assert!(cluster["certificate-authority-data"].is_string() && cluster.get("insecure-skip-tls-verify").is_none(), "{cluster}");
    assert_eq!(config["users"][0]["user"], json!({ "token": "t0ken", "as": "jane" }));
    assert_eq!(config["contexts"][0]["context"]["namespace"], "shop");
    assert!(!text.contains("another") && !text.contains("other.lab"), "no other cluster is named");
}
