//! Whether a Kubernetes object does what it is for: a rollout is done, a definition is established, a job is complete. Judged as
//! `kubectl rollout status` and `kubectl wait` do, from the object and, for the reason of a delay, from its pods.

mod conditions;
mod network;
mod pods;
pub mod trouble;
mod volumes;

use super::world::Writer;
use crate::{
    cluster::{Api, ObjectRef, Write},
    engine::fault::Fault,
};
pub use conditions::State;
use conditions::{condition, is_true, number, said, text};
pub(super) use pods::{is_ready_pod, pod_reason};
use serde_json::Value;
use std::time::{Duration, Instant};
use trouble::{PodTrouble, trouble};
use volumes::Volumes;

/// Something that was applied and did not become ready.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct NotReady {
    pub what: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Pods are looked at once it takes longer than this: a rollout that goes well needs no request for them.
const SUSPICION: Duration = Duration::from_secs(1);
/// The same reason is reported again after this.
const AGAIN: Duration = Duration::from_secs(15);

/// The rule for objects of a kind; None where they are ready once they exist.
fn rule(object: &Value) -> Option<fn(&Value) -> State> {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    Some(match (group, text(object, "/kind")) {
        ("apps", "Deployment") => deployment,
        ("apps", "DaemonSet") => daemon_set,
        ("apps", "StatefulSet") => stateful_set,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition,
        ("apiregistration.k8s.io", "APIService") => served_group,
        ("batch", "Job") => job,
        ("", "Service") => network::service,
        ("gateway.networking.k8s.io", "Gateway") => network::gateway,
        ("gateway.networking.k8s.io", "HTTPRoute") => network::route,
        _ => return None,
    })
}

/// Whether an object of this manifest can exist without being ready.
pub fn is_awaited(manifest: &Value) -> bool {
    rule(manifest).is_some()
}

/// What an object says of itself.
pub fn state(object: &Value) -> State {
    rule(object).map_or(State::Ready, |rule| rule(object))
}

/// The controller has not seen the latest spec.
fn unobserved(object: &Value) -> Option<State> {
    let seen = number(object, "/status/observedGeneration") >= number(object, "/metadata/generation");
    (!seen).then(|| State::Waiting("its controller has not seen the change yet".to_owned()))
}

fn count(ready: i64, all: i64, what: &str) -> State {
    State::Waiting(format!("{ready} of {all} pods are {what}"))
}

fn deployment(object: &Value) -> State {
    if let Some(state) = unobserved(object) {
        return state;
    }
    if let Some(progress) = condition(object, "Progressing").filter(|c| c["reason"] == "ProgressDeadlineExceeded") {
        return State::Failed(said(progress));
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (all, updated) = (number(object, "/status/replicas"), number(object, "/status/updatedReplicas"));
    let available = number(object, "/status/availableReplicas");
    match () {
        () if updated < wanted => count(updated, wanted, "updated"),
        () if all > updated => State::Waiting(format!("{} old pods are still running", all - updated)),
        () if available < updated => count(available, updated, "available"),
        () => State::Ready,
    }
}

fn daemon_set(object: &Value) -> State {
    if let Some(state) = unobserved(object) {
        return state;
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return State::Ready;
    }
    let wanted = number(object, "/status/desiredNumberScheduled");
    let (updated, available) = (number(object, "/status/updatedNumberScheduled"), number(object, "/status/numberAvailable"));
    match () {
        () if updated < wanted => count(updated, wanted, "updated"),
        () if available < wanted => count(available, wanted, "available"),
        () => State::Ready,
    }
}

fn stateful_set(object: &Value) -> State {
    if let Some(state) = unobserved(object) {
        return state;
    }
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return State::Ready;
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let (ready, updated) = (number(object, "/status/readyReplicas"), number(object, "/status/updatedReplicas"));
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    let is_current = text(object, "/status/updateRevision") == text(object, "/status/currentRevision");
    match () {
        () if ready < wanted => count(ready, wanted, "ready"),
        () if partition > 0 && updated < wanted - partition => count(updated, wanted - partition, "updated"),
        () if partition == 0 && !is_current => count(updated, wanted, "updated"),
        () => State::Ready,
    }
}

fn definition(object: &Value) -> State {
    if let Some(names) = condition(object, "NamesAccepted").filter(|c| c["status"] == "False") {
        return State::Failed(said(names));
    }
    match is_true(object, "Established") {
        true => State::Ready,
        false => State::Waiting("it is not established yet".to_owned()),
    }
}

fn served_group(object: &Value) -> State {
    match is_true(object, "Available") {
        true => State::Ready,
        false => State::Waiting(condition(object, "Available").map_or_else(|| "it is not available yet".to_owned(), said)),
    }
}

fn job(object: &Value) -> State {
    if let Some(failed) = condition(object, "Failed").filter(|c| c["status"] == "True") {
        return State::Failed(said(failed));
    }
    match is_true(object, "Complete") {
        true => State::Ready,
        false => State::Waiting(format!("{} pods have succeeded", number(object, "/status/succeeded"))),
    }
}

/// Says what keeps the pods of a workload's latest template from running.
pub fn pod_trouble(workload: &Value, pods: &[Value]) -> Option<String> {
    trouble(workload, pods).map(|trouble| trouble.reason)
}

/// The label selector of a workload's pods; None for a kind that has none.
pub fn selector(workload: &Value) -> Option<String> {
    let labels = workload.pointer("/spec/selector/matchLabels")?.as_object()?;
    let each: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    Some(each.join(","))
}

/// The pods of a workload, as far as this login may list them.
async fn pods(cluster: &Write, workload: &Value) -> Vec<Value> {
    let Some(selector) = selector(workload) else { return Vec::new() };
    let namespace = text(workload, "/metadata/namespace");
    cluster.list(&Api::new("", "v1", "Pod", "pods"), Some(namespace), Some(&selector), None).await.unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        long if long >= 120 && long % 60 == 0 => format!("{} min", long / 60),
        long => format!("{long} s"),
    }
}

