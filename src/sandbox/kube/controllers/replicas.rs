//! The ReplicaSet controller (kubernetes, `pkg/controller/replicaset`): creates and deletes pods until their number is right, and counts them.

use super::super::label_selector;
use super::super::status::Outcome;
use super::super::store::{meta, now};
use super::controller_client::{ControllerClient, after, count, owned_by, time};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::cmp::Reverse;

const COMPONENT: &str = "replicaset-controller";
const SETS: &str = "replicasets.apps";
/// The most pods that one set creates in one round (kubernetes, `BurstReplicas`).
const BURST: usize = 500;
/// The most pods of one cluster: a billion replicas would be a billion objects.
pub const MAX_PODS: usize = 1000;

pub fn reconcile(client: &mut ControllerClient<'_>) {
    let all: Vec<String> = client.store.with_prefix("replicasets.apps/").map(|(at, _)| at.clone()).collect();
    for at in all {
        let Some(set) = client.store.get(&at).cloned() else { continue };
        client.isolated(|client| reconcile_one(client, &set), meta(&set, "uid"));
    }
}

fn reconcile_one(client: &mut ControllerClient<'_>, set: &Value) {
    let active = |pod: &Value| {
        pod["metadata"]["deletionTimestamp"].is_null() && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
    };
    let candidates: Vec<Value> = client.list("pods", meta(set, "namespace")).into_iter().filter(active).collect();
    let pods = client.claim("pods", set, candidates);
    let deleting = !set["metadata"]["deletionTimestamp"].is_null();
    let uid = meta(set, "uid").to_owned();
    let backing_off = client.retries.is_backing_off(&uid);
    let mut failure = None;
    if !deleting && !backing_off {
        failure = manage(client, set, &pods).err();
        match failure {
            Some(_) => client.retries.record_failure(&uid),
            None => client.retries.forget_failures(&uid),
        }
    }
    let mut status = status(client, set, &pods);
    // During the pause the last failure still applies.
    if !backing_off {
        condition(&mut status, count(&set["spec"]["replicas"]).saturating_sub(pods.len() as i64), failure.as_deref());
    }
    status["observedGeneration"] = set["metadata"]["generation"].clone();
    let status = without_zeros(status);
    if status != set["status"] {
        let mut set = set.clone();
        set["status"] = status;
        let _ = client.update_status(SETS, &set);
    }
}

/// Creates or deletes pods. Returns the server's message if pods could not be created.
fn manage(client: &mut ControllerClient<'_>, set: &Value, pods: &[Value]) -> Result<(), String> {
    let wanted = count(&set["spec"]["replicas"]);
    let existing = client.store.with_prefix("pods/").take(MAX_PODS).count();
    for made in 0..usize::try_from(wanted.saturating_sub(pods.len() as i64)).unwrap_or_default().min(BURST) {
        if existing + made >= MAX_PODS {
            let why = format!("pods \"{}-\" is forbidden: a cluster of the sandbox has at most {MAX_PODS} pods", meta(set, "name"));
            client.record_event(set, COMPONENT, "Warning", "FailedCreate", &format!("Error creating: {why}"));
            return Err(why);
        }
        match create(client, set) {
            Ok(pod) => {
                client.record_event(set, COMPONENT, "Normal", "SuccessfulCreate", &format!("Created pod: {}", meta(&pod, "name")));
            }
            // Every creation would fail, and the set will be deleted soon.
            Err(refusal) if refusal.details["causes"][0]["reason"] == "NamespaceTerminating" => return Ok(()),
            Err(refusal) => {
                client.record_event(set, COMPONENT, "Warning", "FailedCreate", &format!("Error creating: {}", refusal.message));
                return Err(refusal.message);
            }
        }
    }
    let surplus = usize::try_from((pods.len() as i64).saturating_sub(wanted)).unwrap_or_default();
    let mut ranked: Vec<&Value> = pods.iter().collect();
    ranked.sort_by_cached_key(|pod| deletion_rank(pod));
    for pod in ranked.into_iter().take(surplus) {
        if client.delete("pods", pod).is_ok() {
            client.record_event(set, COMPONENT, "Normal", "SuccessfulDelete", &format!("Deleted pod: {}", meta(pod, "name")));
        }
    }
    Ok(())
}

