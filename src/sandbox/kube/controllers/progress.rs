//! How far a deployment is: its counts and conditions (kubernetes, `pkg/controller/deployment/progress.go`).

use super::super::store::{meta, now};
use super::deployments::Family;
use super::hand::{Hand, after, count, time};
use super::revisions::{self, replicas};
use jiff::Timestamp;
use serde_json::{Value, json};

pub fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}

/// Nothing happens if status and reason are as they were.
pub fn set(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str) {
    let mut since = json!(now());
    if let Some(there) = condition(status, kind).filter(|there| there["status"] == value) {
        if there["reason"] == reason {
            return;
        }
        since = there["lastTransitionTime"].clone();
    }
    put(
        status,
        json!({
            "type": kind, "status": value, "lastUpdateTime": now(), "lastTransitionTime": since, "reason": reason, "message": message,
        }),
    );
}

fn put(status: &mut Value, condition: Value) {
    let kind = condition["type"].clone();
    let mut all = status["conditions"].as_array().cloned().unwrap_or_default();
    all.retain(|c| c["type"] != kind);
    all.push(condition);
    status["conditions"] = all.into();
}

fn remove(status: &mut Value, kind: &str) {
    if let Some(all) = status["conditions"].as_array_mut() {
        all.retain(|c| c["type"] != kind);
    }
}

pub fn complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|field| count(&status[*field]) == wanted)
        && count(&status["observedGeneration"]) >= count(&deployment["metadata"]["generation"])
}

fn counted(family: &Family) -> Value {
    let deployment = &family.deployment;
    let available = revisions::sum(family.all(), "availableReplicas");
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": revisions::sum(family.all(), "replicas"),
        "updatedReplicas": revisions::sum(&family.new, "replicas"),
        "readyReplicas": revisions::sum(family.all(), "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": (revisions::total(family.all()) - available).max(0),
        "conditions": deployment["status"]["conditions"].as_array().cloned().unwrap_or_default(),
        "collisionCount": count(&deployment["status"]["collisionCount"]),
    });
    if available >= replicas(deployment) - revisions::may_be_missing(deployment) {
        set(&mut status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    } else {
        set(&mut status, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.");
    }
    status
}

/// Writes the status down if it changed. `estimates`: whether this is a rollout, whose progress is judged.
pub fn write(hand: &mut Hand<'_>, family: &mut Family, estimates: bool) -> Option<()> {
    let mut status = counted(family);
    if estimates {
        judge(hand, family, &mut status);
    }
    if let Some(map) = status.as_object_mut() {
        map.retain(|_, value| !(*value == 0 || value.as_array().is_some_and(Vec::is_empty)));
    }
    if same(&status, &family.deployment["status"]) {
        return Some(());
    }
    family.deployment["status"] = status;
    family.save_status(hand)
}

fn same(one: &Value, other: &Value) -> bool {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    one == other || (empty(one) && empty(other))
}

fn judge(hand: &mut Hand<'_>, family: &Family, status: &mut Value) {
    let d = &family.deployment;
    let deadline = d["spec"]["progressDeadlineSeconds"].as_i64();
    if deadline.is_none() {
        remove(status, "Progressing");
    }
    let current = condition(&d["status"], "Progressing").cloned();
    let reason = current.as_ref().and_then(|c| c["reason"].as_str()).unwrap_or_default();
    let n = |status: &Value, field: &str| count(&status[field]);
    let done = n(status, "replicas") == n(status, "updatedReplicas") && reason == "NewReplicaSetAvailable";
    if let Some(deadline) = deadline.filter(|_| !done) {
        let what = family
            .new
            .as_ref()
            .map_or_else(|| format!("Deployment {:?}", meta(d, "name")), |new| format!("ReplicaSet {:?}", meta(new, "name")));
        let last = condition(status, "Progressing").and_then(|c| time(&c["lastUpdateTime"]));
        let due = last.map(|last| after(last, deadline));
        let late =
            reason == "ProgressDeadlineExceeded" || (reason != "NewReplicaSetAvailable" && due.is_some_and(|due| due < Timestamp::now()));
        if complete(d, status) {
            set(status, "Progressing", "True", "NewReplicaSetAvailable", &format!("{what} has successfully progressed."));
        } else if moves(&d["status"], status) {
            // told anew each time, and since when it is so only once
            let since = current.filter(|c| c["status"] == "True").map_or_else(|| json!(now()), |c| c["lastTransitionTime"].clone());
            put(
                status,
                json!({
                    "type": "Progressing", "status": "True", "lastUpdateTime": now(), "lastTransitionTime": since, "reason": "ReplicaSetUpdated",
                    "message": format!("{what} is progressing."),
                }),
            );
        } else if late {
            set(status, "Progressing", "False", "ProgressDeadlineExceeded", &format!("{what} has timed out progressing."));
        } else if let Some(due) = due {
            // conditions tell whole seconds
            hand.memory.look_at(after(due, 1));
        }
    }
    let failure = family.new.iter().chain(&family.old).find_map(|set| condition(&set["status"], "ReplicaFailure"));
    match failure {
        Some(failure) => {
            let text = |field: &str| failure[field].as_str().unwrap_or_default();
            let same =
                condition(status, "ReplicaFailure").is_some_and(|c| c["status"] == failure["status"] && c["reason"] == failure["reason"]);
            if !same {
                let at = &failure["lastTransitionTime"];
                put(
                    status,
                    json!({
                        "type": "ReplicaFailure", "status": text("status"), "lastUpdateTime": at, "lastTransitionTime": at, "reason": text("reason"),
                        "message": text("message"),
                    }),
                );
            }
        }
        None => remove(status, "ReplicaFailure"),
    }
}

fn moves(old: &Value, new: &Value) -> bool {
    let n = |status: &Value, field: &str| count(&status[field]);
    let outdated = |status: &Value| n(status, "replicas") - n(status, "updatedReplicas");
    outdated(new) < outdated(old)
        || ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(|field| n(new, field) > n(old, field))
}
