//! The world across processes, locking of the folder, serve, reset, and export.

use super::{Lab, Lateness, READER, options};
use crate::{Error, access, export, open, reset, serve};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

#[tokio::test]
async fn the_world_is_restored_and_request_numbers_continue() {
    let lab = Lab::new(Lateness::Quick).await;
    let identity = lab.identity("lasting").await;
    let principal = identity["properties"]["principalId"].as_str().unwrap().to_owned();
    assert_eq!(lab.assign(&lab.group(), READER, &principal).await.code(), "PrincipalNotFound");
    let (before, ca) = (lab.lines().len(), std::fs::read(&lab.sandbox.access().ca).unwrap());
    let port = lab.sandbox.access().proxy.clone();
    let lab = lab.again(Lateness::Quick).await;
    assert_eq!((std::fs::read(&lab.sandbox.access().ca).unwrap(), &lab.sandbox.access().proxy), (ca, &port));
    assert_eq!(lab.identity("lasting").await, identity);
    // one refusal was counted before, one is left
    assert_eq!(lab.assign(&lab.group(), READER, &principal).await.code(), "PrincipalNotFound");
    assert_eq!(lab.assign(&lab.group(), READER, &principal).await.status, 201);
    let numbers: Vec<u64> = lab.lines().iter().map(|l| l["n"].as_u64().unwrap()).collect();
    assert!(numbers.len() > before);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_change_is_saved_before_it_is_answered() {
    let lab = Lab::new(Lateness::None).await;
    for name in ["one", "two", "three"] {
        lab.identity(&format!("saved-{name}")).await;
        let text = files(lab.dir.path());
        assert!(text.contains(&format!("saved-{name}")));
    }
    let dir = lab.dir.path().to_owned();
    assert!(std::fs::metadata(dir.join("changes.jsonl")).unwrap().len() > 0);
    let lab = lab.again(Lateness::None).await;
    let world: Value = serde_json::from_slice(&std::fs::read(dir.join("world.json")).unwrap()).unwrap();
    assert_eq!(world["version"], 2);
    // a process that ends normally leaves one file
    assert!(world.to_string().contains("saved-three") && std::fs::read(dir.join("changes.jsonl")).unwrap().is_empty());
    lab.sandbox.close().await;
}

/// Returns all files of the world as text.
fn files(dir: &Path) -> String {
    let read = |name| std::fs::read_to_string(dir.join(name)).unwrap();
    read("world.json") + &read("changes.jsonl")
}

/// A copy of the folder, taken while it is written, is what a killed process leaves.
#[tokio::test]
async fn a_world_continues_after_a_killed_process() {
    let lab = Lab::new(Lateness::None).await;
    for name in ["kept", "gone", "last"] {
        lab.identity(name).await;
    }
    let at = |name: &str| format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", lab.group());
    lab.arm("DELETE", &at("gone"), None).await;
    let left = tempfile::tempdir().unwrap();
    for name in ["world.json", "changes.jsonl", "keys.json", "ca.pem"] {
        std::fs::copy(lab.dir.path().join(name), left.path().join(name)).unwrap();
    }
    // killed in the middle of a line, before the request was answered
    let mut changes = std::fs::OpenOptions::new().append(true).open(left.path().join("changes.jsonl")).unwrap();
    std::io::Write::write_all(&mut changes, b"{\"n\":99,\"azure\":{\"identit").unwrap();
    let sandbox = open(options(left.path(), Lateness::None)).await.unwrap();
    let next = Lab { client: super::client(sandbox.access()), dir: left, sandbox };
    for (name, status) in [("kept", 200), ("gone", 404), ("last", 200)] {
        assert_eq!(next.arm("GET", &at(name), None).await.status, status, "{name}");
    }
    next.identity("after").await;
    let next = next.again(Lateness::None).await;
    assert_eq!(next.arm("GET", &at("after"), None).await.status, 200);
}

/// Reads the file while it is being written: it is complete at every moment, so it is complete after a kill at any moment.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_complete_at_every_moment() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("first").await;
    let path = lab.dir.path().join("world.json");
    let reader = tokio::task::spawn_blocking(move || {
        for _ in 0..300 {
            let text = std::fs::read_to_string(&path).unwrap();
            serde_json::from_str::<Value>(&text).unwrap();
        }
    });
    let names: Vec<String> = (0..40).map(|n| format!("busy-{n}")).collect();
    futures::future::join_all(names.iter().map(|n| lab.identity(n))).await;
    reader.await.unwrap();
    let text = files(lab.dir.path());
    assert!(names.iter().all(|n| text.contains(n)));
}

#[tokio::test]
async fn two_processes_that_embed_the_world_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let first = open(options(&path, Lateness::None)).await.unwrap();
    let impatient = crate::Options { wait: Duration::from_millis(50), ..options(&path, Lateness::None) };
    match open(impatient).await.map(|_| ()) {
        Err(Error::Busy { pid, .. }) => assert_eq!(pid, std::process::id()),
        other => panic!("{other:?}"),
    }
    let waiting = tokio::spawn(async move { open(options(&path, Lateness::None)).await.unwrap() });
    let lab = Lab { client: super::client(first.access()), dir, sandbox: first };
    lab.identity("by-the-first").await;
    lab.sandbox.close().await;
    let second = waiting.await.unwrap();
    let lab = Lab { client: super::client(second.access()), dir: lab.dir, sandbox: second };
    lab.identity("by-the-second").await;
    let all = lab.arm("GET", &format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities", lab.group()), None).await;
    assert_eq!(all.body["value"].as_array().unwrap().len(), 2);
}

