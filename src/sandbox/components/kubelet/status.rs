//! The status that kubelet writes for a pod: waiting, running, or ended.

use super::super::{events::now, pod_check::Ended};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The address of the node.
const HOST: &str = "10.224.0.4";

pub(super) fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["spec"]["containers"].as_array().into_iter().flatten()
}

/// Returns new conditions of kubelet and keeps those of the scheduler.
fn conditions(pod: &Value, ready: bool) -> Vec<Value> {
    let ours = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];
    let old = pod["status"]["conditions"].as_array().into_iter().flatten();
    let kept = old.filter(|c| !ours.iter().any(|name| c["type"] == *name)).cloned();
    let at = now();
    let new = ours.iter().map(|name| {
        if ready || *name == "Initialized" {
            json!({ "type": name, "status": "True", "lastProbeTime": null, "lastTransitionTime": at })
        } else {
            let unready: Vec<&str> = containers(pod).filter_map(|c| c["name"].as_str()).collect();
            let mut condition = json!({ "type": name, "status": "False", "lastProbeTime": null, "lastTransitionTime": at });
            if *name != "PodReadyToStartContainers" {
                condition["reason"] = "ContainersNotReady".into();
                condition["message"] = format!("containers with unready status: [{}]", unready.join(" ")).into();
            }
            condition
        }
    });
    new.chain(kept).collect()
}

pub(super) fn waiting_status(pod: &Value, reason: &str, message: &str) -> Value {
    let mut waiting = json!({ "reason": reason });
    if !message.is_empty() {
        waiting["message"] = message.into();
    }
    let each = containers(pod).map(|c| {
        json!({
            "name": c["name"], "image": c["image"], "imageID": "", "ready": false, "started": false, "restartCount": 0,
            "state": { "waiting": waiting }, "lastState": {},
        })
    });
    json!({ "phase": "Pending", "conditions": conditions(pod, false), "startTime": started(pod), "containerStatuses": each.collect::<Vec<_>>() })
}

pub(super) fn running_status(pod: &Value) -> Value {
    let each = containers(pod).map(|c| {
        let name = c["name"].as_str().unwrap_or_default();
        let image = c["image"].as_str().unwrap_or_default();
        json!({
            "name": name, "image": image, "imageID": format!("{image}@sha256:{}", digest(image)), "ready": true, "started": true, "restartCount": 0,
            "containerID": format!("containerd://{}", digest(&format!("{}/{name}", uid(pod)))),
            "state": { "running": { "startedAt": now() } }, "lastState": {},
        })
    });
    let before = pod["spec"]["initContainers"].as_array().into_iter().flatten().map(|c| {
        let (name, image) = (c["name"].as_str().unwrap_or_default(), c["image"].as_str().unwrap_or_default());
        let id = format!("containerd://{}", digest(&format!("{}/{name}", uid(pod))));
        // a sidecar keeps running
        let on = c["restartPolicy"] == "Always";
        let ended = json!({ "exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now(), "containerID": id });
        let state = if on { json!({ "running": { "startedAt": now() } }) } else { json!({ "terminated": ended }) };
        json!({
            "name": name, "image": image, "imageID": format!("{image}@sha256:{}", digest(image)), "ready": true, "started": on, "restartCount": 0,
            "containerID": id, "state": state, "lastState": {},
        })
    });
    let before: Vec<Value> = before.collect();
    let seed = Sha256::digest(uid(pod));
    let ip = format!("10.244.{}.{}", seed[0], 2 + u16::from(seed[1]) % 253);
    let mut status = json!({
        "phase": "Running", "conditions": conditions(pod, true), "startTime": started(pod), "hostIP": HOST,
        "hostIPs": [{ "ip": HOST }], "podIP": ip, "podIPs": [{ "ip": ip }], "containerStatuses": each.collect::<Vec<_>>(),
    });
    if !before.is_empty() {
        status["initContainerStatuses"] = before.into();
    }
    status
}

/// The status of a pod all of whose containers have done their work.
pub(super) fn completed_status(pod: &Value) -> Value {
    let mut status = running_status(pod);
    for container in status["containerStatuses"].as_array_mut().into_iter().flatten() {
        let (began, id) = (container["state"]["running"]["startedAt"].take(), container["containerID"].clone());
        let ended = json!({ "exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": now(), "containerID": id });
        container["state"] = json!({ "terminated": ended });
        container["ready"] = false.into();
        container["started"] = false.into();
    }
    status["phase"] = "Succeeded".into();
    status["conditions"] = conditions(pod, false).into();
    status
}

/// The status of a pod whose only container ended.
pub(super) fn ended_status(pod: &Value, ended: &Ended, began: &str) -> Value {
    let mut status = running_status(pod);
    let container = &mut status["containerStatuses"][0];
    let reason = if ended.exit_code == 0 { "Completed" } else { "Error" };
    let terminated = json!({
        "exitCode": ended.exit_code, "reason": reason, "message": ended.message, "startedAt": began, "finishedAt": now(),
        "containerID": container["containerID"],
    });
    let before = pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or_default();
    container["restartCount"] = before.into();
    container["ready"] = false.into();
    container["started"] = false.into();
    if ended.exit_code == 0 || pod["spec"]["restartPolicy"] == "Never" {
        container["state"] = json!({ "terminated": terminated });
        status["phase"] = if ended.exit_code == 0 { "Succeeded" } else { "Failed" }.into();
    } else {
        container["restartCount"] = (before + 1).into();
        container["state"] = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        container["lastState"] = json!({ "terminated": terminated });
    }
    status["conditions"] = conditions(pod, false).into();
    status
}

pub(super) fn started(pod: &Value) -> Value {
    match &pod["status"]["startTime"] {
        Value::Null => now().into(),
        time => time.clone(),
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
