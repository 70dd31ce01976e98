//! The DaemonSet controller (kubernetes, `pkg/controller/daemon`): keeps one pod on each node that the template fits, replaces the pods of an
//! older template, and counts them. It keeps no ControllerRevisions: a pod is current if its label has the hash of the template.

use super::super::status::Outcome;
use super::super::store::meta;
use super::controller_client::{ControllerClient, after, count};
use super::pods;
use super::replicas::{self, MAX_PODS, ready_since};
use super::revisions;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const COMPONENT: &str = "daemonset-controller";
const SETS: &str = "daemonsets.apps";
const HASH: &str = "controller-revision-hash";
/// Taints that the pods of every daemon set tolerate (kubernetes, `AddOrUpdateDaemonPodTolerations`).
const TOLERATED: [(&str, &str); 6] = [
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
];

/// A node with the pods that a daemon set has there.
struct NodePods {
    name: String,
    /// Whether the node should have a pod.
    wanted: bool,
    /// Whether a pod that runs there may stay.
    may_stay: bool,
    /// The oldest pod comes first.
    pods: Vec<Value>,
}

pub fn reconcile(client: &mut ControllerClient<'_>) {
    let all: Vec<String> = client.store.with_prefix("daemonsets.apps/").map(|(at, _)| at.clone()).collect();
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
    let nodes = nodes(client, set, candidates);
    let uid = meta(set, "uid").to_owned();
    if !client.retries.is_backing_off(&uid) {
        let hash = revisions::hash(&set["spec"]["template"], 0);
        match manage(client, set, &nodes, &hash) {
            Err(()) => client.retries.record_failure(&uid),
            Ok(()) => {
                client.retries.forget_failures(&uid);
                roll_out(client, set, &nodes, &hash);
            }
        }
    }
    let status = status(client, set, &nodes);
    if status != set["status"] {
        let mut set = set.clone();
        set["status"] = status;
        let _ = client.update_status(SETS, &set);
    }
}

fn nodes(client: &mut ControllerClient<'_>, set: &Value, candidates: Vec<Value>) -> Vec<NodePods> {
    let mut by_node: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for pod in client.claim("pods", set, candidates) {
        let node = node_of(&pod).to_owned();
        by_node.entry(node).or_default().push(pod);
    }
    let like_its_pods = json!({ "spec": pod_spec(set) });
    let own = &set["spec"]["template"]["spec"]["nodeName"];
    let all = client.list("nodes", "").into_iter().map(|node| {
        let name = meta(&node, "name").to_owned();
        let here = own.as_str().is_none_or(|own| own.is_empty() || own == name);
        let wanted = here && pods::refusal(&like_its_pods, &node).is_none();
        let may_stay = wanted || here && pods::refusal(&like_its_pods, &without_schedule_taints(&node)).is_none();
        let mut pods = by_node.remove(&name).unwrap_or_default();
        pods.sort_by_key(|pod| (meta(pod, "creationTimestamp").to_owned(), meta(pod, "name").to_owned()));
        NodePods { name, wanted, may_stay, pods }
    });
    all.collect()
}

/// Returns the node of a pod, also before the scheduler has assigned it.
fn node_of(pod: &Value) -> &str {
    let target = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    pod["spec"]["nodeName"].as_str().or_else(|| pod["spec"].pointer(target)?.as_str()).unwrap_or_default()
}

/// Only taints with `NoExecute` end a pod that runs.
fn without_schedule_taints(node: &Value) -> Value {
    let mut node = node.clone();
    if let Some(taints) = node["spec"]["taints"].as_array_mut() {
        taints.retain(|taint| taint["effect"] == "NoExecute");
    }
    node
}

/// Returns the spec of the set's pods with the tolerations of all daemon pods.
fn pod_spec(set: &Value) -> Value {
    let mut spec = set["spec"]["template"]["spec"].clone();
    let mut all = spec["tolerations"].as_array().cloned().unwrap_or_default();
    let network = (spec["hostNetwork"] == true).then_some(("network-unavailable", "NoSchedule"));
    for (taint, effect) in TOLERATED.into_iter().chain(network) {
        let one = json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": effect});
        if !all.contains(&one) {
            all.push(one);
        }
    }
    spec["tolerations"] = all.into();
    spec
}