/// `deployment kube-system/mic`, and the command that shows it.
fn names(at: &ObjectRef) -> (String, String) {
    let kind = at.api.kind.to_lowercase();
    match &at.namespace {
        Some(namespace) => (format!("{kind} {namespace}/{}", at.name), format!("`kubectl describe {kind} {} -n {namespace}`", at.name)),
        None => (format!("{kind} {}", at.name), format!("`kubectl describe {kind} {}`", at.name)),
    }
}

fn not_ready(at: &ObjectRef, reason: String, waited: Option<Duration>) -> Fault {
    let (what, look) = names(at);
    let image = pods::image_hint(&reason).map(str::to_owned);
    let after = waited.map(|waited| format!(" after {}", seconds(waited))).unwrap_or_default();
    Fault::cloud(NotReady {
        what: format!("the {what} is not ready{after}"),
        causes: vec![reason],
        hints: image
            .into_iter()
            .chain([
                format!("See its events: {look}."),
                "It stays applied: correct what keeps it from becoming ready, then run the same command again.".to_owned(),
            ])
            .collect(),
    })
}

/// Waits until an object that was applied is ready. Ends early where waiting does not help.
pub async fn wait(cluster: &Write, at: &ObjectRef, writer: &Writer) -> Result<(), Fault> {
    let begun = Instant::now();
    let (what, _) = names(at);
    let mut pause = FIRST_PAUSE;
    let mut told: Option<(String, Instant)> = None;
    let mut suspect: Option<(PodTrouble, Instant)> = None;
    let mut volumes = Volumes::new();
    loop {
        let found = cluster.get(at).await.map_err(Fault::cloud)?;
        let Some(object) = found else { return Err(not_ready(at, "it was deleted meanwhile".to_owned(), None)) };
        let mut reason = match state(&object) {
            State::Ready => return Ok(()),
            State::Failed(reason) => {
                let trouble = trouble(&object, &pods(cluster, &object).await);
                return Err(not_ready(at, trouble.map_or(reason.clone(), |trouble| format!("{reason}; {}", trouble.reason)), None));
            }
            State::Waiting(reason) => reason,
        };
        if begun.elapsed() >= SUSPICION {
            let pods = pods(cluster, &object).await;
            let now = match trouble(&object, &pods) {
                Some(trouble) => Some(trouble),
                None => volumes.trouble(cluster, &pods, writer.of_volume).await,
            };
            suspect = now.map(|now| match suspect {
                Some((before, since)) if before.patience == now.patience => (now, since),
                _ => (now, Instant::now()),
            });
        }
        if let Some((trouble, since)) = &suspect {
            reason = format!("{reason}; {}", trouble.reason);
            if trouble.patience.is_some_and(|patience| since.elapsed() >= patience) {
                return Err(not_ready(at, reason, None));
            }
        }
        if begun.elapsed() + pause >= writer.limit {
            return Err(not_ready(at, reason, Some(begun.elapsed())));
        }
        if told.as_ref().is_none_or(|(before, when)| *before != reason || when.elapsed() >= AGAIN) {
            let (so_far, limit) = (seconds(begun.elapsed()), seconds(writer.limit));
            (writer.on_wait)(format!("waiting for the {what} to be ready ({so_far}, up to {limit}): {reason}"));
            told = Some((reason, Instant::now()));
        }
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
        json!({ "apiVersion": api_version, "kind": kind, "metadata": { "generation": 2 }, "spec": spec, "status": status })
    }

    fn waits(state: &State, why: &str) {
        assert!(matches!(state, State::Waiting(reason) if reason.contains(why)), "{state:?}");
    }

    #[test]
    fn a_deployment_is_ready_once_all_of_its_new_pods_are_available_and_no_old_one_is_left() {
        let of = |status: Value| state(&object("apps/v1", "Deployment", json!({ "replicas": 2 }), status));
        waits(&of(json!({ "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 })), "has not seen");
        waits(&of(json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 1 })), "1 of 2 pods are updated");
        waits(&of(json!({ "observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3 })), "1 old pods");
        waits(
            &of(json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1 })),
            "1 of 2 pods are available",
        );
        let done = json!({ "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 });
        assert_eq!(of(done), State::Ready);
        let late = json!({ "observedGeneration": 2, "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out" }] });
        assert_eq!(of(late), State::Failed("ProgressDeadlineExceeded: timed out".into()));
    }

    #[test]
    fn daemon_sets_stateful_sets_jobs_and_definitions_have_rules_of_their_own() {
        let daemons = |status: Value| state(&object("apps/v1", "DaemonSet", json!({}), status));
        waits(
            &daemons(json!({ "observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 1 })),
            "1 of 3",
        );
        assert_eq!(daemons(json!({ "observedGeneration": 2, "desiredNumberScheduled": 0 })), State::Ready, "no node wants one");
        let set = |status: Value| state(&object("apps/v1", "StatefulSet", json!({ "replicas": 1 }), status));
        waits(&set(json!({ "observedGeneration": 2, "readyReplicas": 1, "updateRevision": "b", "currentRevision": "a" })), "updated");
        assert_eq!(
            set(json!({ "observedGeneration": 2, "readyReplicas": 1, "updateRevision": "b", "currentRevision": "b" })),
            State::Ready
        );
        let conditions = |kind: &str, status: &str| json!({ "conditions": [{ "type": kind, "status": status, "message": "m" }] });
        let job = |status: Value| state(&object("batch/v1", "Job", json!({}), status));
        assert_eq!(job(conditions("Complete", "True")), State::Ready);
        assert_eq!(job(conditions("Failed", "True")), State::Failed("m".into()));
        let definition = |status: Value| state(&object("apiextensions.k8s.io/v1", "CustomResourceDefinition", json!({}), status));
        waits(&definition(json!({})), "established");
        assert_eq!(definition(conditions("Established", "True")), State::Ready);
        assert_eq!(definition(conditions("NamesAccepted", "False")), State::Failed("m".into()));
        assert_eq!(state(&object("v1", "ConfigMap", json!({}), json!({}))), State::Ready);
    }

    #[test]
    fn only_pods_of_the_latest_template_are_a_reason() {
        let spec = |image: &str| json!({ "containers": [{ "name": "mic", "image": image }] });
        let workload = json!({ "spec": { "template": { "spec": spec("mic:2") } } });
        let pod = |image: &str, reason: &str| {
            json!({ "metadata": { "name": "p" }, "spec": spec(image),
                "status": { "containerStatuses": [{ "name": "mic", "state": { "waiting": { "reason": reason, "message": "m" } } }] } })
        };
        assert_eq!(trouble(&workload, &[pod("mic:1", "InvalidImageName")]), None);
        assert_eq!(trouble(&workload, &[pod("mic:2", "ContainerCreating")]), None);
        let found = trouble(&workload, &[pod("mic:2", "CrashLoopBackOff"), pod("mic:2", "InvalidImageName")]).unwrap();
        assert_eq!(found.patience, Some(Duration::ZERO), "the most hopeless one counts");
        assert_eq!(found.reason, "the container mic of the pod p does not start: InvalidImageName: m");
        let unscheduled = json!({ "metadata": { "name": "q" }, "spec": spec("mic:2"),
            "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" }] } });
        let found = trouble(&workload, &[unscheduled]).unwrap();
        assert_eq!((found.reason.as_str(), found.patience), ("the pod q is not scheduled: Unschedulable: 0/3 nodes", None));
    }
}
