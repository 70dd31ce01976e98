//! `logs`: the last lines of a component's pods, of those on a workload's nodes and about the workload if one is given.

use crate::{
    cli::Logs,
    cluster::{self, Api, LogRange, ObjectRef},
    components::{self, Component, component::Program},
    converge::{self, answer},
    exit::Exit,
    failure::Failure,
    output::Text,
    resources::running,
    session::Session,
};
use serde_json::Value;
use std::collections::BTreeSet;

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn pods() -> Api {
    Api::new("", "v1", "Pod", "pods")
}

/// The pods of a workload: those that it owns, also by a ReplicaSet or a Job, or the pod of its name.
fn is_of(workload: &str, pod: &Value) -> bool {
    let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    let owned = owners.into_iter().map(|owner| text(owner, "/name")).any(|owner| {
        owner == workload || owner.strip_prefix(workload).is_some_and(|rest| rest.strip_prefix('-').is_some_and(|hash| !hash.contains('-')))
    });
    owned || text(pod, "/metadata/name") == workload
}

pub async fn logs(session: &Session, asked: &Logs) -> Result<Exit, Failure> {
    let found = components::all().find_map(|one| Some((one, one.programs().iter().find(|program| program.name == asked.program)?)));
    let Some((component, program)) = found else { return Err(Failure::new(Exit::Bug, format!("there is no program {}", asked.program))) };
    let cluster = session.unless_interrupted(converge::cluster_of(session, asked.cluster.as_ref())).await??;
    let read = session.clusters.open(Some(&cluster.context)).await.map_err(|error| Failure::from(&error))?.read();
    session.unless_interrupted(print(session, asked, &read, component, program)).await?
}

async fn print(
    session: &Session,
    asked: &Logs,
    read: &cluster::Read,
    component: &dyn Component,
    program: &Program,
) -> Result<Exit, Failure> {
    let failed = |error: cluster::Error| Failure::from(&error);
    let signs: Vec<_> = component.signs().into_iter().filter(|sign| sign.program == program.sign).collect();
    let runs = |pod: &Value| {
        // a pod has the shape of a template below `spec`
        let workload = serde_json::json!({ "kind": "Pod", "spec": { "template": { "spec": pod["spec"] } } });
        !running::of(&workload, &signs).is_empty()
    };
    let all = read.list(&pods(), None, None).await.map_err(failed)?;
    let workload: Vec<&Value> = match (&asked.workload, &asked.namespace) {
        (Some(workload), Some(namespace)) => {
            let own: Vec<&Value> = all.iter().filter(|pod| text(pod, "/metadata/namespace") == namespace && is_of(workload, pod)).collect();
            if own.is_empty() {
                return Err(Failure::new(Exit::Refused, format!("the workload {workload} has no pod in namespace {namespace}"))
                    .hint(format!("Look at what runs there: `kubectl get pods -n {namespace}`.")));
            }
            own
        }
        _ => Vec::new(),
    };
    let nodes: BTreeSet<&str> = workload.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    let names: Vec<&str> = workload.iter().map(|pod| text(pod, "/metadata/name")).collect();
    // MIC runs on any node and writes about all of them
    let is_daemon = |pod: &Value| pod.pointer("/metadata/ownerReferences/0/kind").and_then(Value::as_str) == Some("DaemonSet");
    let is_near = |pod: &Value| nodes.is_empty() || !is_daemon(pod) || nodes.contains(text(pod, "/spec/nodeName"));
    let chosen: Vec<&Value> = all.iter().filter(|pod| runs(pod) && is_near(pod)).collect();
    if chosen.is_empty() {
        return Err(Failure::new(Exit::Refused, format!("no pod of {} runs in the cluster", program.name))
            .hint(format!("Install it: `podid cluster install {}`; `podid cluster components` shows what runs.", component.name())));
    }
    let range =
        LogRange { lines: asked.tail, since_seconds: asked.since.map(|since| since.as_secs()), most_bytes: None, previous: asked.previous };
    let mut printed = Text::new();
    for pod in chosen {
        let at = ObjectRef {
            api: pods(),
            namespace: Some(text(pod, "/metadata/namespace").to_owned()),
            name: text(pod, "/metadata/name").to_owned(),
        };
        // a chart calls its container otherwise than the add-on does
        let container = signs.iter().find_map(|sign| running::container(pod, sign)).unwrap_or(program.container);
        let log = read.log(&at, container, &range).await.map_err(failed)?;
        let about = |line: &&str| names.is_empty() || names.iter().any(|name| line.contains(name));
        for line in log.lines().filter(about) {
            printed.push(format!("{}: {line}", at.name));
        }
    }
    if printed.is_empty() {
        session.terminal.say(format!("{} has written nothing that fits", program.name));
    }
    answer(session, printed)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::is_of;
    use serde_json::json;

    #[test]
    fn a_pod_belongs_to_the_workload_whose_replica_set_owns_it_and_not_to_one_of_a_longer_name() {
        let owned = |owner: &str| json!({ "metadata": { "name": "p", "ownerReferences": [{ "name": owner }] } });
        assert!(is_of("web", &owned("web-6d4cf56db6")));
        assert!(is_of("web", &owned("web")));
        assert!(!is_of("web", &owned("web-admin-6d4cf56db6")));
        assert!(is_of("p", &owned("other")));
    }
}
