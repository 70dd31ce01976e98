//! Whether a component works, and what it lacks.

use super::{Registered, Works};
use crate::{
    cluster::{self, Api, ObjectRef},
    resources::{
        readiness::{self, State},
        running::{Running, running},
    },
};
use serde_json::Value;
use std::collections::BTreeSet;

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Reads workloads, definitions and registered objects, and returns what is missing or not ready.
pub(super) async fn look(cluster: &cluster::Read, works: &Works) -> Result<(Vec<Running>, Vec<String>), cluster::Error> {
    let (running, mut lacks) = workloads(cluster, works).await?;
    for program in works.signs.iter().map(|sign| &sign.program) {
        if !running.is_empty() && !running.iter().any(|one| one.program == *program) {
            lacks.push(format!("no {program} is in the cluster"));
        }
    }
    let definitions = works.definitions.iter().map(|name| definition(cluster, name));
    let objects = works.objects.iter().map(|object| registered(cluster, object));
    let (definitions, objects) = futures::join!(futures::future::join_all(definitions), futures::future::join_all(objects));
    for lack in definitions.into_iter().chain(objects) {
        lacks.extend(lack?);
    }
    Ok((running, lacks))
}

async fn workloads(cluster: &cluster::Read, works: &Works) -> Result<(Vec<Running>, Vec<String>), cluster::Error> {
    let all = running(cluster, &works.signs).await?;
    let mut lacks = Vec::new();
    for one in &all {
        let unready = one.ready < one.wanted;
        if one.kind == "DaemonSet" {
            lacks.extend(daemons(cluster, one, unready).await);
        } else if unready {
            let why = trouble(cluster, one).await;
            lacks.push(format!("{} {}/{} is ready in {} of {} pods{why}", one.program, one.namespace, one.name, one.ready, one.wanted));
        }
    }
    Ok((all, lacks))
}

/// The Linux nodes on which a DaemonSet has no ready pod, each with the reason. Where this login may not list nodes, the counts decide.
async fn daemons(cluster: &cluster::Read, one: &Running, unready: bool) -> Vec<String> {
    let name = format!("{} {}/{}", one.program, one.namespace, one.name);
    let nodes = cluster.list(&Api::new("", "v1", "Node", "nodes"), None, None).await.unwrap_or_default();
    let is_linux = |node: &&Value| text(node, "/metadata/labels/kubernetes.io~1os") == "linux" && is_ready(node);
    let linux: Vec<&str> = nodes.iter().filter(is_linux).map(|node| text(node, "/metadata/name")).collect();
    let few = linux.len() as i64 > one.wanted && one.wanted == 0;
    if !unready && !few {
        return Vec::new();
    }
    let pods = pods(cluster, one).await;
    let ready: BTreeSet<&str> = pods.iter().filter(|pod| readiness::is_ready_pod(pod)).map(|pod| text(pod, "/spec/nodeName")).collect();
    let missing: Vec<String> = linux
        .iter()
        .filter(|node| !ready.contains(*node))
        .map(|node| {
            let pod = pods.iter().find(|pod| text(pod, "/spec/nodeName") == *node);
            let why = pod.map_or_else(|| "no pod is scheduled there".to_owned(), readiness::pod_reason);
            format!("{node} ({why})")
        })
        .collect();
    match (missing.is_empty(), unready) {
        (false, _) => vec![format!("{name} is not ready on {}", missing.join(", "))],
        (true, true) => vec![format!("{name} is ready on {} of {} nodes", one.ready, one.wanted)],
        (true, false) => Vec::new(),
    }
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

async fn pods(cluster: &cluster::Read, one: &Running) -> Vec<Value> {
    let pods = cluster.list(&Api::new("", "v1", "Pod", "pods"), Some(&one.namespace), None).await.unwrap_or_default();
    let of = |pod: &Value| {
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
        owners.into_iter().any(|owner| {
            let name = text(owner, "/name");
            name == one.name || (one.kind == "Deployment" && name.rsplit_once('-').is_some_and(|(stem, _)| stem == one.name))
        })
    };
    pods.into_iter().filter(of).collect()
}

async fn trouble(cluster: &cluster::Read, one: &Running) -> String {
    let pods = pods(cluster, one).await;
    let first = pods.iter().find(|pod| !readiness::is_ready_pod(pod));
    first.map(|pod| format!(": {} ({})", text(pod, "/metadata/name"), readiness::pod_reason(pod))).unwrap_or_default()
}

async fn definition(cluster: &cluster::Read, name: &str) -> Result<Option<String>, cluster::Error> {
    let api = Api::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions");
    let found = cluster.get(&ObjectRef { api, namespace: None, name: name.to_owned() }).await?;
    Ok(match found.as_ref().map(readiness::state) {
        None => Some(format!("the CustomResourceDefinition {name} does not exist")),
        Some(State::Ready) => None,
        Some(State::Waiting(why) | State::Failed(why)) => Some(format!("the CustomResourceDefinition {name}: {why}")),
    })
}

async fn registered(cluster: &cluster::Read, wanted: &Registered) -> Result<Option<String>, cluster::Error> {
    let at = ObjectRef { api: wanted.api.clone(), namespace: None, name: wanted.name.clone() };
    let shown = format!("{} {}", wanted.api.kind, wanted.name);
    let found = match cluster.get(&at).await {
        Err(cluster::Error::KindMissing { .. }) => None,
        found => found?,
    };
    let Some(found) = found else { return Ok(Some(format!("the {shown} does not exist"))) };
    let Some(kind) = &wanted.condition else { return Ok(None) };
    let conditions = found.pointer("/status/conditions").and_then(Value::as_array);
    let condition = conditions.into_iter().flatten().find(|condition| condition["type"] == kind.as_str());
    Ok(match condition {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(format!("the {shown} is not {kind}: {}", text(condition, "/message"))),
        None => Some(format!("the {shown} is not {kind} yet")),
    })
}
