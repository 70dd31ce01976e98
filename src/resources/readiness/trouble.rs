//! What keeps the pods of a workload from running, and for how long it is worth to wait.

use super::conditions::{condition, said, text};
use serde_json::Value;
use std::time::Duration;

/// A registry or a missing ConfigMap may be back within this time.
const TRANSIENT: Duration = Duration::from_secs(120);

/// What a known text about a pod's volume means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfVolume {
    pub what: &'static str,
    /// How long it may last until waiting does not help; None: it may pass at any time.
    pub patience: Option<Duration>,
}

/// What keeps a pod from running.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodTrouble {
    pub reason: String,
    /// How long it may last until waiting does not help; None: it may pass at any time.
    pub patience: Option<Duration>,
}

/// The trouble of the pods of a workload's latest template; the most hopeless first.
pub(super) fn trouble(workload: &Value, pods: &[Value]) -> Option<PodTrouble> {
    let template = workload.pointer("/spec/template/spec")?;
    let containers = |spec: &Value| -> Vec<(String, String)> {
        let lists = ["initContainers", "containers"].into_iter().filter_map(|name| spec[name].as_array());
        lists.flatten().map(|c| (text(c, "/name").to_owned(), text(c, "/image").to_owned())).collect()
    };
    let wanted = containers(template);
    let mut found: Vec<PodTrouble> = Vec::new();
    // a pod of an earlier template is on its way out
    for pod in pods.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()) {
        let has = containers(&pod["spec"]);
        if !wanted.iter().all(|container| has.contains(container)) {
            continue;
        }
        let name = text(pod, "/metadata/name");
        if let Some(scheduled) = condition(pod, "PodScheduled").filter(|c| c["status"] == "False") {
            found.push(PodTrouble { reason: format!("the pod {name} is not scheduled: {}", said(scheduled)), patience: None });
        }
        let statuses = ["initContainerStatuses", "containerStatuses"].into_iter().filter_map(|list| pod["status"][list].as_array());
        for status in statuses.flatten() {
            let Some(waiting) = status.pointer("/state/waiting") else { continue };
            let patience = match text(waiting, "/reason") {
                "ContainerCreating" | "PodInitializing" | "" => continue,
                "InvalidImageName" | "ErrImageNeverPull" => Some(Duration::ZERO),
                "ErrImagePull" | "ImagePullBackOff" | "CreateContainerConfigError" | "CreateContainerError" => Some(TRANSIENT),
                _ => None,
            };
            let reason = format!("the container {} of the pod {name} does not start: {}", text(status, "/name"), said(waiting));
            found.push(PodTrouble { reason, patience });
        }
    }
    found.into_iter().min_by_key(|trouble| trouble.patience.unwrap_or(Duration::MAX))
}
