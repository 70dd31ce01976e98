//! Why a proof does not go on right now: what the cluster shows of the pod, what the components reported of it, and which link of the chain
//! of pod identity is missing. It looks only at the cluster, and a login that may not look learns less.

use super::{
    Target,
    attempt::{Attempt, Stage},
    link::{ASSIGNMENT, Heals, Link, NotProved, RESTART, ROLE, Reason},
    scheduling, words,
};
use crate::{
    azure::{ArmId, id::IDENTITY},
    cluster::{Api, Write},
    resources::{azure_identity, azure_identity_binding::AzureIdentityBinding, manifested::Manifested as _},
};
use jiff::Timestamp;
use serde_json::Value;

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// When an event was last seen; its writer fills in one of these.
fn seen(event: &Value) -> Option<Timestamp> {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| text(event, pointer).parse().ok())
}

/// The warnings about an object of this name. A login that may not read events still learns that the proof failed.
async fn warnings(cluster: &Write, namespace: &str, name: &str) -> Vec<Value> {
    let api = Api::new("", "v1", "Event", "events");
    let about = format!("involvedObject.name={name},type=Warning");
    cluster.list(&api, Some(namespace), None, Some(&about)).await.unwrap_or_default()
}

/// How much an event of a pod tells: kubelet repeats that a Secret is missing while the driver has said once why, and its timeouts say nothing.
fn tells(event: &Value, stage: &Stage<'_>) -> usize {
    let message = text(event, "/message");
    match text(event, "/reason") {
        _ if words::is_vague(message) => 0,
        "FailedScheduling" => 0,
        "FailedToCreateSecret" if *stage != Stage::Mount => 3,
        // what failed before the mount is over once it is mounted
        "FailedMount" if *stage != Stage::Mount => 0,
        "FailedMount" => 2,
        "Failed" if message.starts_with("Error: secret ") || message.contains("couldn't find key") => 1,
        _ => 2,
    }
}

/// The event that tells most; of several the latest.
fn most_telling<'a>(events: &'a [Value], uid: &str, stage: &Stage<'_>) -> Option<&'a Value> {
    let ours = events.iter().filter(|e| text(e, "/involvedObject/uid") == uid && tells(e, stage) > 0);
    ours.max_by_key(|e| (tells(e, stage), seen(e)))
}

