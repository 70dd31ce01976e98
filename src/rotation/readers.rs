//! The workloads whose pods read a synced Secret as variables, which keep the old value until they restart; and the restart.

use super::{
    classes::{Class, is_over},
    lists::{list, text, within},
};
use crate::{
    cluster::{self, Api, Write},
    resources::manifest,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// As `kubectl rollout restart` sets it.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Something whose pods are replaced when its template changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

impl Workload {
    /// `deployment shop/web`
    pub fn shown(&self) -> String {
        format!("{} {}/{}", self.kind.to_lowercase(), self.namespace, self.name)
    }

    /// The command that restarts it.
    pub fn command(&self) -> String {
        format!("`kubectl rollout restart {} {} -n {}`", self.kind.to_lowercase(), self.name, self.namespace)
    }

    pub fn at(&self) -> cluster::ObjectRef {
        let plural = format!("{}s", self.kind.to_lowercase());
        manifest::at(&Api::new("apps", "v1", self.kind, &plural), Some(&self.namespace), &self.name)
    }
}

/// Workloads, and pods that no restart replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readers {
    pub workloads: BTreeSet<Workload>,
    /// Pods of jobs, which end by themselves: `shop/nightly-1-x`.
    pub jobs: BTreeSet<String>,
    /// `shop/web-1`
    pub single: BTreeSet<String>,
}

impl Readers {
    pub fn is_empty(&self) -> bool {
        self.workloads.is_empty() && self.jobs.is_empty() && self.single.is_empty()
    }
}

fn pods_api() -> Api {
    Api::new("", "v1", "Pod", "pods")
}

/// Finds the pods that read the classes' synced Secrets as variables, by the workloads that they belong to.
pub async fn readers(cluster: &Write, classes: &[Class]) -> Result<Readers, cluster::Error> {
    let namespaces: BTreeSet<String> =
        classes.iter().filter(|class| !class.synced.is_empty()).map(|class| class.namespace.clone()).collect();
    let mut found = Readers::default();
    for pod in within(cluster, &pods_api(), &namespaces.into_iter().collect::<Vec<_>>()).await? {
        // what has ended reads nothing any more
        if is_over(&pod) {
            continue;
        }
        let of_namespace = classes.iter().filter(|class| class.namespace == text(&pod, "/metadata/namespace"));
        if of_namespace.flat_map(|class| &class.synced).any(|(secret, key, _)| reads(&pod, secret, key)) {
            add_owner(cluster, &pod, &mut found).await?;
        }
    }
    Ok(found)
}

/// Finds the workloads of these pods.
pub async fn owners(cluster: &Write, pods: &[(String, String)]) -> Result<Readers, cluster::Error> {
    let mut found = Readers::default();
    for (namespace, name) in pods {
        if let Some(pod) = cluster.get(&manifest::at(&pods_api(), Some(namespace), name)).await? {
            add_owner(cluster, &pod, &mut found).await?;
        }
    }
    Ok(found)
}

/// Whether a container of the pod has the key of the Secret as a variable.
fn reads(pod: &Value, secret: &str, key: &str) -> bool {
    let containers = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|pointer| list(pod, pointer));
    containers.into_iter().any(|container| {
        let one = |env: &Value| text(env, "/valueFrom/secretKeyRef/name") == secret && text(env, "/valueFrom/secretKeyRef/key") == key;
        list(container, "/env").any(one) || list(container, "/envFrom").any(|from| text(from, "/secretRef/name") == secret)
    })
}

async fn add_owner(cluster: &Write, pod: &Value, found: &mut Readers) -> Result<(), cluster::Error> {
    let namespace = text(pod, "/metadata/namespace");
    let owner = |object: &Value| {
        let owner = list(object, "/metadata/ownerReferences").find(|owner| owner["controller"] == true)?;
        Some((text(owner, "/kind").to_owned(), text(owner, "/name").to_owned()))
    };
    let mut of = owner(pod);
    if let Some((kind, name)) = &of
        && kind == "ReplicaSet"
    {
        let api = Api::new("apps", "v1", "ReplicaSet", "replicasets");
        of = cluster.get(&manifest::at(&api, Some(namespace), name)).await?.as_ref().and_then(owner);
    }
    if of.as_ref().is_some_and(|(kind, _)| kind == "Job") {
        found.jobs.insert(format!("{namespace}/{}", text(pod, "/metadata/name")));
        return Ok(());
    }
    let known =
        of.and_then(|(kind, name)| Some((["Deployment", "StatefulSet", "DaemonSet"].into_iter().find(|known| *known == kind)?, name)));
    match known {
        Some((kind, name)) => drop(found.workloads.insert(Workload { kind, namespace: namespace.to_owned(), name })),
        None => drop(found.single.insert(format!("{namespace}/{}", text(pod, "/metadata/name")))),
    }
    Ok(())
}

/// Changes the template as `kubectl rollout restart` does.
pub async fn restart(cluster: &Write, workload: &Workload) -> Result<(), cluster::Error> {
    let at = workload.at();
    let Some(now) = cluster.get(&at).await? else { return Ok(()) };
    let time = Timestamp::now().to_string();
    let annotations = now.pointer("/spec/template/metadata/annotations").is_some();
    let step = match annotations {
        true => {
            json!({ "op": "add", "path": format!("/spec/template/metadata/annotations/{}", RESTARTED.replace('/', "~1")), "value": time })
        }
        false => json!({ "op": "add", "path": "/spec/template/metadata/annotations", "value": { RESTARTED: time } }),
    };
    cluster.patch(&at, &json!([step])).await.map(drop)
}

/// The latest warning about a pod, as far as this login may list events.
pub async fn latest_warning(cluster: &Write, namespace: &str, pod: &str) -> Option<String> {
    let fields = format!("involvedObject.name={pod},type=Warning");
    let events = cluster.list(&Api::new("", "v1", "Event", "events"), Some(namespace), None, Some(&fields)).await.ok()?;
    let when = |event: &&Value| text(event, "/lastTimestamp").to_owned().max(text(event, "/eventTime").to_owned());
    let latest = events.iter().filter(|event| text(event, "/involvedObject/name") == pod).max_by_key(when)?;
    Some(format!("{}: {}", text(latest, "/reason"), text(latest, "/message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_by_its_key_or_with_all_of_the_secret() {
        let pod = |container: Value| json!({ "spec": { "containers": [container] } });
        let by_key = pod(json!({ "env": [{ "name": "C", "valueFrom": { "secretKeyRef": { "name": "app", "key": "conn" } } }] }));
        assert!(reads(&by_key, "app", "conn") && !reads(&by_key, "app", "other") && !reads(&by_key, "b", "conn"));
        assert!(reads(&pod(json!({ "envFrom": [{ "secretRef": { "name": "app" } }] })), "app", "conn"));
        assert!(!reads(&pod(json!({ "volumeMounts": [] })), "app", "conn"));
    }
}
