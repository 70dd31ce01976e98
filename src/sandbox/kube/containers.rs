//! Answers what only a running container could answer: logs, exec, attach, port-forward. The sandbox runs no containers: there are logs of the
//! programs that it plays, and for the rest the answer is a 501, after the checks that the API server itself makes.

use super::call::{Call, Reply};
use super::cluster::Kube;
use super::log_range::LogRange;
use super::lookup;
use super::status::{Outcome, Refusal};
use super::store::Store;
use crate::http::Request;
use crate::program_logs::LogLine;
use crate::programs::Program;
use jiff::Timestamp;
use serde_json::{Value, json};

pub fn is_container_call(call: &Call) -> bool {
    matches!(call.sub.as_str(), "log" | "exec" | "attach" | "portforward")
}

pub fn answer(kube: &Kube, call: &Call, request: &Request) -> Outcome<Reply> {
    let store = kube.lock();
    let pod = lookup::existing(&store, call)?;
    let name = &call.name;
    let all: Vec<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
        .filter_map(|c| c["name"].as_str())
        .collect();
    let placed = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let asked = request.query("container").filter(|c| !c.is_empty());
    let container = match asked.as_deref() {
        Some(container) if !all.contains(&container) => {
            return Err(Refusal::bad_request(format!("container {container} is not valid for pod {name}")));
        }
        Some(container) => container,
        None => all.first().copied().unwrap_or_default(),
    };
    if !placed {
        return match call.sub.as_str() {
            // There is no kubelet to ask yet, and the real server answers with an empty body.
            "log" => Ok(Reply::ok(Value::Null)),
            _ => Err(Refusal::bad_request(format!("pod {name} does not have a host assigned"))),
        };
    }
    let statuses = ["containerStatuses", "initContainerStatuses"];
    let mut states = statuses.iter().flat_map(|list| pod["status"][*list].as_array().into_iter().flatten());
    let state = states.find(|c| c["name"] == container).map_or(&Value::Null, |c| &c["state"]);
    let subject = match call.sub.as_str() {
        "log" => {
            if let Some(reason) = state["waiting"]["reason"].as_str() {
                let why = format!("container {} in pod {} is waiting to start: {reason}", json!(container), json!(name));
                return Err(Refusal::bad_request(why));
            }
            let spec = pod["spec"]["containers"].as_array().into_iter().flatten().find(|spec| spec["name"] == container);
            if let Some(program) = spec.and_then(Program::of) {
                let range = LogRange::of(request)?;
                if range.previous {
                    let why = format!("previous terminated container {} in pod {} not found", json!(container), json!(name));
                    return Err(Refusal::bad_request(why));
                }
                return Ok(Reply::ok(range.cut(lines(kube, &store, call, &pod, program)).into()));
            }
            format!("there are no logs of container {} in pod {}", json!(container), json!(name))
        }
        "portforward" => format!("the ports of pod {} are not reachable", json!(name)),
        _ => format!("commands cannot run in container {} of pod {}", json!(container), json!(name)),
    };
    Err(Refusal::new(501, "NotImplemented", format!("the sandbox simulates pods and runs no containers: {subject}")))
}

/// What a program has logged since the pod started. Of a program that runs once for the cluster, the first pod leads, and the others are silent.
fn lines(kube: &Kube, store: &Store, call: &Call, pod: &Value, program: Program) -> Vec<LogLine> {
    let runs = |pod: &Value| {
        let mut containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        pod["status"]["phase"] == "Running" && containers.any(|container| program.is_run_by(container))
    };
    if !program.is_per_node() {
        let leader = store.list(&call.resource, None).into_iter().find(|(_, other)| runs(other));
        if leader.is_some_and(|(_, leader)| leader["metadata"]["uid"] != pod["metadata"]["uid"]) {
            return Vec::new();
        }
    }
    let started = pod["status"]["startTime"].as_str().and_then(|at| at.parse().ok());
    kube.facts.logs.read(program, pod["spec"]["nodeName"].as_str().unwrap_or_default(), started.unwrap_or(Timestamp::MIN))
}