impl Attempt<'_> {
    /// None: nothing is known that is in the way.
    pub(super) async fn diagnose(&self, stage: &Stage<'_>) -> Option<Reason> {
        if let Ok(now) = self.cluster.get(&self.pod.at).await {
            let now = now.filter(|now| text(now, "/metadata/uid") == self.pod.uid);
            let Some(now) = now else { return Some(deleted()) };
            if let Some(reason) = ended(&now).or_else(|| scheduling::reason(&now)).or_else(|| image(&now, stage)) {
                return Some(reason);
            }
        }
        let events = warnings(self.cluster, &self.target.namespace, &self.pod.at.name).await;
        let message = most_telling(&events, &self.pod.uid, stage).map(|e| text(e, "/message"));
        match (message, stage) {
            // NMI only says that it waited in vain: what for, the chain tells
            (Some(message), _) if !words::is_nmi_waiting(message) => Some(self.of_message(message, stage).await),
            (_, Stage::Mount) => self.chain().await,
            (_, Stage::Secret(name)) => Some(unsynced(name)),
            (_, Stage::Running) => None,
        }
    }

    async fn of_message(&self, message: &str, stage: &Stage<'_>) -> Reason {
        let (target, commands) = (self.target, &self.prover.commands);
        if words::is_refusal(message)
            && let Some(caller) = words::refused_caller(message)
            && let Some(own) = target.client_id.as_deref()
            && !own.eq_ignore_ascii_case(caller)
        {
            return self.refused_other(caller).await;
        }
        if let Some(reason) = words::known(message, target, commands) {
            return reason;
        }
        let link = if *stage == Stage::Mount { Link::Unknown } else { Link::Start };
        let way =
            format!("Look at the events of the workload's pods: `kubectl get events -n {} --sort-by=.lastTimestamp`.", target.namespace);
        let cause = words::cut(&words::first_lines(message));
        Reason::new(Heals::Perhaps, NotProved::new(link, stage.in_vain()).because(cause).hint(way))
    }

    /// The vault was asked by another identity than the one that the state knows.
    async fn refused_other(&self, client_id: &str) -> Reason {
        let target = self.target;
        let (own, vault, selector) = (&target.identity_name, &target.class.vault_name, &target.selector);
        let rival = self.rivals().await.into_iter().find(|r| r.client_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(client_id)));
        let what = |who: &str| format!("the vault {vault} refused the token of {who}, not of {own}");
        let found = match rival {
            Some(rival) => NotProved::new(Link::Binding, what(&format!("the identity {} (client id {client_id})", rival.identity)))
                .because(format!(
                    "the binding {}/{} has the selector {selector} too, so a pod gets both identities, and NMI gives out either",
                    rival.namespace, rival.binding
                ))
                .hint(format!(
                    "Give the workload a `selector` of its own, or delete the other binding: `kubectl delete azureidentitybinding {} -n {}`.",
                    rival.binding, rival.namespace
                )),
            None => NotProved::new(Link::Token, what(&format!("another identity (client id {client_id})"))).hint(format!(
                "Look which identities pods with the label aadpodidbinding={selector} get: `kubectl get azureassignedidentities -A`; write the AzureIdentity again by {}.",
                self.prover.commands.write_again(target, "azureidentity", target.by, &[])
            )),
        };
        Reason::new(Heals::Never, found)
    }

    /// Which link of the chain of pod identity is not there, as MIC would look for it.
    async fn chain(&self) -> Option<Reason> {
        let Target { namespace, selector, .. } = self.target;
        let commands = &self.prover.commands;
        let never = |found| Some(Reason::new(Heals::Never, found));
        let again = |kind| format!("Write it again: {}.", commands.write_again(self.target, kind, self.target.by, &[]));
        let api = AzureIdentityBinding::api();
        if let Ok(bindings) = self.cluster.list(&api, Some(namespace), None, None).await {
            let binding = bindings.iter().find(|b| text(b, "/spec/selector") == selector);
            let Some(binding) = binding else {
                let what = format!("no AzureIdentityBinding in namespace {namespace} has the selector {selector}");
                return never(NotProved::new(Link::Binding, what).hint(again("azureidentitybinding")));
            };
            let named = text(binding, "/spec/azureIdentity");
            match self.cluster.get(&azure_identity::at(namespace, named)).await {
                Ok(None) => {
                    let what = format!(
                        "the AzureIdentity {named}, which the binding {} names, is not in namespace {namespace}",
                        text(binding, "/metadata/name")
                    );
                    return never(NotProved::new(Link::AzureIdentity, what).hint(again("azureidentity")));
                }
                Ok(Some(there)) if !ArmId::parse(text(&there, "/spec/resourceID")).is_some_and(|id| id.is_kind(IDENTITY)) => {
                    let what = format!(
                        "the AzureIdentity {named} has a resourceID that is not one of a managed identity ({:?}), so MIC ignores it",
                        text(&there, "/spec/resourceID")
                    );
                    return never(NotProved::new(Link::AzureIdentity, what).hint(again("azureidentity")));
                }
                _ => {}
            }
            // events outlive what they are about by an hour: only what was said since the pod was made counts
            let events = warnings(self.cluster, namespace, text(binding, "/metadata/name")).await;
            if let Some(event) = events.iter().filter(|e| seen(e) >= self.pod.made).max_by_key(|e| seen(e)) {
                return Some(words::of_mic(text(event, "/message"), self.target, commands));
            }
        }
        let api = Api::new("aadpodidentity.k8s.io", "v1", "AzureAssignedIdentity", "azureassignedidentities");
        let assigned = self.cluster.list(&api, None, None, None).await.ok()?;
        let mine = |a: &&Value| text(a, "/spec/pod") == self.pod.at.name && text(a, "/spec/podNamespace") == namespace;
        match assigned.iter().find(mine).map(|a| text(a, "/status/status")) {
            None => {
                let hint = "Look whether MIC runs, and at its log: `kubectl get pods -A | grep mic`.";
                let what = "MIC has assigned no identity to the pod";
                Some(Reason::new(Heals::Within(ASSIGNMENT), NotProved::new(Link::Assignment, what).hint(hint)))
            }
            // where MIC may not even read the nodes' scale set, it says so in its log alone
            Some(state) if state != "Assigned" => {
                let what = format!("MIC has not put the identity on the node (its AzureAssignedIdentity is {state}, not Assigned)");
                let hint = "Its roles on the identity and on the nodes are there; a new role takes up to 10 minutes. MIC's log says more: `kubectl get pods -A | grep mic`.";
                Some(Reason::new(Heals::Within(ROLE), NotProved::new(Link::Assignment, what).hint(hint)))
            }
            Some(_) => None,
        }
    }
}

