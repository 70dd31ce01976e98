//! Workloads as Kubernetes has them: the kinds that have a pod template, where it is in them, and what in a template stands in the way of
//! what is to be added. Pure.

use super::{compare::holds, pod_patch::PodPatch};
use crate::cluster::{Api, FIELD_MANAGER};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;

/// A kind of object with a pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
}

impl WorkloadKind {
    pub const ALL: [Self; 5] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Job, Self::CronJob];

    /// The word of the command line and of the spec: `statefulset`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Job => "job",
            Self::CronJob => "cronjob",
        }
    }

    pub fn api(self) -> Api {
        let (group, kind, plural) = match self {
            Self::Deployment => ("apps", "Deployment", "deployments"),
            Self::StatefulSet => ("apps", "StatefulSet", "statefulsets"),
            Self::DaemonSet => ("apps", "DaemonSet", "daemonsets"),
            Self::Job => ("batch", "Job", "jobs"),
            Self::CronJob => ("batch", "CronJob", "cronjobs"),
        };
        Api::new(group, "v1", kind, plural)
    }

    /// The fields on the way to the pod template.
    fn path(self) -> &'static [&'static str] {
        match self {
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
            _ => &["spec", "template"],
        }
    }

    fn template(self, object: &Value) -> Option<&Value> {
        self.path().iter().try_fold(object, |value, field| value.get(field))
    }

    /// Names of the containers, in their order; init containers are not among them.
    pub fn containers(self, object: &Value) -> Vec<String> {
        let all = self.template(object).and_then(|template| template.pointer("/spec/containers")?.as_array());
        all.into_iter().flatten().filter_map(|c| c["name"].as_str().map(str::to_owned)).collect()
    }

    /// The object's manifest with only what a patch adds.
    pub fn manifest(self, namespace: &str, name: &str, patch: &PodPatch, containers: &[String]) -> Value {
        let within = self.path().iter().rev().fold(patch.template(containers), |inner, field| json!({ (*field): inner }));
        let api = self.api();
        json!({
            "apiVersion": api.api_version(), "kind": api.kind, "metadata": { "name": name, "namespace": namespace }, "spec": within["spec"],
        })
    }
}

/// Something in a template that the patch would collide with.
#[derive(Clone, Debug, PartialEq)]
pub struct Collision {
    /// `the volume secrets`
    pub what: String,
    /// The container in which it is.
    pub container: Option<String>,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.container.iter().try_for_each(|container| write!(f, " in the container {container}"))
    }
}

/// Finds what of the same name is in the template already, is something else, and is not podid's own.
pub fn collisions(kind: WorkloadKind, live: &Value, patch: &PodPatch, containers: &[String]) -> Vec<Collision> {
    let Some(template) = kind.template(live) else { return Vec::new() };
    let own = own_fields(live);
    let base: Vec<String> = kind.path().iter().map(|field| format!("f:{field}")).chain(["f:spec".to_owned()]).collect();
    let is_own = |steps: &[String]| own.is_some_and(|own| has(own, base.iter().chain(steps)));
    let mut found = Vec::new();
    let volumes = [("volumes", "name", "volume", &patch.volumes)];
    let of_containers = [("env", "name", "variable", &patch.env), ("volumeMounts", "mountPath", "mount at", &patch.volume_mounts)];
    for (list, key, word, wanted) in volumes {
        let steps = |name: &Value| vec![format!("f:{list}"), item(key, name)];
        let other = others(template.pointer(&format!("/spec/{list}")), key, wanted).filter(|name| !is_own(&steps(name)));
        found.extend(other.map(|name| Collision { what: format!("the {word} {}", text(&name)), container: None }));
    }
    let all = template.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    for container in all.filter(|c| containers.iter().any(|name| c["name"] == name.as_str())) {
        for (list, key, word, wanted) in of_containers {
            let steps =
                |name: &Value| vec!["f:containers".to_owned(), item("name", &container["name"]), format!("f:{list}"), item(key, name)];
            let other = others(container.get(list), key, wanted).filter(|name| !is_own(&steps(name)));
            let container = Some(text(&container["name"]).to_owned());
            found.extend(other.map(|name| Collision { what: format!("the {word} {}", text(&name)), container: container.clone() }));
        }
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An item of a keyed list, as FieldsV1 names it: `k:{"name":"secrets"}`.
fn item(key: &str, name: &Value) -> String {
    format!("k:{}", json!({ (key): name }))
}

/// The keys of wanted items whose items there are different ones.
fn others<'a>(there: Option<&'a Value>, key: &'static str, wanted: &'a [Value]) -> impl Iterator<Item = Value> + 'a {
    let there = there.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let differs = move |want: &&Value| there.iter().any(|one| one[key] == want[key] && !holds(one, want));
    wanted.iter().filter(differs).map(move |want| want[key].clone())
}