fn is_deleted(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// Creates missing pods and deletes those that are too many, failed, or on a wrong node. Events have the reasons of failures.
fn manage(client: &mut ControllerClient<'_>, set: &Value, nodes: &[NodePods], hash: &str) -> Result<(), ()> {
    for node in nodes {
        let (failed, others): (Vec<&Value>, Vec<&Value>) = node.pods.iter().partition(|pod| pod["status"]["phase"] == "Failed");
        for pod in failed.iter().filter(|pod| node.wanted && !is_deleted(pod)) {
            let message = format!(
                "Found failed daemon pod {}/{} on node {}, will try to kill it",
                meta(pod, "namespace"),
                meta(pod, "name"),
                node.name
            );
            client.record_event(set, COMPONENT, "Warning", "FailedDaemonPod", &message);
        }
        let kept = usize::from(node.may_stay);
        for pod in failed.iter().chain(others.iter().skip(kept)).filter(|pod| !is_deleted(pod)) {
            delete(client, set, pod);
        }
    }
    let existing = client.store.with_prefix("pods/").take(MAX_PODS).count();
    for (made, node) in nodes.iter().filter(|node| node.wanted && node.pods.is_empty()).enumerate() {
        if existing + made >= MAX_PODS {
            let why = format!("pods \"{}-\" is forbidden: a cluster of the sandbox has at most {MAX_PODS} pods", meta(set, "name"));
            client.record_event(set, COMPONENT, "Warning", "FailedCreate", &format!("Error creating: {why}"));
            return Err(());
        }
        match create(client, set, &node.name, hash) {
            Ok(pod) => {
                client.record_event(set, COMPONENT, "Normal", "SuccessfulCreate", &format!("Created pod: {}", meta(&pod, "name")));
            }
            // the set will be deleted soon
            Err(refusal) if refusal.details["causes"][0]["reason"] == "NamespaceTerminating" => return Ok(()),
            Err(refusal) => {
                client.record_event(set, COMPONENT, "Warning", "FailedCreate", &format!("Error creating: {}", refusal.message));
                return Err(());
            }
        }
    }
    Ok(())
}

fn create(client: &mut ControllerClient<'_>, set: &Value, node: &str, hash: &str) -> Outcome<Value> {
    let mut metadata = replicas::pod_metadata(set);
    metadata["labels"][HASH] = json!(hash);
    let mut spec = pod_spec(set);
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
    spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({ "nodeSelectorTerms": [term] });
    client.create("pods", meta(set, "namespace"), &json!({"metadata": metadata, "spec": spec}))
}

fn delete(client: &mut ControllerClient<'_>, set: &Value, pod: &Value) {
    if client.delete("pods", pod).is_ok() {
        client.record_event(set, COMPONENT, "Normal", "SuccessfulDelete", &format!("Deleted pod: {}", meta(pod, "name")));
    }
}

/// A pod without the label was created together with its set, when the cluster was new.
fn is_current(set: &Value, pod: &Value, hash: &str) -> bool {
    match pod["metadata"]["labels"][HASH].as_str() {
        Some(label) => label == hash,
        None => count(&set["metadata"]["generation"]) <= 1,
    }
}

/// Deletes pods of an older template: those that are not available, and others as long as few enough nodes are without an available pod.
/// `maxSurge` counts as `maxUnavailable`, because two pods on one node would not make a difference here.
fn roll_out(client: &mut ControllerClient<'_>, set: &Value, nodes: &[NodePods], hash: &str) {
    let strategy = &set["spec"]["updateStrategy"];
    if strategy["type"] != "RollingUpdate" {
        return;
    }
    let wanted: Vec<&NodePods> = nodes.iter().filter(|node| node.wanted).collect();
    let bound = |field: &str| revisions::share(&strategy["rollingUpdate"][field], wanted.len() as i64, true);
    let limit = bound("maxUnavailable").max(bound("maxSurge")).max(1);
    let patience = count(&set["spec"]["minReadySeconds"]);
    let available = |node: &NodePods| node.pods.iter().any(|pod| !is_deleted(pod) && available_in(pod, patience).is_some_and(is_over));
    let mut left = limit - wanted.iter().filter(|node| !available(node)).count() as i64;
    for node in &wanted {
        let ready = available(node);
        for pod in node.pods.iter().filter(|pod| !is_deleted(pod) && !is_current(set, pod, hash)) {
            if ready && left <= 0 {
                continue;
            }
            left -= i64::from(ready);
            delete(client, set, pod);
        }
    }
}

/// Returns when a ready pod counts as available.
fn available_in(pod: &Value, patience: i64) -> Option<Timestamp> {
    ready_since(pod).map(|since| if patience == 0 { since.min(Timestamp::now()) } else { after(since, patience) })
}

fn is_over(due: Timestamp) -> bool {
    due <= Timestamp::now()
}

fn status(client: &mut ControllerClient<'_>, set: &Value, nodes: &[NodePods]) -> Value {
    let hash = revisions::hash(&set["spec"]["template"], 0);
    let patience = count(&set["spec"]["minReadySeconds"]);
    let (mut current, mut misplaced, mut ready, mut available, mut updated, mut desired) = (0, 0, 0, 0, 0, 0);
    for node in nodes {
        // the oldest pod counts, as in Kubernetes
        let pod = node.pods.iter().find(|pod| !is_deleted(pod));
        if !node.wanted {
            misplaced += i64::from(pod.is_some());
            continue;
        }
        desired += 1;
        let Some(pod) = pod else { continue };
        current += 1;
        updated += i64::from(is_current(set, pod, &hash));
        let Some(due) = available_in(pod, patience) else { continue };
        ready += 1;
        if is_over(due) {
            available += 1;
        } else {
            client.retries.run_again_at(due);
        }
    }
    let mut status = json!({
        "currentNumberScheduled": current, "numberMisscheduled": misplaced, "desiredNumberScheduled": desired, "numberReady": ready,
        "observedGeneration": set["metadata"]["generation"],
    });
    // zeros of these are left out
    let optional = [("updatedNumberScheduled", updated), ("numberAvailable", available), ("numberUnavailable", desired - available)];
    for (name, number) in optional.into_iter().filter(|(_, number)| *number != 0) {
        status[name] = json!(number);
    }
    for name in ["conditions", "collisionCount"] {
        if !set["status"][name].is_null() {
            status[name] = set["status"][name].clone();
        }
    }
    status
}