fn deleted() -> Reason {
    let what = "the pod of the proof was deleted while it was needed";
    let hint = "Somebody else, or a controller, deletes pods in this namespace: look at its events, then run the proof again.";
    Reason::new(Heals::Never, NotProved::new(Link::Pod, what).hint(hint))
}

/// The pod ended before its container ran: it was evicted, or its node did not take it.
fn ended(pod: &Value) -> Option<Reason> {
    if text(pod, "/status/phase") != "Failed" {
        return None;
    }
    let (reason, message) = (text(pod, "/status/reason"), text(pod, "/status/message"));
    let what = format!("the pod of the proof ended: {}", if reason.is_empty() { "Failed" } else { reason });
    let found = NotProved::new(Link::Pod, what).hint("Run the proof again when the node has room: `kubectl get nodes` shows their state.");
    Some(Reason::new(Heals::Never, if message.is_empty() { found } else { found.because(words::cut(message)) }))
}

/// An image matters only where the container has to run.
fn image(pod: &Value, stage: &Stage<'_>) -> Option<Reason> {
    let waiting = pod.pointer("/status/containerStatuses/0/state/waiting").filter(|_| *stage == Stage::Running)?;
    let (reason, message) = (text(waiting, "/reason"), text(waiting, "/message"));
    if !matches!(reason, "InvalidImageName" | "ErrImageNeverPull" | "ErrImagePull" | "ImagePullBackOff") {
        return None;
    }
    let lasting =
        ["not found", "denied", "unauthorized", "authentication required", "manifest unknown"].iter().any(|w| message.contains(w));
    let heals =
        if lasting || matches!(reason, "InvalidImageName" | "ErrImageNeverPull") { Heals::Never } else { Heals::Within(RESTART * 2) };
    let what = format!("the image {} could not be pulled ({reason})", text(pod, "/spec/containers/0/image"));
    let found = NotProved::new(Link::Start, what)
        .hint("Give the proof an image that the nodes can pull, with `--image`; any that stays running will do.");
    Some(Reason::new(heals, if message.is_empty() { found } else { found.because(words::cut(message)) }))
}

fn unsynced(name: &str) -> Reason {
    let what = format!("the driver has not made the Secret {name}");
    let hint = "If the driver may not write Secrets: with its Helm chart set `secrets-store-csi-driver.syncSecret.enabled=true`; the AKS add-on has that right always.";
    Reason::new(Heals::Within(RESTART), NotProved::new(Link::Sync, what).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(reason: &str, message: &str, at: &str) -> Value {
        json!({ "reason": reason, "message": message, "lastTimestamp": at, "involvedObject": { "uid": "u" } })
    }

    #[test]
    fn the_drivers_own_word_counts_more_than_kubelets_later_one() {
        let events = [
            event("FailedToCreateSecret", "secrets is forbidden: User cannot create", "2026-11-30T12:00:00Z"),
            event("Failed", "Error: secret \"shop\" not found", "2026-11-30T12:00:30Z"),
        ];
        let told = most_telling(&events, "u", &Stage::Secret("shop")).unwrap();
        assert_eq!(told["reason"], "FailedToCreateSecret");
        assert!(most_telling(&events, "of another pod", &Stage::Running).is_none());
    }

    #[test]
    fn kubelets_timeout_hides_no_reason() {
        let events = [
            event("FailedMount", "MountVolume.SetUp failed: ForbiddenByRbac", "2026-11-30T12:00:00Z"),
            event("FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", "2026-11-30T12:02:00Z"),
        ];
        assert_eq!(most_telling(&events, "u", &Stage::Mount).unwrap()["lastTimestamp"], "2026-11-30T12:00:00Z");
    }

    #[test]
    fn an_image_that_is_not_there_does_not_come_by_waiting() {
        let pod = |reason: &str, message: &str| {
            json!({
                "spec": { "containers": [{ "image": "x/y:1" }] },
                "status": { "containerStatuses": [{ "state": { "waiting": { "reason": reason, "message": message } } }] },
            })
        };
        let heals = |reason: &str, message: &str| image(&pod(reason, message), &Stage::Running).map(|r| r.heals);
        assert_eq!(heals("ImagePullBackOff", "pull access denied"), Some(Heals::Never));
        assert_eq!(heals("ErrImagePull", "i/o timeout"), Some(Heals::Within(RESTART * 2)));
        assert_eq!(heals("ContainerCreating", ""), None);
        assert!(image(&pod("ErrImagePull", "not found"), &Stage::Mount).is_none(), "the mount comes before the image");
    }
}
