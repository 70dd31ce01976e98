//! From pods to the workloads that they belong to, and workloads without pods.

use crate::{
    chain::texts::field,
    survey::{
        Survey,
        kinds::{CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, STATEFUL_SET, SurveyedKind},
    },
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The kinds that make pods, with the place of their template.
static KINDS: &[(&SurveyedKind, &str)] = &[
    (&DEPLOYMENT, "/spec/template"),
    (&STATEFUL_SET, "/spec/template"),
    (&DAEMON_SET, "/spec/template"),
    (&REPLICA_SET, "/spec/template"),
    (&JOB, "/spec/template"),
    (&CRON_JOB, "/spec/jobTemplate/spec/template"),
];

/// Something that has pods or makes them.
pub struct PodOwner<'a> {
    pub kind: String,
    pub namespace: &'a str,
    pub name: &'a str,
    /// None: it is of a kind that was not listed, such as a custom resource, or its list could not be read.
    pub object: Option<&'a Value>,
    /// The template of its pods.
    pub template: Option<&'a Value>,
    pub pods: Vec<&'a Value>,
}

type Name<'a> = (String, &'a str, &'a str);

/// The controller of an object.
fn controller(object: &Value) -> Option<(&str, &str)> {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    let owner = owners.into_iter().find(|owner| owner["controller"] == true)?;
    Some((field(owner, "/kind"), field(owner, "/name")))
}

pub fn owners<'a>(survey: &'a Survey, namespace: Option<&str>) -> Vec<PodOwner<'a>> {
    let mut known: BTreeMap<Name<'a>, (&'a Value, &'static str)> = BTreeMap::new();
    for (kind, template) in KINDS {
        for object in survey.cluster.of_kind(kind).iter() {
            let name = (kind.kind.to_owned(), field(object, "/metadata/namespace"), field(object, "/metadata/name"));
            known.insert(name, (object, template));
        }
    }
    let mut found: BTreeMap<Name<'a>, PodOwner<'a>> = BTreeMap::new();
    let is_meant = |own: &str| namespace.is_none_or(|wanted| wanted == own);
    for pod in survey.cluster.of_kind(&POD).iter().filter(|pod| is_meant(field(pod, "/metadata/namespace"))) {
        let name = top(pod, &known);
        owner(&mut found, name, &known).pods.push(pod);
    }
    // also what is scaled to zero, and jobs between their runs
    for (name, (object, _)) in known.iter().filter(|((_, namespace, _), _)| is_meant(namespace)) {
        let is_top = controller(object).is_none_or(|(kind, _)| !KINDS.iter().any(|(known, _)| known.kind == kind));
        if is_top {
            owner(&mut found, name.clone(), &known);
        }
    }
    found.into_values().collect()
}

fn owner<'f, 'a>(
    found: &'f mut BTreeMap<Name<'a>, PodOwner<'a>>,
    name: Name<'a>,
    known: &BTreeMap<Name<'a>, (&'a Value, &'static str)>,
) -> &'f mut PodOwner<'a> {
    let object = known.get(&name).copied();
    found.entry(name.clone()).or_insert_with(|| PodOwner {
        kind: name.0,
        namespace: name.1,
        name: name.2,
        object: object.map(|(object, _)| object),
        template: object.and_then(|(object, template)| object.pointer(template)),
        pods: Vec::new(),
    })
}

/// The last owner in the row: a pod's Deployment, or the pod itself if nothing owns it.
fn top<'a>(pod: &'a Value, known: &BTreeMap<Name<'a>, (&'a Value, &'static str)>) -> Name<'a> {
    let namespace = field(pod, "/metadata/namespace");
    let mut name: Name<'a> = (POD.kind.to_owned(), namespace, field(pod, "/metadata/name"));
    let mut next = controller(pod);
    // a Job of a CronJob, a ReplicaSet of a Deployment
    for _ in 0..3 {
        let Some((kind, owner)) = next else { break };
        name = (kind.to_owned(), namespace, owner);
        next = match known.get(&name) {
            Some((object, _)) => controller(object),
            None => unlisted(pod, kind, owner),
        };
    }
    name
}

/// The Deployment of a ReplicaSet that could not be listed: its name is the Deployment's with the hash of the template.
fn unlisted<'a>(pod: &'a Value, kind: &str, name: &'a str) -> Option<(&'a str, &'a str)> {
    let hash = pod.pointer("/metadata/labels/pod-template-hash").and_then(Value::as_str)?;
    let deployment = name.strip_suffix(hash)?.strip_suffix('-')?;
    (kind == REPLICA_SET.kind).then_some((DEPLOYMENT.kind, deployment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::ClusterSurvey;
    use serde_json::json;

    fn object(kind: &str, name: &str, owner: Option<(&str, &str)>) -> Value {
        let owners: Vec<Value> = owner.iter().map(|(kind, name)| json!({ "kind": kind, "name": name, "controller": true })).collect();
        json!({ "kind": kind, "metadata": { "namespace": "shop", "name": name, "ownerReferences": owners }, "spec": { "template": { "spec": {} } } })
    }

    fn shown(objects: Vec<Value>) -> Vec<String> {
        let survey = Survey { cluster: ClusterSurvey::of(objects), ..Survey::default() };
        owners(&survey, None).iter().map(|o| format!("{} {} {}", o.kind, o.name, o.pods.len())).collect()
    }

    #[test]
    fn pods_count_for_the_last_owner_and_what_has_none_is_listed_too() {
        let objects = vec![
            object("Deployment", "web", None),
            object("Deployment", "idle", None),
            object("ReplicaSet", "web-1", Some(("Deployment", "web"))),
            object("Pod", "web-1-a", Some(("ReplicaSet", "web-1"))),
            object("Pod", "web-1-b", Some(("ReplicaSet", "web-1"))),
            object("CronJob", "nightly", None),
            object("Job", "nightly-1", Some(("CronJob", "nightly"))),
            object("Pod", "nightly-1-a", Some(("Job", "nightly-1"))),
            object("Pod", "alone", None),
            object("Pod", "run-a", Some(("Workflow", "run"))),
        ];
        let found = shown(objects);
        assert_eq!(found, ["CronJob nightly 1", "Deployment idle 0", "Deployment web 2", "Pod alone 1", "Workflow run 1"]);
    }

    #[test]
    fn the_deployment_of_a_replica_set_that_was_not_listed_is_told_by_its_name() {
        let mut pod = object("Pod", "web-5d8f-x", Some(("ReplicaSet", "web-5d8f")));
        pod["metadata"]["labels"] = json!({ "pod-template-hash": "5d8f" });
        assert_eq!(shown(vec![pod]), ["Deployment web 1"]);
    }
}
