//! Watches: current objects, changes, and versions that are too old.

use super::*;
use bytes::Bytes;
use tokio::sync::mpsc;

async fn watch(kube: &Arc<Kube>, path: &str) -> mpsc::Receiver<Bytes> {
    match kube.answer(&request("admin", "GET", path, "", "")).await.body {
        Body::Stream(stream) => stream,
        Body::Full(body) => panic!("no watch: {}", String::from_utf8_lossy(&body)),
    }
}

/// Returns type and name of the next event, and its object.
async fn next(stream: &mut mpsc::Receiver<Bytes>) -> Option<(String, Value)> {
    let line = tokio::time::timeout(Duration::from_secs(5), stream.recv()).await.expect("an event in time")?;
    let event: Value = serde_json::from_slice(&line).unwrap();
    Some((
        format!("{} {}", event["type"].as_str().unwrap(), event["object"]["metadata"]["name"].as_str().unwrap_or("-")),
        event["object"].clone(),
    ))
}

fn map(name: &str, label: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"l": label}}})
}

#[tokio::test]
async fn a_watch_sends_the_current_objects_and_then_changes() {
    let kube = cluster();
    post(&kube, CONFIGMAPS, map("a", "x")).await;
    let mut stream = watch(&kube, &format!("{CONFIGMAPS}?watch=1&labelSelector=l%3Dx")).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "ADDED a");
    post(&kube, CONFIGMAPS, map("b", "x")).await;
    post(&kube, CONFIGMAPS, map("c", "y")).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "ADDED b");
    ask(&kube, "PATCH", &format!("{CONFIGMAPS}/b"), MERGE, json!({"data": {"k": "v"}})).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "MODIFIED b");
    // An object that no longer matches the selector is deleted for its watchers; one that begins to match is added.
    ask(&kube, "PATCH", &format!("{CONFIGMAPS}/b"), MERGE, json!({"metadata": {"labels": {"l": "y"}}})).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "DELETED b");
    ask(&kube, "PATCH", &format!("{CONFIGMAPS}/c"), MERGE, json!({"metadata": {"labels": {"l": "x"}}})).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "ADDED c");
    delete(&kube, &format!("{CONFIGMAPS}/c")).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "DELETED c");
}

#[tokio::test]
async fn a_watch_continues_from_a_version() {
    let kube = cluster();
    let made = post(&kube, CONFIGMAPS, map("a", "x")).await;
    let version = made.body["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    post(&kube, CONFIGMAPS, map("b", "x")).await;
    let mut one = watch(&kube, &format!("{CONFIGMAPS}?watch=true&resourceVersion={version}")).await;
    let mut two = watch(&kube, &format!("{CONFIGMAPS}?watch=true&resourceVersion={version}&fieldSelector=metadata.name%3Db")).await;
    assert_eq!(next(&mut one).await.unwrap().0, "ADDED b");
    assert_eq!(next(&mut two).await.unwrap().0, "ADDED b");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_expired() {
    let kube = cluster();
    let mut stream = watch(&kube, &format!("{CONFIGMAPS}?watch=1&resourceVersion=1")).await;
    let (_, status) = next(&mut stream).await.unwrap();
    assert_eq!((status["code"].as_u64(), status["reason"].as_str()), (Some(410), Some("Expired")));
    assert!(status["message"].as_str().unwrap().starts_with("too old resource version: 1 ("));
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout_with_a_bookmark() {
    let kube = cluster();
    let path =
        format!("{CONFIGMAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1");
    let mut stream = watch(&kube, &path).await;
    assert_eq!(next(&mut stream).await.unwrap().0, "ADDED kube-root-ca.crt");
    let (kind, bookmark) = next(&mut stream).await.unwrap();
    assert_eq!((kind.as_str(), &bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"]), ("BOOKMARK -", &json!("true")));
    assert_eq!(next(&mut stream).await.unwrap().0, "BOOKMARK -");
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test]
async fn a_watch_ends_with_its_cluster() {
    let kube = cluster();
    let mut stream = watch(&kube, &format!("{CONFIGMAPS}?watch=1&fieldSelector=metadata.name%3Dnone")).await;
    drop(kube);
    assert!(next(&mut stream).await.is_none());
}
