//! The StatefulSet controller (kubernetes, `pkg/controller/statefulset`): pods with ordinals, made and replaced one after the other. It keeps no
//! ControllerRevisions, and pods do not get their claims: the sandbox has no storage.

use super::super::store::meta;
use super::controller_client::{ControllerClient, count};
use super::replicas::{self, MAX_PODS, ready_since};
use super::revisions;
use serde_json::{Value, json};

const COMPONENT: &str = "statefulset-controller";
const SETS: &str = "statefulsets.apps";
const HASH: &str = "controller-revision-hash";

pub fn reconcile(client: &mut ControllerClient<'_>) {
    let all: Vec<String> = client.store.with_prefix("statefulsets.apps/").map(|(at, _)| at.clone()).collect();
    for at in all {
        let Some(set) = client.store.get(&at).cloned() else { continue };
        client.isolated(|client| reconcile_one(client, &set), meta(&set, "uid"));
    }
}

fn reconcile_one(client: &mut ControllerClient<'_>, set: &Value) {
    if !set["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let candidates = client.list("pods", meta(set, "namespace"));
    let mut pods = client.claim("pods", set, candidates);
    pods.sort_by_key(|pod| ordinal(set, pod));
    let hash = format!("{}-{}", meta(set, "name"), revisions::hash(&set["spec"]["template"], 0));
    step(client, set, &pods, &hash);
    let status = status(set, &pods, &hash);
    if status != set["status"] {
        let mut set = set.clone();
        set["status"] = status;
        let _ = client.update_status(SETS, &set);
    }
}

fn ordinal(set: &Value, pod: &Value) -> Option<i64> {
    meta(pod, "name").strip_prefix(&format!("{}-", meta(set, "name")))?.parse().ok()
}

fn wanted(set: &Value) -> i64 {
    set["spec"]["replicas"].as_i64().unwrap_or(1)
}

fn is_deleted(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_current(pod: &Value, hash: &str) -> bool {
    pod["metadata"]["labels"][HASH] == hash
}

/// Makes the next missing pod, deletes one that is too many, or replaces one of an older template; each waits until those before it are ready.
fn step(client: &mut ControllerClient<'_>, set: &Value, pods: &[Value], hash: &str) {
    let in_parallel = set["spec"]["podManagementPolicy"] == "Parallel";
    let existing = client.store.with_prefix("pods/").take(MAX_PODS).count();
    for (made, at) in (0..wanted(set)).enumerate() {
        match pods.iter().find(|pod| ordinal(set, pod) == Some(at)) {
            None if existing + made >= MAX_PODS => return,
            None => {
                create(client, set, at, hash);
                if !in_parallel {
                    return;
                }
            }
            Some(pod) if !in_parallel && (is_deleted(pod) || ready_since(pod).is_none()) => return update_broken(client, set, pod, hash),
            Some(_) => {}
        }
    }
    let surplus = pods.iter().rev().find(|pod| ordinal(set, pod).is_none_or(|at| at >= wanted(set)));
    if let Some(pod) = surplus {
        return delete(client, set, pod);
    }
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" || pods.iter().any(|pod| is_deleted(pod) || ready_since(pod).is_none()) {
        return;
    }
    let partition = count(&set["spec"]["updateStrategy"]["rollingUpdate"]["partition"]);
    let is_old = |pod: &&Value| !is_current(pod, hash) && ordinal(set, pod).is_some_and(|at| at >= partition);
    if let Some(pod) = pods.iter().rev().find(is_old) {
        delete(client, set, pod);
    }
}

/// A pod of an older template that never became ready keeps its place in Kubernetes until someone deletes it, unless it is the one that a
/// rolling update has reached.
fn update_broken(client: &mut ControllerClient<'_>, set: &Value, pod: &Value, hash: &str) {
    if !is_deleted(pod) && !is_current(pod, hash) && set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        delete(client, set, pod);
    }
}

fn create(client: &mut ControllerClient<'_>, set: &Value, at: i64, hash: &str) {
    let mut metadata = replicas::pod_metadata(set);
    let name = format!("{}-{at}", meta(set, "name"));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.shift_remove("generateName");
    }
    metadata["name"] = json!(name);
    metadata["labels"][HASH] = json!(hash);
    metadata["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
    metadata["labels"]["apps.kubernetes.io/pod-index"] = json!(at.to_string());
    let mut spec = set["spec"]["template"]["spec"].clone();
    spec["hostname"] = json!(name);
    if !set["spec"]["serviceName"].is_null() {
        spec["subdomain"] = set["spec"]["serviceName"].clone();
    }
    let what = format!("Pod {name} in StatefulSet {}", meta(set, "name"));
    match client.create("pods", meta(set, "namespace"), &json!({"metadata": metadata, "spec": spec})) {
        Ok(_) => client.record_event(set, COMPONENT, "Normal", "SuccessfulCreate", &format!("create {what} successful")),
        Err(e) => client.record_event(set, COMPONENT, "Warning", "FailedCreate", &format!("create {what} failed error: {}", e.message)),
    }
}

fn delete(client: &mut ControllerClient<'_>, set: &Value, pod: &Value) {
    if !is_deleted(pod) && client.delete("pods", pod).is_ok() {
        let message = format!("delete Pod {} in StatefulSet {} successful", meta(pod, "name"), meta(set, "name"));
        client.record_event(set, COMPONENT, "Normal", "SuccessfulDelete", &message);
    }
}

fn status(set: &Value, pods: &[Value], hash: &str) -> Value {
    let is_ready = |pod: &&Value| !is_deleted(pod) && ready_since(pod).is_some();
    let updated = pods.iter().filter(|pod| is_current(pod, hash)).count();
    let ready = pods.iter().filter(is_ready).count();
    let before = set["status"]["currentRevision"].as_str().unwrap_or(hash);
    // the new revision is the current one once all pods have it
    let is_done = updated == pods.len() && pods.len() as i64 == wanted(set) && ready == pods.len();
    let current = if is_done || pods.is_empty() { hash } else { before };
    let of_current = pods.iter().filter(|pod| is_current(pod, current)).count();
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(), "availableReplicas": ready, "collisionCount": 0,
        "currentRevision": current, "updateRevision": hash,
    });
    for (field, number) in [("readyReplicas", ready), ("updatedReplicas", updated), ("currentReplicas", of_current)] {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    status
}
