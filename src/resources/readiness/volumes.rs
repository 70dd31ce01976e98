//! Why the volumes of pods are not mounted, as the events of the pods tell it.

use super::{
    conditions::text,
    trouble::{OfVolume, PodTrouble},
};
use crate::{
    cluster::{Api, Write},
    resources::texts::{cut, first_lines},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The clock of the API server may be ahead of this one.
const SKEW: SignedDuration = SignedDuration::from_secs(5);
/// What a text calls final must be said for so long: kubelet may still be about to try again.
const CONFIRMATION: Duration = Duration::from_secs(4);

/// What a wait knows of the volumes of the pods.
pub(super) struct Volumes {
    begun: Timestamp,
    /// When each pod's event was last seen when this wait first saw it: an old pod may tell an old story.
    first: BTreeMap<String, String>,
}

impl Volumes {
    pub fn new() -> Self {
        Self { begun: Timestamp::now(), first: BTreeMap::new() }
    }

    /// Returns what the events of the pods say where containers wait for volumes; the most hopeless first. Nothing for a login that may not
    /// read events.
    pub async fn trouble(&mut self, cluster: &Write, pods: &[Value], meaning: fn(&str) -> Option<OfVolume>) -> Option<PodTrouble> {
        let mut found = Vec::new();
        for pod in pods.iter().filter(|pod| waits_for_volumes(pod)) {
            let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
            let about = format!("involvedObject.name={name},type=Warning");
            let events =
                cluster.list(&Api::new("", "v1", "Event", "events"), Some(namespace), None, Some(&about)).await.unwrap_or_default();
            let mounts = events.iter().filter(|event| event["reason"] == "FailedMount");
            let Some(latest) = mounts.max_by_key(|event| text(event, "/lastTimestamp").to_owned()) else { continue };
            found.push(self.of_event(pod, latest, meaning));
        }
        found.into_iter().min_by_key(|trouble| trouble.patience.unwrap_or(Duration::MAX))
    }

    fn of_event(&mut self, pod: &Value, event: &Value, meaning: fn(&str) -> Option<OfVolume>) -> PodTrouble {
        let (name, whole) = (text(pod, "/metadata/name"), text(event, "/message"));
        let message = short(whole);
        let Some(known) = meaning(whole) else {
            return PodTrouble { reason: format!("the pod {name} waits for its volumes: {message}"), patience: None };
        };
        let reason = format!("the pod {name} waits for its volumes: {} ({message})", known.what);
        let patience = known.patience.filter(|_| self.is_news(pod, event)).map(|patience| patience.max(CONFIRMATION));
        PodTrouble { reason, patience }
    }

    /// Whether an event tells of something that happened during this wait.
    fn is_news(&mut self, pod: &Value, event: &Value) -> bool {
        let seen = format!("{} {}", text(event, "/lastTimestamp"), event["count"]);
        let first = self.first.entry(text(pod, "/metadata/uid").to_owned()).or_insert_with(|| seen.clone());
        let made: Result<Timestamp, _> = text(pod, "/metadata/creationTimestamp").parse();
        *first != seen || made.is_ok_and(|made| made + SKEW >= self.begun)
    }
}

fn waits_for_volumes(pod: &Value) -> bool {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let waits = |status: &Value| text(status, "/state/waiting/reason") == "ContainerCreating";
    pod.pointer("/metadata/deletionTimestamp").is_none() && statuses.is_some_and(|all| all.iter().any(waits))
}

/// The first lines of a component's text, with the code of Azure's answer, which stands below them.
fn short(whole: &str) -> String {
    let first = cut(&first_lines(whole));
    let code = whole.split_once("ERROR CODE: ").and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_alphanumeric()).next());
    match code.filter(|code| !code.is_empty() && !first.contains(code)) {
        Some(code) => format!("{first} ({code})"),
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn meaning(text: &str) -> Option<OfVolume> {
        text.contains("SecretNotFound").then_some(OfVolume { what: "a secret is not in the vault", patience: Some(Duration::ZERO) })
    }

    fn pod(made: Timestamp) -> Value {
        json!({ "metadata": { "name": "web", "uid": "u", "creationTimestamp": made } })
    }

    fn event(message: &str, at: &str) -> Value {
        json!({ "message": message, "lastTimestamp": at, "count": 1 })
    }

    #[test]
    fn only_pods_whose_containers_are_not_made_yet_wait_for_volumes() {
        let pod =
            |reason: &str| json!({ "metadata": {}, "status": { "containerStatuses": [{ "state": { "waiting": { "reason": reason } } }] } });
        assert!(waits_for_volumes(&pod("ContainerCreating")));
        assert!(!waits_for_volumes(&pod("CrashLoopBackOff")));
        assert!(!waits_for_volumes(&json!({ "status": {} })));
    }

    #[test]
    fn a_known_text_about_a_new_pod_ends_the_wait_and_any_other_does_not() {
        let mut volumes = Volumes::new();
        let known = volumes.of_event(&pod(Timestamp::now()), &event("code = SecretNotFound", "1"), meaning);
        assert_eq!(known.patience, Some(CONFIRMATION));
        assert_eq!(known.reason, "the pod web waits for its volumes: a secret is not in the vault (code = SecretNotFound)");
        assert_eq!(volumes.of_event(&pod(Timestamp::now()), &event("something else", "1"), meaning).patience, None);
    }

    #[test]
    fn what_an_old_pod_said_before_counts_once_it_says_it_again() {
        let mut volumes = Volumes::new();
        let old = pod(Timestamp::now() - SignedDuration::from_mins(5));
        assert_eq!(volumes.of_event(&old, &event("SecretNotFound", "1"), meaning).patience, None);
        assert_eq!(volumes.of_event(&old, &event("SecretNotFound", "1"), meaning).patience, None);
        assert_eq!(volumes.of_event(&old, &event("SecretNotFound", "2"), meaning).patience, Some(CONFIRMATION));
    }
}
