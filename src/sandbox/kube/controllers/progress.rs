//! The status of a deployment: its counts and conditions (kubernetes, `pkg/controller/deployment/progress.go`).

use super::super::store::{meta, now};
use super::conditions::{condition, put_condition, remove_condition, set_condition};
use super::controller_client::{ControllerClient, after, count, time};
use super::deployment_sets::DeploymentSets;
use super::revisions::{self, replicas};
use jiff::Timestamp;
use serde_json::{Value, json};

pub fn complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|field| count(&status[*field]) == wanted)
        && count(&status["observedGeneration"]) >= count(&deployment["metadata"]["generation"])
}

fn counted(sets: &DeploymentSets) -> Value {
    let deployment = &sets.deployment;
    let available = revisions::sum(sets.all(), "availableReplicas");
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": revisions::sum(sets.all(), "replicas"),
        "updatedReplicas": revisions::sum(&sets.new, "replicas"),
        "readyReplicas": revisions::sum(sets.all(), "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": (revisions::total(sets.all()) - available).max(0),
        "conditions": deployment["status"]["conditions"].as_array().cloned().unwrap_or_default(),
        "collisionCount": count(&deployment["status"]["collisionCount"]),
    });
    if available >= replicas(deployment) - revisions::max_unavailable(deployment) {
        set_condition(&mut status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    } else {
        set_condition(&mut status, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.");
    }
    status
}

/// Writes the status if it changed. `estimates` is true for a rollout, whose progress counts against the deadline.
pub fn write(client: &mut ControllerClient<'_>, sets: &mut DeploymentSets, estimates: bool) -> Option<()> {
    let mut status = counted(sets);
    if estimates {
        update_progressing(client, sets, &mut status);
    }
    if let Some(map) = status.as_object_mut() {
        map.retain(|_, value| !(*value == 0 || value.as_array().is_some_and(Vec::is_empty)));
    }
    if equal(&status, &sets.deployment["status"]) {
        return Some(());
    }
    sets.deployment["status"] = status;
    sets.save_status(client)
}

fn equal(one: &Value, other: &Value) -> bool {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    one == other || (empty(one) && empty(other))
}

fn update_progressing(client: &mut ControllerClient<'_>, sets: &DeploymentSets, status: &mut Value) {
    let d = &sets.deployment;
    let deadline = d["spec"]["progressDeadlineSeconds"].as_i64();
    if deadline.is_none() {
        remove_condition(status, "Progressing");
    }
    let current = condition(&d["status"], "Progressing").cloned();
    let reason = current.as_ref().and_then(|c| c["reason"].as_str()).unwrap_or_default();
    let n = |status: &Value, field: &str| count(&status[field]);
    let done = n(status, "replicas") == n(status, "updatedReplicas") && reason == "NewReplicaSetAvailable";
    if let Some(deadline) = deadline.filter(|_| !done) {
        let what = sets
            .new
            .as_ref()
            .map_or_else(|| format!("Deployment {:?}", meta(d, "name")), |new| format!("ReplicaSet {:?}", meta(new, "name")));
        let last = condition(status, "Progressing").and_then(|c| time(&c["lastUpdateTime"]));
        let due = last.map(|last| after(last, deadline));
        let late =
            reason == "ProgressDeadlineExceeded" || (reason != "NewReplicaSetAvailable" && due.is_some_and(|due| due < Timestamp::now()));
        if complete(d, status) {
            set_condition(status, "Progressing", "True", "NewReplicaSetAvailable", &format!("{what} has successfully progressed."));
        } else if has_progressed(&d["status"], status) {
            // Each progress updates this condition, but keeps the time of its last transition.
            let since = current.filter(|c| c["status"] == "True").map_or_else(|| json!(now()), |c| c["lastTransitionTime"].clone());
            put_condition(
                status,
                json!({
                    "type": "Progressing", "status": "True", "lastUpdateTime": now(), "lastTransitionTime": since, "reason": "ReplicaSetUpdated",
                    "message": format!("{what} is progressing."),
                }),
            );
        } else if late {
            set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", &format!("{what} has timed out progressing."));
        } else if let Some(due) = due {
            // Conditions contain whole seconds.
            client.retries.run_again_at(after(due, 1));
        }
    }
    let failure = sets.new.iter().chain(&sets.old).find_map(|set| condition(&set["status"], "ReplicaFailure"));
    match failure {
        Some(failure) => {
            let text = |field: &str| failure[field].as_str().unwrap_or_default();
            let equal =
                condition(status, "ReplicaFailure").is_some_and(|c| c["status"] == failure["status"] && c["reason"] == failure["reason"]);
            if !equal {
                let at = &failure["lastTransitionTime"];
                put_condition(
                    status,
                    json!({
                        "type": "ReplicaFailure", "status": text("status"), "lastUpdateTime": at, "lastTransitionTime": at, "reason": text("reason"),
                        "message": text("message"),
                    }),
                );
            }
        }
        None => remove_condition(status, "ReplicaFailure"),
    }
}

fn has_progressed(old: &Value, new: &Value) -> bool {
    let n = |status: &Value, field: &str| count(&status[field]);
    let outdated = |status: &Value| n(status, "replicas") - n(status, "updatedReplicas");
    outdated(new) < outdated(old)
        || ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(|field| n(new, field) > n(old, field))
}
