//! The scheduler, for a cluster of few nodes, and the removal of deleted pods.

use super::super::label_selector;
use super::super::lifecycle::no_finalizers;
use super::super::store::{Store, meta, now};
use super::controller_client::ControllerClient;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Removes deleted pods at once, in place of the kubelet.
pub fn remove_deleted(store: &mut Store) {
    let ending: Vec<String> = store
        .with_prefix("pods/")
        .filter(|(_, p)| !p["metadata"]["deletionTimestamp"].is_null())
        .filter(|(_, p)| no_finalizers(p) || p["metadata"]["deletionGracePeriodSeconds"] != 0)
        .map(|(at, _)| at.clone())
        .collect();
    for at in ending {
        let Some(mut pod) = store.get(&at).cloned() else { continue };
        if no_finalizers(&pod) {
            store.remove(&at);
        } else {
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            store.put(&at, pod);
        }
    }
}

/// Assigns a pod to a node, as `pods/binding` does. It records no field owner.
pub fn bind(store: &mut Store, at: &str, node: &str) {
    let Some(mut pod) = store.get(at).cloned() else { return };
    pod["spec"]["nodeName"] = json!(node);
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now()});
    let mut conditions: Vec<Value> = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.retain(|c| c["type"] != "PodScheduled");
    conditions.push(scheduled);
    pod["status"]["conditions"] = conditions.into();
    store.put(at, pod);
}

pub fn schedule(client: &mut ControllerClient<'_>) {
    let waits = |pod: &Value| {
        pod["spec"]["nodeName"].is_null()
            && pod["metadata"]["deletionTimestamp"].is_null()
            && pod["spec"]["schedulerName"] == "default-scheduler"
            && pod["spec"]["schedulingGates"].as_array().is_none_or(Vec::is_empty)
            && pod["status"]["phase"] == "Pending"
    };
    let waiting: Vec<String> = client.store.with_prefix("pods/").filter(|(_, pod)| waits(pod)).map(|(at, _)| at.clone()).collect();
    if waiting.is_empty() {
        return;
    }
    let nodes = client.list("nodes", "");
    for at in waiting {
        let Some(pod) = client.store.get(&at).cloned() else { continue };
        client.unless_backing_off(meta(&pod, "uid"), |client| schedule_one(client, &at, &pod, &nodes));
    }
}

fn schedule_one(client: &mut ControllerClient<'_>, at: &str, pod: &Value, nodes: &[Value]) {
    let refusals: Vec<Option<String>> = nodes.iter().map(|node| refusal(pod, node)).collect();
    let schedule_one = nodes.iter().zip(&refusals).find(|(_, refusal)| refusal.is_none()).map(|(node, _)| meta(node, "name").to_owned());
    if let Some(node) = schedule_one {
        bind(client.store, at, &node);
        let what = format!("{}/{}", meta(pod, "namespace"), meta(pod, "name"));
        return client.record_scheduler_event(pod, "Normal", "Scheduled", "Binding", &format!("Successfully assigned {what} to {node}"));
    }
    let message = message(nodes.len(), refusals.into_iter().flatten());
    let known = |c: &Value| c["type"] == "PodScheduled" && c["status"] == "False" && c["message"] == message.as_str();
    if pod["status"]["conditions"].as_array().into_iter().flatten().any(known) {
        return;
    }
    let mut updated = pod.clone();
    updated["status"]["conditions"] = json!([{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastProbeTime": null,
        "lastTransitionTime": now(), "observedGeneration": pod["metadata"]["generation"],
    }]);
    let _ = client.replace("pods", &updated, "status", "kube-scheduler");
    client.record_scheduler_event(pod, "Warning", "FailedScheduling", "Scheduling", &message);
}

/// Returns why a node does not fit, in the words of kube-scheduler's plugins.
pub fn refusal(pod: &Value, node: &Value) -> Option<String> {
    let spec = &pod["spec"];
    let tolerated = |taint: &Value| {
        spec["tolerations"].as_array().into_iter().flatten().any(|t| {
            let key = t["key"].as_str().unwrap_or_default();
            let effect = t["effect"].is_null() || t["effect"] == taint["effect"];
            let value = t["operator"] == "Exists" || t["value"].as_str().unwrap_or_default() == taint["value"].as_str().unwrap_or_default();
            effect && value && ((key.is_empty() && t["operator"] == "Exists") || taint["key"] == key)
        })
    };
    let unschedulable = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    if node["spec"]["unschedulable"] == true && !tolerated(&unschedulable) {
        return Some("node(s) were unschedulable".into());
    }
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    if let Some(taint) = taints.filter(|t| t["effect"] != "PreferNoSchedule").find(|t| !tolerated(t)) {
        let text = |name: &str| taint[name].as_str().unwrap_or_default();
        return Some(format!("node(s) had untolerated taint {{{}: {}}}", text("key"), text("value")));
    }
    let labels = &node["metadata"]["labels"];
    let selected = label_selector::matches(&json!({"matchLabels": spec["nodeSelector"]}), labels);
    let terms = spec.pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let fits = |term: &Value| label_selector::matches(term, labels) && fields_match(term, node);
    let wanted = terms.and_then(Value::as_array).is_none_or(|terms| terms.iter().any(fits));
    (!selected || !wanted).then(|| "node(s) didn't match Pod's node affinity/selector".into())
}

/// Checks the `matchFields` of a term; the name of the node is the only field that they may have.
fn fields_match(term: &Value, node: &Value) -> bool {
    term["matchFields"].as_array().into_iter().flatten().all(|rule| {
        let named = rule["values"].as_array().is_some_and(|values| values.contains(&node["metadata"]["name"]));
        rule["key"] == "metadata.name" && if rule["operator"] == "NotIn" { !named } else { named }
    })
}

fn message(nodes: usize, refusals: impl Iterator<Item = String>) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".into();
    }
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    refusals.for_each(|why| *counted.entry(why).or_default() += 1);
    let all: Vec<String> = counted.iter().map(|(why, n)| format!("{n} {why}")).collect();
    format!(
        "0/{nodes} nodes are available: {}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling.",
        all.join(", ")
    )
}
