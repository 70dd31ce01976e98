//! The programs of components, as links look for them: what runs, and on which nodes its pods are ready.

use super::{texts::field, view::View};
use crate::{
    cluster::Api,
    resources::running::{self, Installer, Running, Sign},
    survey::{
        Survey,
        kinds::{DAEMON_SET, DEPLOYMENT, SurveyedKind},
    },
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The workloads that run a program. None: they could not all be listed.
pub fn of(survey: &Survey, kinds: &[&SurveyedKind], program: &str, images: &[&str]) -> Option<Vec<Running>> {
    let sign = [Sign::new(program, images)];
    let lists: Vec<_> = kinds.iter().map(|kind| survey.cluster.of_kind(kind)).collect();
    let is_whole = lists.iter().all(|list| list.is_whole());
    is_whole.then(|| lists.iter().flat_map(|list| list.iter()).flat_map(|object| running::of(object, &sign)).collect())
}

/// The DaemonSets that run a program on nodes.
pub fn daemons(survey: &Survey, program: &str, images: &[&str]) -> Option<Vec<Running>> {
    of(survey, &[&DAEMON_SET], program, images)
}

/// The DaemonSet or Deployment itself.
pub fn object<'a>(survey: &'a Survey, running: &Running) -> Option<&'a Value> {
    let kind = if running.kind == DAEMON_SET.kind { &DAEMON_SET } else { &DEPLOYMENT };
    survey.cluster.named(kind, &running.namespace, &running.name)
}

pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.into_iter().any(|one| field(one, "/type") == "Ready" && field(one, "/status") == "True")
}

/// The pods of a DaemonSet. None: this login may not list them.
pub async fn pods(view: &View<'_>, daemon: &Running) -> Option<Vec<Value>> {
    let mut pods = view.cluster.list(&Api::new("", "v1", "Pod", "pods"), Some(&daemon.namespace), None).await.ok()?;
    pods.retain(|pod| {
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
        owners.into_iter().any(|owner| field(owner, "/kind") == "DaemonSet" && field(owner, "/name") == daemon.name)
    });
    Some(pods)
}

/// The node on which pods of two installations of one program are ready, so that both answer there.
pub async fn shared_node(view: &View<'_>, all: &[Running]) -> Option<String> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for daemon in all.iter().filter(|one| one.ready > 0) {
        let pods = pods(view, daemon).await?;
        let own: BTreeSet<String> = pods
            .iter()
            .filter(|pod| is_ready(pod))
            .map(|pod| field(pod, "/spec/nodeName").to_owned())
            .filter(|node| !node.is_empty())
            .collect();
        if let Some(node) = own.intersection(&seen).next() {
            return Some(node.clone());
        }
        seen.extend(own);
    }
    None
}

/// How each of several installations of a component is removed, as parts of a sentence.
pub fn removals(view: &View<'_>, component: &str, all: &[Running]) -> Vec<String> {
    let cluster = &view.bound.cluster.name;
    let uninstall = |more: &[&str]| view.commands.podid(&[&["cluster", "uninstall", component, "--cluster", cluster], more].concat());
    let mut ways: Vec<String> = Vec::new();
    for one in all {
        let way = match &one.installer {
            Installer::Podid(app) => uninstall(&["--app", app]),
            Installer::Aks if component == "pod-identity" => {
                let id = view.survey.and_then(|survey| survey.azure.cluster.as_ref()).map(|cluster| &cluster.id);
                let group = id.and_then(|id| id.group_name()).unwrap_or("GROUP");
                format!("`az aks update -g {group} -n {cluster} --disable-pod-identity` (of the extension aks-preview)")
            }
            Installer::Aks => uninstall(&[]),
            Installer::Unknown { namespace } => format!("`kubectl delete {} {} -n {namespace}`", one.kind.to_lowercase(), one.name),
            other => other.way_to_remove(),
        };
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// The node of the workload's pod.
pub async fn node(view: &View<'_>) -> Option<String> {
    let pod = view.cluster.get(&view.pod?.at).await.ok()??;
    Some(field(&pod, "/spec/nodeName").to_owned()).filter(|node| !node.is_empty())
}

/// Why a DaemonSet does not serve a node, as a clause. None: it does, or it could not be seen.
pub async fn absence(view: &View<'_>, daemon: &Running, shown: &str, node: &str) -> Option<String> {
    let pods = pods(view, daemon).await?;
    let own: Vec<&Value> = pods.iter().filter(|pod| field(pod, "/spec/nodeName") == node).collect();
    match own.first() {
        None => Some(format!("no pod of {shown} is on the node {node}")),
        Some(_) if own.iter().any(|pod| is_ready(pod)) => None,
        Some(other) => Some(format!("the pod {} of {shown} on the node {node} is not ready", field(other, "/metadata/name"))),
    }
}