/// The fields that podid has applied (FieldsV1).
fn own_fields(live: &Value) -> Option<&Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let is_own = |entry: &&Value| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply";
    entries.iter().find(is_own).map(|entry| &entry["fieldsV1"])
}

/// Returns whether podid has applied fields of this object.
pub fn is_extended(live: &Value) -> bool {
    own_fields(live).is_some()
}

fn has<'a>(fields: &Value, mut path: impl Iterator<Item = &'a String>) -> bool {
    path.try_fold(fields, |fields, step| fields.get(step)).is_some()
}

/// Who keeps the object as it was written elsewhere, and may take out what others add: Helm, Argo CD or Flux, with the name that it has there.
pub fn keeper(live: &Value) -> Option<String> {
    let mark = |kind: &str, name: &str| {
        let marks = live.pointer(&format!("/metadata/{kind}"))?.as_object()?;
        marks.get(name)?.as_str().map(str::to_owned)
    };
    let argo = mark("annotations", "argocd.argoproj.io/tracking-id")
        .map(|id| id.split(':').next().unwrap_or_default().to_owned())
        .or_else(|| mark("labels", "argocd.argoproj.io/instance"));
    let flux = mark("labels", "kustomize.toolkit.fluxcd.io/name").or_else(|| mark("labels", "helm.toolkit.fluxcd.io/name"));
    let helm = mark("annotations", "meta.helm.sh/release-name");
    argo.map(|name| format!("Argo CD (application {name})"))
        .or_else(|| flux.map(|name| format!("Flux ({name})")))
        .or_else(|| helm.map(|name| format!("Helm (release {name})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch() -> PodPatch {
        PodPatch {
            env: vec![json!({ "name": "CONN", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } })],
            volume_mounts: vec![json!({ "name": "secrets", "mountPath": "/mnt/secrets" })],
            volumes: vec![json!({ "name": "secrets", "csi": { "driver": "d" } })],
            ..PodPatch::default()
        }
    }

    fn live(volume: &Value, mount: &Value, env: &Value) -> Value {
        let containers = json!([{ "name": "app", "volumeMounts": [mount], "env": [env] }]);
        json!({ "spec": { "template": { "spec": { "containers": containers, "volumes": [volume] } } } })
    }

    fn found(live: &Value) -> Vec<String> {
        collisions(WorkloadKind::Deployment, live, &patch(), &["app".to_owned()]).into_iter().map(|c| c.what).collect()
    }

    #[test]
    fn what_has_the_name_and_is_something_else_collides() {
        let other = live(
            &json!({ "name": "secrets", "emptyDir": {} }),
            &json!({ "name": "data", "mountPath": "/mnt/secrets" }),
            &json!({ "name": "CONN", "value": "x" }),
        );
        assert_eq!(found(&other), ["the volume secrets", "the variable CONN", "the mount at /mnt/secrets"]);
        let none =
            live(&json!({ "name": "data", "emptyDir": {} }), &json!({ "name": "data", "mountPath": "/data" }), &json!({ "name": "X" }));
        assert_eq!(found(&none), [""; 0]);
    }

    #[test]
    fn what_is_there_already_or_is_podids_own_does_not_collide() {
        let patch = patch();
        assert_eq!(found(&live(&patch.volumes[0], &patch.volume_mounts[0], &patch.env[0])), [""; 0]);
        let mut before = live(&json!({ "name": "secrets", "csi": { "driver": "old" } }), &json!({}), &json!({}));
        assert_eq!(found(&before), ["the volume secrets"]);
        let own = json!({ "f:spec": { "f:template": { "f:spec": { "f:volumes": { "k:{\"name\":\"secrets\"}": {} } } } } });
        before["metadata"] = json!({ "managedFields": [{ "manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": own }] });
        assert_eq!(found(&before), [""; 0]);
    }

    #[test]
    fn the_template_of_a_cron_job_is_deeper() {
        let manifest = WorkloadKind::CronJob.manifest("shop", "nightly", &patch(), &["app".to_owned()]);
        assert_eq!(manifest.pointer("/spec/jobTemplate/spec/template/spec/volumes/0/name"), Some(&json!("secrets")));
        assert_eq!(WorkloadKind::CronJob.containers(&manifest), ["app"]);
    }

    #[test]
    fn the_keeper_is_known_by_its_marks() {
        let of = |metadata: Value| keeper(&json!({ "metadata": metadata }));
        assert_eq!(of(json!({ "annotations": { "meta.helm.sh/release-name": "web" } })).as_deref(), Some("Helm (release web)"));
        let argo = json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web", "meta.helm.sh/release-name": "x" } });
        assert_eq!(of(argo).as_deref(), Some("Argo CD (application shop)"));
        assert_eq!(of(json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" } })).as_deref(), Some("Flux (apps)"));
        assert_eq!(of(json!({ "labels": { "app": "web" } })), None);
    }
}