fn create(client: &mut ControllerClient<'_>, set: &Value) -> Outcome<Value> {
    let spec = &set["spec"]["template"]["spec"];
    client.create("pods", meta(set, "namespace"), &json!({"metadata": pod_metadata(set), "spec": spec}))
}

/// Returns the metadata of a new pod of a replica set or a daemon set.
pub fn pod_metadata(set: &Value) -> Value {
    let template = &set["spec"]["template"];
    let mut metadata = json!({"generateName": format!("{}-", meta(set, "name")), "ownerReferences": [owned_by(set)]});
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    metadata
}

/// Orders pods for deletion (`controller.ActivePodsWithRanks`): not placed, not started, not ready, cheap, young.
fn deletion_rank(pod: &Value) -> impl Ord + use<> {
    let placed = !pod["spec"]["nodeName"].is_null();
    let phase = match pod["status"]["phase"].as_str() {
        Some("Pending") | None => 0,
        Some("Unknown") => 1,
        _ => 2,
    };
    let cost = &pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"];
    let cost: i64 = cost.as_str().and_then(|c| c.parse().ok()).unwrap_or_default();
    let ready_since = ready_since(pod);
    let restarts: i64 =
        pod["status"]["containerStatuses"].as_array().into_iter().flatten().map(|c| count(&c["restartCount"])).max().unwrap_or_default();
    let name = meta(pod, "name").to_owned();
    (
        placed,
        phase,
        ready_since.is_some(),
        cost,
        Reverse(ready_since.map(|t| t.as_second())),
        Reverse(restarts),
        Reverse(meta(pod, "creationTimestamp").to_owned()),
        name,
    )
}

/// Returns since when a pod is ready.
pub fn ready_since(pod: &Value) -> Option<Timestamp> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let ready_since = conditions.iter().find(|c| c["type"] == "Ready" && c["status"] == "True")?;
    time(&ready_since["lastTransitionTime"]).or(Some(Timestamp::UNIX_EPOCH))
}

fn status(client: &mut ControllerClient<'_>, set: &Value, pods: &[Value]) -> Value {
    let patience = count(&set["spec"]["minReadySeconds"]);
    let labels = json!({"matchLabels": set["spec"]["template"]["metadata"]["labels"]});
    let since: Vec<Timestamp> = pods.iter().filter_map(ready_since).collect();
    let now = Timestamp::now();
    let due = |since: &Timestamp| after(*since, patience);
    let available = since.iter().filter(|since| patience == 0 || due(since) <= now).count();
    if let Some(next) = since.iter().map(due).filter(|due| *due > now).min().filter(|_| patience != 0) {
        client.retries.run_again_at(next);
    }
    let labelled = pods.iter().filter(|pod| label_selector::matches(&labels, &pod["metadata"]["labels"])).count();
    json!({
        "replicas": pods.len(), "fullyLabeledReplicas": labelled, "readyReplicas": since.len(), "availableReplicas": available,
        "conditions": set["status"]["conditions"].as_array().cloned().unwrap_or_default(),
    })
}

fn condition(status: &mut Value, missing: i64, failure: Option<&str>) {
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let existing = conditions.iter().any(|c| c["type"] == "ReplicaFailure");
    match failure {
        Some(message) if !existing => {
            let reason = if missing > 0 { "FailedCreate" } else { "FailedDelete" };
            conditions.push(json!({
                "type": "ReplicaFailure", "status": "True", "lastTransitionTime": now(), "reason": reason, "message": message,
            }));
        }
        None => conditions.retain(|c| c["type"] != "ReplicaFailure"),
        Some(_) => {}
    }
}

/// Removes zeros and empty lists, except for the count of replicas.
fn without_zeros(mut status: Value) -> Value {
    if let Some(map) = status.as_object_mut() {
        map.retain(|name, value| name == "replicas" || !(*value == 0 || value.as_array().is_some_and(Vec::is_empty)));
    }
    status
}
