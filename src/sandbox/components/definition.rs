//! Waits until a custom resource definition is there, so that a component that was started before it does not poll.

use super::flow::Flow;
use super::kube::KubeClient;
use serde_json::Value;
use std::time::Duration;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WATCH: Duration = Duration::from_secs(300);

/// Waits until the definition behind a path such as `/apis/GROUP/VERSION/PLURAL` is established. Returns false if it cannot be watched any
/// longer.
pub(super) async fn established(kube: &KubeClient, path: &str) -> bool {
    let Some(name) = name(path) else { return false };
    let query = format!("watch=true&fieldSelector=metadata.name%3D{name}&timeoutSeconds={}", WATCH.as_secs());
    let Ok(mut flow) = Flow::start(kube, &format!("{DEFINITIONS}?{query}")).await else { return false };
    while let Some(events) = flow.next().await {
        // a watch from no version begins with what is there
        if events.iter().any(|event| event["type"] != "DELETED" && is_established(&event["object"])) {
            return true;
        }
    }
    false
}

fn name(path: &str) -> Option<String> {
    let mut parts = path.strip_prefix("/apis/")?.split('/');
    let (group, _version, plural) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{plural}.{group}"))
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}
