//! The pod of a proof: a name of its own, what it is made of, and what killed runs left of theirs.

use super::{run_id, target::Target};
use crate::{
    chain::{facts::PodPatch, texts::field, view::PodRef},
    cluster::{Api, Error as ClusterError, ObjectRef, Write},
    engine::fault::Fault,
    resources::{
        manifest,
        ownership::{self, VERIFY_POD},
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// The pause image: it needs no shell, runs as nobody, and is on most nodes already.
const IMAGE: &str = "mcr.microsoft.com/oss/kubernetes/pause:3.9";

/// Names of objects that are derived from the pod's name end at 253 characters.
const LONGEST: usize = 40;
/// Annotation of a pod that stays until somebody deletes it.
pub(super) const KEPT: &str = "podid/kept";
/// A pod ends by itself so long after the proof's time limit.
const SPARE: Duration = Duration::from_secs(60);
/// A pod that never got to a node does not end by itself. It is old when it is there so long after it was to end.
const OLD: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn api() -> Api {
    Api::new("", "v1", "Pod", "pods")
}

/// Every proof has a pod of its own, so that proofs that run at once do not meet.
pub(super) fn name(class: &str) -> String {
    name_of(VERIFY_POD, class)
}

pub(super) fn name_of(prefix: &str, class: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let class: String = class.chars().take(LONGEST).collect();
    format!("{prefix}{}-{}", class.trim_end_matches(['-', '.']), id.get(..8).unwrap_or(&id))
}

/// As a dry run shows it.
pub fn shown_name(class: &str) -> String {
    format!("{VERIFY_POD}{class}-*")
}

/// The pod of one proof, as the cluster made it.
pub(super) fn created(at: ObjectRef, made: &Value) -> PodRef {
    PodRef { at, uid: field(made, "/metadata/uid").to_owned(), made: field(made, "/metadata/creationTimestamp").parse().ok() }
}

/// How the pod is bound: `label aadpodidbinding=web`.
pub(super) fn shown_binding(patch: &PodPatch) -> String {
    let labels = patch.labels.iter().map(|(name, value)| format!("label {name}={value}"));
    let annotations = patch.annotations.iter().map(|(name, value)| format!("annotation {name}={value}"));
    let account = patch.service_account.iter().map(|name| format!("service account {name}"));
    labels.chain(annotations).chain(account).collect::<Vec<_>>().join(", ")
}

/// Deletes the pods of proofs whose runs did not live to do that. A login that may not list pods leaves them.
pub(super) async fn clear_leftovers(cluster: &Write, namespace: &str) -> Result<(), Fault> {
    let ours = format!("{}={}", ownership::MANAGED_BY, ownership::PODID);
    let pods = match cluster.list(&api(), Some(namespace), Some(&ours), None).await {
        Err(ClusterError::Forbidden { .. }) => return Ok(()),
        other => other.map_err(Fault::cloud)?,
    };
    for pod in pods.iter().filter(|pod| is_left_over(pod, Timestamp::now())) {
        let at = manifest::at(&api(), Some(namespace), field(pod, "/metadata/name"));
        cluster.delete(&at, Some(field(pod, "/metadata/uid")), Some(0)).await.map_err(Fault::cloud)?;
    }
    Ok(())
}

/// Whether no living run can still need it: it ended, it is old, or its run has ended.
fn is_left_over(pod: &Value, now: Timestamp) -> bool {
    let text = |pointer: &str| field(pod, pointer);
    if !ownership::is_own_pod(text("/metadata/name")) || pod.pointer("/metadata/annotations").is_some_and(|all| all.get(KEPT).is_some()) {
        return false;
    }
    let run = pod.pointer("/metadata/annotations").and_then(|all| all.get(run_id::RUN)).and_then(Value::as_str);
    // this run reads it yet
    if run.is_some() && run == run_id::of_this_process().as_deref() {
        return false;
    }
    if matches!(text("/status/phase"), "Succeeded" | "Failed") {
        return true;
    }
    if run.is_some_and(run_id::has_ended) {
        return true;
    }
    let limit = pod.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64).unwrap_or_default();
    let made: Result<Timestamp, _> = text("/metadata/creationTimestamp").parse();
    made.is_ok_and(|made| now.duration_since(made) > SignedDuration::from_secs(limit).saturating_add(OLD))
}

/// What a pod of podid's is made of.
pub(super) struct PodParts<'a> {
    pub(super) app: &'a str,
    /// Name of its container.
    pub(super) container: &'static str,
    pub(super) image: String,
    /// None: the image's own.
    pub(super) command: Option<Vec<String>>,
    pub(super) patch: PodPatch,
    /// A program that fails is started again until it succeeds; otherwise it runs once.
    pub(super) again: bool,
    /// The node, whatever its taints are; None: the scheduler chooses one.
    pub(super) node: Option<&'a str>,
    pub(super) limit: Duration,
}

