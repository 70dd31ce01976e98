//! Why the pods of a workload do not start, in words, and what to do about it.

use super::conditions::{condition, is_true, said, text};
use crate::cluster::{Api, Write};
use serde_json::Value;

/// What the events of a pod say of its volumes, where its containers wait for them. Empty for a login that may not read events.
pub(super) async fn mount_failures(cluster: &Write, pods: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for pod in pods.iter().filter(|pod| waits_for_volumes(pod)) {
        let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        let about = format!("involvedObject.name={name},type=Warning");
        let events = cluster.list(&Api::new("", "v1", "Event", "events"), Some(namespace), None, Some(&about)).await.unwrap_or_default();
        let latest =
            events.iter().filter(|event| event["reason"] == "FailedMount").max_by_key(|event| text(event, "/lastTimestamp").to_owned());
        found.extend(latest.map(|event| format!("the pod {name} waits for its volumes: {}", text(event, "/message"))));
    }
    found
}

fn waits_for_volumes(pod: &Value) -> bool {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let waits = |status: &Value| text(status, "/state/waiting/reason") == "ContainerCreating";
    pod.pointer("/metadata/deletionTimestamp").is_none() && statuses.is_some_and(|all| all.iter().any(waits))
}

/// What to do about an image that cannot be pulled. The kubelet asks again without a login after a 401, so a registry that does not know the
/// tag may be said to refuse it (AKS#4459).
pub(super) fn image_hint(reason: &str) -> Option<&'static str> {
    if !["ErrImagePull", "ImagePullBackOff", "InvalidImageName"].iter().any(|word| reason.contains(word)) {
        return None;
    }
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    Some(match () {
        () if reason.contains("InvalidImageName") => "Correct the image: it is `[REGISTRY/]NAME[:TAG][@sha256:DIGEST]`.",
        () if has(&["not found", "manifest unknown", "NotFound"]) => {
            "The registry has no image of this name and tag. Look: `az acr repository show-tags -n REGISTRY --repository NAME`."
        }
        () if has(&["401", "403", "unauthorized", "Unauthorized", "authentication required", "denied"]) => {
            "The registry refuses the cluster, or has no such tag. Attach it with `az aks update -g GROUP -n CLUSTER --attach-acr REGISTRY`, or name a Secret with its credentials: `--pull-secret NAME` (`pullSecret:` in a spec)."
        }
        () if has(&["no such host", "timeout", "refused"]) => {
            "The nodes cannot reach the registry: check its name, its firewall and the cluster's outbound network."
        }
        () => "Check name and tag of the image, and whether the cluster may pull it.",
    })
}

/// Whether all containers of a pod are ready.
pub fn is_ready_pod(pod: &Value) -> bool {
    is_true(pod, "Ready")
}

/// Why a pod is not ready, as its status tells it.
pub fn pod_reason(pod: &Value) -> String {
    let statuses = ["initContainerStatuses", "containerStatuses"].into_iter().filter_map(|list| pod["status"][list].as_array());
    let waiting = statuses.flatten().find_map(|status| status.pointer("/state/waiting").or_else(|| status.pointer("/state/terminated")));
    let unscheduled = condition(pod, "PodScheduled").filter(|condition| condition["status"] == "False");
    match waiting.map(said).filter(|text| !text.is_empty()).or_else(|| unscheduled.map(said)) {
        Some(reason) => reason,
        None => format!("its pod is {}", Some(text(pod, "/status/phase")).filter(|phase| !phase.is_empty()).unwrap_or("not started")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_failure_to_pull_has_its_way_out() {
        let hint = |text: &str| image_hint(text).unwrap_or_default();
        assert!(hint("ErrImagePull: failed to pull: 401 Unauthorized").contains("--attach-acr"));
        assert!(hint("ImagePullBackOff: example.azurecr.io/web:9: not found").contains("show-tags"));
        assert!(hint("ErrImagePull: dial tcp: lookup example.azurecr.io: no such host").contains("reach the registry"));
        assert!(hint("InvalidImageName: couldn't parse").starts_with("Correct the image"));
        assert_eq!(image_hint("CrashLoopBackOff: not found"), None);
    }

    #[test]
    fn only_pods_whose_containers_are_not_made_yet_wait_for_volumes() {
        let pod =
            |reason: &str| json!({ "metadata": {}, "status": { "containerStatuses": [{ "state": { "waiting": { "reason": reason } } }] } });
        assert!(waits_for_volumes(&pod("ContainerCreating")));
        assert!(!waits_for_volumes(&pod("CrashLoopBackOff")));
        assert!(!waits_for_volumes(&json!({ "status": {} })));
    }
}
