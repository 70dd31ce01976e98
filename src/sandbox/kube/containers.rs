//! Answers what only a running container could answer: logs, exec, attach, port-forward. The sandbox runs no containers, so the answer is a
//! 501, after the checks that the API server itself makes.

use super::call::{Call, Reply};
use super::lookup;
use super::status::{Outcome, Refusal};
use super::store::Store;
use crate::http::Request;
use serde_json::{Value, json};

pub fn is_container_call(call: &Call) -> bool {
    matches!(call.sub.as_str(), "log" | "exec" | "attach" | "portforward")
}

pub fn answer(store: &Store, call: &Call, request: &Request) -> Outcome<Reply> {
    let pod = lookup::existing(store, call)?;
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
            format!("there are no logs of container {} in pod {}", json!(container), json!(name))
        }
        "portforward" => format!("the ports of pod {} are not reachable", json!(name)),
        _ => format!("commands cannot run in container {} of pod {}", json!(container), json!(name)),
    };
    Err(Refusal::new(501, "NotImplemented", format!("the sandbox simulates pods and runs no containers: {subject}")))
}