async fn serving(dir: &Path) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Result<(), Error>>) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, shown) = tokio::sync::oneshot::channel();
    let (options, file) = (options(dir, Lateness::None), dir.join("ready"));
    let server = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
        };
        serve(options, Some(file), stop, |_, _| ready.send(()).unwrap()).await
    });
    shown.await.unwrap();
    (stop, server)
}

#[tokio::test]
async fn a_served_folder_is_shared_and_reset() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    assert!(matches!(access(&folder).await, Err(Error::NotServing { .. })));
    let (stop, server) = serving(&folder).await;
    let note: Value = serde_json::from_slice(&std::fs::read(folder.join("ready")).unwrap()).unwrap();
    assert_eq!(note["proxy"], access(&folder).await.unwrap().proxy);
    let again = serve(options(&folder, Lateness::None), None, std::future::ready(()), |_, _| {}).await;
    assert!(matches!(again, Err(Error::AlreadyServing { .. })));
    let one = open(options(&folder, Lateness::None)).await.unwrap();
    let two = open(options(&folder, Lateness::None)).await.unwrap();
    assert_eq!(one.access().proxy, two.access().proxy);
    let lab = Lab { client: super::client(one.access()), dir, sandbox: one };
    lab.identity("shared").await;
    two.close().await;
    let before = export(&folder).await.unwrap();
    assert!(before.to_string().contains("/shared\""));
    std::fs::write(folder.join("state.json.bak"), "{}").unwrap();
    let ca = std::fs::read(folder.join("ca.pem")).unwrap();
    reset(&folder, false).await.unwrap();
    assert!(!export(&folder).await.unwrap().to_string().contains("/shared\""));
    assert!(lab.lines().is_empty() && !folder.join("state.json.bak").exists());
    assert_eq!(std::fs::read(folder.join("ca.pem")).unwrap(), ca);
    lab.identity("after").await;
    assert_eq!(lab.lines()[0]["n"], 1);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(matches!(access(&folder).await, Err(Error::NotServing { .. })));
    // the next process continues with what it left
    assert!(export(&folder).await.unwrap().to_string().contains("/after\""));
}

#[tokio::test]
async fn reset_without_serve_leaves_only_the_keys() {
    let lab = Lab::new(Lateness::None).await;
    lab.identity("gone").await;
    let ca = std::fs::read(&lab.sandbox.access().ca).unwrap();
    lab.sandbox.close().await;
    let dir = lab.dir.path();
    std::fs::write(dir.join("state.json"), "{}").unwrap();
    reset(dir, false).await.unwrap();
    for name in ["world.json", "requests.jsonl", "state.json"] {
        assert!(!dir.join(name).exists(), "{name}");
    }
    assert_eq!(std::fs::read(dir.join("ca.pem")).unwrap(), ca);
}

#[tokio::test]
async fn an_export_does_not_depend_on_the_order_of_requests() {
    let build = async |casing: bool| {
        let lab = Lab::new(Lateness::None).await;
        if casing {
            lab.identity("passing").await;
            lab.arm("DELETE", &format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/passing", lab.group()), None).await;
        }
        let principal = lab.identity("mid").await["properties"]["principalId"].as_str().unwrap().to_owned();
        lab.new_vault("kv-export", false).await;
        let scope = if casing { lab.vault_path("KV-Export") } else { lab.vault_path("kv-export") };
        let name = "30000000-0000-0000-0000-000000000003";
        let role = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{READER}", lab.subscription());
        let body = json!({"properties": {"roleDefinitionId": role, "principalId": principal}});
        let made = lab.arm("PUT", &format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"), Some(body)).await;
        assert_eq!(made.status, 201);
        let caller = lab.caller().await;
        let mut entries = vec![(caller, json!(["set", "get"])), (principal, json!(["get"]))];
        if casing {
            entries.reverse();
        }
        for (who, words) in entries {
            let entry = json!({"tenantId": lab.sandbox.access().tenant, "objectId": who, "permissions": {"secrets": words}});
            let add = format!("{}/accessPolicies/add", lab.vault_path("kv-export"));
            lab.arm("PUT", &add, Some(json!({"properties": {"accessPolicies": [entry]}}))).await;
        }
        for value in if casing { vec!["old", "canary"] } else { vec!["canary"] } {
            lab.vault("kv-export", "PUT", "/secrets/s", Some(json!({"value": value}))).await;
        }
        lab.control("GET", "/export", None).await.body
    };
    let (one, two) = (build(false).await, build(true).await);
    assert_eq!(one.to_string(), two.to_string());
    assert!(!one.to_string().contains("canary"));
    let digest = &one["secrets"]["https://kv-export.vault.azure.net/secrets/s"]["sha256"];
    assert_eq!(digest, "e100fbce008c04ec40637af0af91fb2f05aeedc23f856a2d3c0b1580625d755e");
    assert!(one["resources"].as_object().unwrap().keys().any(|k| k.ends_with("/vaults/kv-export")));
}
