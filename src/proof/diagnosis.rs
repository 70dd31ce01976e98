//! Why a proof does not go on right now: what the cluster shows of the pod, what the components reported of it, and which link of the
//! chain is missing. It looks only at the cluster, and a login that may not look learns less.

use super::{attempt::Attempt, scheduling};
use crate::{
    chain::{
        ground::{is_refusal, refused_caller},
        link::{Heals, Meaning, MissingLink, POD, RESTART, Reason, START},
        stage::{Otherwise, Stage, Until},
        texts::{cut, field, first_lines, last_seen},
        view::View,
    },
    engine::resource::Side,
};
use serde_json::Value;

/// Whether a text only says that something else went wrong.
fn is_vague(text: &str) -> bool {
    text.contains("timed out waiting for the condition") || text.contains("context deadline exceeded") && !text.contains("desc = failed")
}

/// How much an event of a pod says: kubelet repeats that a Secret is missing while the driver has said once why, and its timeouts say nothing.
fn weight(event: &Value, stage: &Stage) -> usize {
    let message = field(event, "/message");
    match field(event, "/reason") {
        _ if is_vague(message) => 0,
        "FailedScheduling" => 0,
        reason if stage.telling.contains(&reason) => 3,
        reason if stage.over.contains(&reason) => 0,
        "Failed" if message.starts_with("Error: secret ") || message.contains("couldn't find key") => 1,
        _ => 2,
    }
}

/// The event that says most; of several the latest.
fn most_telling<'a>(events: &'a [Value], uid: &str, stage: &Stage) -> Option<&'a Value> {
    let ours = events.iter().filter(|e| field(e, "/involvedObject/uid") == uid && weight(e, stage) > 0);
    ours.max_by_key(|e| (weight(e, stage), last_seen(e)))
}

impl Attempt<'_> {
    /// None: nothing is known that is in the way.
    pub(super) async fn diagnose(&self, stage: &Stage) -> Option<Reason> {
        let mut report = None;
        if let Ok(now) = self.cluster.get(&self.pod.at).await {
            let now = now.filter(|now| field(now, "/metadata/uid") == self.pod.uid);
            let Some(now) = now else { return Some(deleted()) };
            if let Some(reason) =
                ended(&now).or_else(|| scheduling::reason(&now)).or_else(|| image(&now).filter(|_| matches!(stage.until, Until::Pod(_))))
            {
                return Some(reason);
            }
            report = stage.report.as_ref().and_then(|report| report(&now));
        }
        let reader = self.prover.clusters.reader(&self.target.bound.cluster).await.ok()?;
        let view = &self.view(&reader);
        let events = view.warnings(&self.target.bound.namespace, &self.pod.at.name).await;
        let told = || most_telling(&events, &self.pod.uid, stage).map(|e| field(e, "/message"));
        let message = report.as_deref().or_else(told);
        match (message.filter(|message| !self.target.is_waiting(message)), &stage.otherwise) {
            (Some(message), _) => Some(self.of_message(message, stage, view).await),
            (None, Otherwise::Chain) => self.first_missing(view).await,
            (None, Otherwise::Reason(reason)) => Some(reason.clone()),
            (None, Otherwise::Nothing) => None,
        }
    }

    async fn of_message(&self, message: &str, stage: &Stage, view: &View<'_>) -> Reason {
        let target = self.target;
        if is_refusal(message)
            && let Some(caller) = refused_caller(message)
            && let Some(own) = target.bound.identity.client_id()
            && !own.eq_ignore_ascii_case(caller)
        {
            return target.mode.refused_other(view, caller).await;
        }
        if let Some((link, symptom)) = target.symptom(message) {
            match symptom.means {
                Meaning::Known { heals, what, hint } => {
                    let missing = MissingLink::new(link.name, format!("{what}{}", object(message))).because(cut(&first_lines(message)));
                    return Reason::new(heals, missing.hint(hint(view, link)));
                }
                Meaning::Read(read) => return read(view, link, message),
                Meaning::Waiting => {}
            }
        }
        let way = format!(
            "Look at the events of the workload's pods: `kubectl get events -n {} --sort-by=.lastTimestamp`.",
            target.bound.namespace
        );
        let cause = cut(&first_lines(message));
        Reason::new(Heals::Perhaps, MissingLink::new(stage.link, stage.in_vain.clone()).because(cause).hint(way))
    }

    /// Walks the chain up to the first link of which the cluster shows that it is missing.
    async fn first_missing(&self, view: &View<'_>) -> Option<Reason> {
        for link in &self.target.links {
            let Some(check) = link.check.filter(|check| check.side == Side::Kubernetes) else { continue };
            if let Some(reason) = (check.look)(view, link).await.into_iter().next() {
                return Some(reason);
            }
        }
        None
    }
}

