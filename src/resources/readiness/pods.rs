//! Why the pods of a workload do not start, in words, and what to do about it.

use super::conditions::{condition, is_true, said, text};
use serde_json::Value;

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

    #[test]
    fn each_failure_to_pull_has_its_way_out() {
        let hint = |text: &str| image_hint(text).unwrap_or_default();
        assert!(hint("ErrImagePull: failed to pull: 401 Unauthorized").contains("--attach-acr"));
        assert!(hint("ImagePullBackOff: example.azurecr.io/web:9: not found").contains("show-tags"));
        assert!(hint("ErrImagePull: dial tcp: lookup example.azurecr.io: no such host").contains("reach the registry"));
        assert!(hint("InvalidImageName: couldn't parse").starts_with("Correct the image"));
        assert_eq!(image_hint("CrashLoopBackOff: not found"), None);
    }
}
