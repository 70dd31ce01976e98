//! Why the scheduler finds no node for the proof's pod, and whether that can change by itself.

use crate::chain::{
    link::{Heals, MissingLink, POD, Reason},
    texts::cut,
};
use serde_json::Value;
use std::time::Duration;

/// An autoscaler reports within seconds whether it adds a node.
const SCALER: Duration = Duration::from_secs(20);

/// The condition that the scheduler leaves on a pod.
pub(super) fn reason(pod: &Value) -> Option<Reason> {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array)?;
    let text = |c: &Value, field: &str| c.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let unscheduled = |c: &&Value| text(c, "type") == "PodScheduled" && text(c, "status") == "False";
    let message = text(conditions.iter().find(unscheduled)?, "message");
    let missing = MissingLink::new(POD, "could not schedule the pod of the proof").because(cut(&message)).hint(
        "It needs a Linux node without taints that has 10m of CPU and 16Mi of memory left: `kubectl describe nodes` shows what each has.",
    );
    Some(Reason::new(if never_fits(&message) { Heals::Within(SCALER) } else { Heals::Perhaps }, missing))
}

/// Whether every node is ruled out by what it is, and not by what runs on it now.
fn never_fits(message: &str) -> bool {
    let Some((_, reasons)) = message.split_once("nodes are available: ") else { return false };
    let reasons = reasons.split(" preemption: ").next().unwrap_or_default().trim_end_matches('.');
    let lasting = |reason: &str| {
        reason.contains("didn't match Pod's node affinity/selector")
            || reason.contains("untolerated taint") && !reason.contains("node.kubernetes.io/") && !reason.contains("uninitialized")
            || reason.contains("were unschedulable")
    };
    // a taint is written with its value, which may hold a comma
    reasons.split(", ").filter(|r| r.starts_with(|c: char| c.is_ascii_digit())).all(lasting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(message: &str) -> Value {
        json!({ "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message }] } })
    }

    #[test]
    fn nodes_that_are_of_another_kind_do_not_become_right_by_waiting() {
        let heals = |message: &str| reason(&pod(message)).map(|r| r.heals);
        let taints = "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint {sku: gpu}. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
        assert_eq!(heals(taints), Some(Heals::Within(SCALER)));
        let full = "0/3 nodes are available: 1 node(s) had untolerated taint {sku: gpu}, 2 Insufficient cpu.";
        assert_eq!(heals(full), Some(Heals::Perhaps));
        let starting = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.";
        assert_eq!(heals(starting), Some(Heals::Perhaps));
        assert_eq!(heals("no nodes available to schedule pods"), Some(Heals::Perhaps));
        assert!(reason(&json!({ "status": {} })).is_none());
    }
}