/// The object that the provider names.
fn object(text: &str) -> String {
    let name = text.split_once("objectName:").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
    name.filter(|n| !n.is_empty()).map(|n| format!(" (object {n})")).unwrap_or_default()
}

pub(super) fn deleted() -> Reason {
    let what = "the pod of the proof was deleted while it was needed";
    let hint = "Somebody else, or a controller, deletes pods in this namespace: look at its events, then run the proof again.";
    Reason::new(Heals::Never, MissingLink::new(POD, what).hint(hint))
}

/// The pod ended before its container ran: it was evicted, or its node did not take it.
pub(super) fn ended(pod: &Value) -> Option<Reason> {
    if field(pod, "/status/phase") != "Failed" {
        return None;
    }
    let (reason, message) = (field(pod, "/status/reason"), field(pod, "/status/message"));
    let what = format!("the pod of the proof ended: {}", if reason.is_empty() { "Failed" } else { reason });
    let missing = MissingLink::new(POD, what).hint("Run the proof again when the node has room: `kubectl get nodes` shows their state.");
    Some(Reason::new(Heals::Never, if message.is_empty() { missing } else { missing.because(cut(message)) }))
}

/// An image matters only where the container has to run.
pub(super) fn image(pod: &Value) -> Option<Reason> {
    let waiting = pod.pointer("/status/containerStatuses/0/state/waiting")?;
    let (reason, message) = (field(waiting, "/reason"), field(waiting, "/message"));
    if !matches!(reason, "InvalidImageName" | "ErrImageNeverPull" | "ErrImagePull" | "ImagePullBackOff") {
        return None;
    }
    let lasting =
        ["not found", "denied", "unauthorized", "authentication required", "manifest unknown"].iter().any(|w| message.contains(w));
    let heals =
        if lasting || matches!(reason, "InvalidImageName" | "ErrImageNeverPull") { Heals::Never } else { Heals::Within(RESTART * 2) };
    let what = format!("the image {} could not be pulled ({reason})", field(pod, "/spec/containers/0/image"));
    let missing = MissingLink::new(START, what).hint("Give the proof an image that the nodes can pull, with `--image`.");
    Some(Reason::new(heals, if message.is_empty() { missing } else { missing.because(cut(message)) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::stage::Reached;
    use serde_json::json;

    fn stage(until: Until, first: bool) -> Stage {
        let (telling, over): (&[&str], &[&str]) = if first { (&[], &[]) } else { (&["FailedToCreateSecret"], &["FailedMount"]) };
        let (waits_for, in_vain) = (String::new(), String::new());
        Stage { step: "", waits_for, in_vain, until, link: START, otherwise: Otherwise::Nothing, telling, over, report: None }
    }

    fn runs(first: bool) -> Stage {
        stage(Until::runs(Reached::default), first)
    }

    fn event(reason: &str, message: &str, at: &str) -> Value {
        json!({ "reason": reason, "message": message, "lastTimestamp": at, "involvedObject": { "uid": "u" } })
    }

    #[test]
    fn the_drivers_own_word_counts_more_than_kubelets_later_one() {
        let events = [
            event("FailedToCreateSecret", "secrets is forbidden: User cannot create", "2026-11-30T12:00:00Z"),
            event("Failed", "Error: secret \"shop\" not found", "2026-11-30T12:00:30Z"),
        ];
        let told = most_telling(&events, "u", &runs(false)).unwrap();
        assert_eq!(told["reason"], "FailedToCreateSecret");
        assert!(most_telling(&events, "of another pod", &runs(false)).is_none());
    }

    #[test]
    fn kubelets_timeout_hides_no_reason() {
        let events = [
            event("FailedMount", "MountVolume.SetUp failed: ForbiddenByRbac", "2026-11-30T12:00:00Z"),
            event("FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", "2026-11-30T12:02:00Z"),
        ];
        assert_eq!(most_telling(&events, "u", &runs(true)).unwrap()["lastTimestamp"], "2026-11-30T12:00:00Z");
    }

    #[test]
    fn an_image_that_is_not_there_does_not_come_by_waiting() {
        let pod = |reason: &str, message: &str| {
            json!({
                "spec": { "containers": [{ "image": "x/y:1" }] },
                "status": { "containerStatuses": [{ "state": { "waiting": { "reason": reason, "message": message } } }] },
            })
        };
        let heals = |reason: &str, message: &str| image(&pod(reason, message)).map(|r| r.heals);
        assert_eq!(heals("ImagePullBackOff", "pull access denied"), Some(Heals::Never));
        assert_eq!(heals("ErrImagePull", "i/o timeout"), Some(Heals::Within(RESTART * 2)));
        assert_eq!(heals("ContainerCreating", ""), None);
    }
}
