//! The columns of a pod: how many of its containers are ready, and its status in one word.

use super::age::age;
use super::cells::{AGE, Columns, or_none};
use serde_json::{Value, json};

pub fn columns() -> Columns {
    vec![
        ("Ready", "string", 0, |o| {
            let summary = PodSummary::new(o);
            json!(format!("{}/{}", summary.ready, summary.containers))
        }),
        ("Status", "string", 0, |o| json!(PodSummary::new(o).reason)),
        ("Restarts", "string", 0, |o| {
            let summary = PodSummary::new(o);
            json!(match summary.last_restart {
                Some(last) if summary.restarts > 0 => format!("{} ({} ago)", summary.restarts, age(&json!(last))),
                _ => summary.restarts.to_string(),
            })
        }),
        AGE,
        ("IP", "string", 1, |o| or_none(&o["status"]["podIPs"][0]["ip"])),
        ("Node", "string", 1, |o| or_none(&o["spec"]["nodeName"])),
        ("Nominated Node", "string", 1, |o| or_none(&o["status"]["nominatedNodeName"])),
        ("Readiness Gates", "string", 1, |o| {
            let Some(gates) = o["spec"]["readinessGates"].as_array().filter(|g| !g.is_empty()) else { return json!("<none>") };
            let open = gates.iter().filter(|gate| has(o, gate["conditionType"].as_str().unwrap_or_default())).count();
            json!(format!("{open}/{}", gates.len()))
        }),
    ]
}

fn has(pod: &Value, condition: &str) -> bool {
    pod["status"]["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == condition && c["status"] == "True")
}

/// What the columns of a pod need to know (kubernetes, `printPod`).
struct PodSummary {
    ready: usize,
    containers: usize,
    restarts: u64,
    last_restart: Option<String>,
    reason: String,
}

impl PodSummary {
    fn new(pod: &Value) -> Self {
        let list = |of: &str, name: &str| pod[of][name].as_array().cloned().unwrap_or_default();
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        let mut summary = Self {
            ready: 0,
            containers: list("spec", "containers").len(),
            restarts: 0,
            last_restart: None,
            reason: pod["status"]["reason"].as_str().filter(|r| !r.is_empty()).unwrap_or(phase).to_owned(),
        };
        let gated = |c: &Value| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated";
        if list("status", "conditions").iter().any(gated) {
            "SchedulingGated".clone_into(&mut summary.reason);
        }
        let init = list("spec", "initContainers");
        let sidecar = |name: &Value| init.iter().any(|c| c["name"] == *name && c["restartPolicy"] == "Always");
        summary.containers += init.iter().filter(|c| c["restartPolicy"] == "Always").count();
        let statuses = list("status", "initContainerStatuses");
        let waits = statuses.iter().enumerate().find_map(|(i, status)| {
            let ended = &status["state"]["terminated"];
            let waiting = status["state"]["waiting"]["reason"].as_str().filter(|r| !r.is_empty() && *r != "PodInitializing");
            summary.restarted(status);
            if ended.is_object() && ended["exitCode"] == 0 {
                return None;
            }
            if sidecar(&status["name"]) && status["started"] == true {
                summary.ready += usize::from(status["ready"] == true);
                return None;
            }
            Some(match (ended.is_object(), waiting) {
                (true, _) => format!("Init:{}", ended_by(ended)),
                (false, Some(reason)) => format!("Init:{reason}"),
                (false, None) => format!("Init:{i}/{}", init.len()),
            })
        });
        let initializing = waits.is_some();
        summary.reason = waits.unwrap_or(summary.reason);
        if !initializing || has(pod, "Initialized") {
            (summary.restarts, summary.last_restart) = (0, None);
            statuses.iter().filter(|s| sidecar(&s["name"])).for_each(|s| summary.restarted(s));
            summary.run(pod, &list("status", "containerStatuses"));
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            if pod["status"]["reason"] == "NodeLost" {
                "Unknown".clone_into(&mut summary.reason);
            } else if !matches!(phase, "Succeeded" | "Failed") {
                "Terminating".clone_into(&mut summary.reason);
            }
        }
        summary
    }

    fn restarted(&mut self, status: &Value) {
        self.restarts += status["restartCount"].as_u64().unwrap_or_default();
        let last = status["lastState"]["terminated"]["finishedAt"].as_str().map(str::to_owned);
        // Times of one format order like their texts.
        self.last_restart = self.last_restart.take().max(last);
    }

    fn run(&mut self, pod: &Value, statuses: &[Value]) {
        let mut running = false;
        for status in statuses.iter().rev() {
            self.restarted(status);
            let state = &status["state"];
            if let Some(reason) = state["waiting"]["reason"].as_str().filter(|r| !r.is_empty()) {
                reason.clone_into(&mut self.reason);
            } else if state["terminated"].is_object() {
                self.reason = ended_by(&state["terminated"]);
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            if has(pod, "Ready") { "Running" } else { "NotReady" }.clone_into(&mut self.reason);
        }
    }
}

fn ended_by(state: &Value) -> String {
    match (state["reason"].as_str().filter(|r| !r.is_empty()), state["signal"].as_i64().filter(|s| *s != 0)) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", state["exitCode"].as_i64().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(status: Value) -> (String, String) {
        let pod = json!({
            "metadata": {}, "spec": {"initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "a"}]}, "status": status,
        });
        let summary = PodSummary::new(&pod);
        (format!("{}/{}", summary.ready, summary.containers), summary.reason)
    }

    #[test]
    fn the_status_names_the_first_init_container_that_has_not_ended() {
        let init = json!([{"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "s", "state": {"waiting": {"reason": "PodInitializing"}}}]);
        assert_eq!(summary(json!({"phase": "Pending", "initContainerStatuses": init})), ("0/2".into(), "Init:1/2".into()));
        let failed = json!([{"name": "i", "state": {"terminated": {"exitCode": 3}}}]);
        assert_eq!(summary(json!({"phase": "Pending", "initContainerStatuses": failed})).1, "Init:ExitCode:3");
    }

    #[test]
    fn the_state_of_a_container_takes_precedence_over_the_phase() {
        let waiting = json!([{"name": "a", "state": {"waiting": {"reason": "CreateContainerConfigError"}}}]);
        assert_eq!(summary(json!({"phase": "Pending", "containerStatuses": waiting})).1, "CreateContainerConfigError");
        let sidecar = json!([{"name": "s", "started": true, "ready": true, "state": {"running": {}}}]);
        let running = json!([{"name": "a", "ready": true, "state": {"running": {}}}]);
        let both = json!({"phase": "Running", "initContainerStatuses": sidecar, "containerStatuses": running});
        assert_eq!(summary(both), ("2/2".into(), "Running".into()));
    }
}