/// The pod of a proof. A program of the delivery is started again until it succeeds.
pub(super) fn manifest(target: &Target, pod: &ObjectRef, image: Option<&str>, limit: Duration) -> Value {
    let program = target.delivery.program(&target.delivered);
    let image = image.unwrap_or_else(|| program.as_ref().map_or(IMAGE, |program| program.image)).to_owned();
    let (app, patch, again) = (target.bound.app.as_str(), target.pod(), program.is_some());
    let command = program.map(|program| program.command);
    made_of(pod, PodParts { app, container: "verify", image, command, patch, again, node: None, limit })
}

/// Runs under the restricted pod security standard, and ends by itself should podid be killed.
pub(super) fn made_of(pod: &ObjectRef, parts: PodParts<'_>) -> Value {
    let PodPatch { labels, mut annotations, service_account, env, volume_mounts, volumes } = parts.patch;
    let mut all_labels = ownership::marks(parts.app);
    all_labels.extend(labels);
    let mut metadata = json!({ "name": pod.name, "namespace": pod.namespace, "labels": all_labels });
    annotations.extend(run_id::of_this_process().map(|run| (run_id::RUN.to_owned(), run)));
    if !annotations.is_empty() {
        metadata["annotations"] = json!(annotations);
    }
    let mut manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": if parts.again { "OnFailure" } else { "Never" },
            "activeDeadlineSeconds": (parts.limit + SPARE).as_secs(),
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": { "kubernetes.io/os": "linux" },
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": parts.container,
                "image": parts.image,
                "env": env,
                "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "cpu": "100m", "memory": "32Mi" } },
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
                },
                "volumeMounts": volume_mounts,
            }],
            "volumes": volumes,
        },
    });
    if let Some(command) = parts.command {
        let container = &mut manifest["spec"]["containers"][0];
        container["command"] = command.into();
        container["resources"]["limits"]["memory"] = "64Mi".into();
    }
    if let Some(name) = service_account {
        manifest["spec"]["serviceAccountName"] = name.into();
    }
    // as `kubectl debug node` does it
    if let Some(node) = parts.node {
        manifest["spec"]["nodeName"] = node.into();
        manifest["spec"]["tolerations"] = json!([{ "operator": "Exists" }]);
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str, made: &str) -> Value {
        json!({
            "metadata": { "name": name, "creationTimestamp": made }, "spec": { "activeDeadlineSeconds": 360 }, "status": { "phase": phase },
        })
    }

    #[test]
    fn two_proofs_of_one_class_have_two_names_that_fit() {
        let class = "c".repeat(200);
        let (one, other) = (name(&class), name(&class));
        assert_ne!(one, other);
        assert!(one.starts_with("podid-verify-ccc") && one.len() <= 63, "{one}");
        assert!(!name("a.").contains(".-"));
    }

    #[test]
    fn only_what_nobody_needs_any_more_is_left_over() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let left = |pod: &Value| is_left_over(pod, now);
        assert!(left(&pod("podid-verify-shop-0a1b2c3d", "Failed", "2026-11-30T11:59:00Z")));
        assert!(!left(&pod("podid-verify-shop-0a1b2c3d", "Pending", "2026-11-30T11:59:00Z")), "another run may be at work");
        assert!(left(&pod("podid-verify-shop-0a1b2c3d", "Pending", "2026-11-30T11:00:00Z")));
        assert!(!left(&pod("shop", "Failed", "2026-11-30T11:00:00Z")), "it is not a proof's pod");
        let mut of_a_run = pod("podid-verify-shop-0a1b2c3d", "Pending", "2026-11-30T11:59:00Z");
        of_a_run["metadata"]["annotations"] = json!({ run_id::RUN: "of another machine" });
        assert!(!left(&of_a_run));
        let mut kept = pod("podid-probe-shop-0a1b2c3d", "Succeeded", "2026-11-30T11:00:00Z");
        assert!(left(&kept));
        kept["metadata"]["annotations"] = json!({ KEPT: "true" });
        assert!(!left(&kept), "somebody wants to look at it");
    }
}
