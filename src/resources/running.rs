//! The workloads of a component that run in a cluster, whoever installed them: recognised by their images, with installer, version and
//! the number of ready pods.

use super::{manifest::labels, ownership};
use crate::cluster::{self, Api};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeSet, fmt};

/// How a program of a component is recognised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// The program, such as `nmi`.
    pub program: String,
    /// The ends of its image's repository, such as `aad-pod-identity/nmi`. A mirror keeps the end of a path.
    pub images: Vec<String>,
}

impl Sign {
    pub fn new(program: &str, images: &[&str]) -> Self {
        Self { program: program.to_owned(), images: images.iter().map(|image| (*image).to_owned()).collect() }
    }
}

/// Who installed a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Installer {
    /// podid, for this app.
    Podid(String),
    /// AKS, for a setting of the managed cluster.
    Aks,
    /// Helm: the release as NAMESPACE/NAME, and the chart where a label tells it.
    Helm { release: String, chart: Option<String> },
    /// A GitOps controller, and its application.
    GitOps { controller: String, application: String },
    /// Nobody who left a mark.
    Unknown { namespace: String },
}

impl Installer {
    /// Reads who made or applies an object, by its labels and annotations.
    pub fn of(object: &Value) -> Self {
        let labels = labels(object);
        let label = |name: &str| labels.get(name).cloned();
        let annotation = |name: &str| object.pointer("/metadata/annotations")?.get(name)?.as_str().map(str::to_owned);
        let namespace = text(object, "/metadata/namespace");
        if let Some(app) = ownership::app(&labels) {
            return Self::Podid(app);
        }
        // AKS puts the first on its own pods, the second is what its add-on manager reconciles by
        if label("kubernetes.azure.com/managedby").as_deref() == Some("aks") || label("addonmanager.kubernetes.io/mode").is_some() {
            return Self::Aks;
        }
        // `APP:GROUP/KIND:NAMESPACE/NAME`
        let tracked = || annotation("argocd.argoproj.io/tracking-id").map(|id| id.split(':').next().unwrap_or_default().to_owned());
        if let Some(application) = label("argocd.argoproj.io/instance").or_else(tracked) {
            return Self::GitOps { controller: "Argo CD".into(), application };
        }
        for controller in ["helm", "kustomize"] {
            if let Some(application) = label(&format!("{controller}.toolkit.fluxcd.io/name")) {
                return Self::GitOps { controller: "Flux".into(), application };
            }
        }
        if label("app.kubernetes.io/managed-by").as_deref() == Some("Helm") {
            let name = annotation("meta.helm.sh/release-name").or_else(|| label("app.kubernetes.io/instance")).unwrap_or_default();
            let within = annotation("meta.helm.sh/release-namespace").unwrap_or_else(|| namespace.to_owned());
            return Self::Helm { release: format!("{within}/{name}"), chart: label("helm.sh/chart").or_else(|| label("chart")) };
        }
        Self::Unknown { namespace: namespace.to_owned() }
    }

    /// The way of installing as `--via` has it. None: none of them.
    pub fn via(&self) -> Option<&'static str> {
        match self {
            Self::Podid(_) => Some("manifests"),
            Self::Aks => Some("addon"),
            Self::Helm { .. } => Some("helm"),
            Self::GitOps { .. } | Self::Unknown { .. } => None,
        }
    }

    /// How it is removed by whoever installed it.
    pub fn way_to_remove(&self) -> String {
        match self {
            Self::Podid(app) => format!("`podid cluster uninstall COMPONENT --app {app}`"),
            Self::Aks => "`podid cluster uninstall COMPONENT`, or `az aks disable-addons`".to_owned(),
            Self::Helm { release, .. } => {
                let (namespace, name) = release.split_once('/').unwrap_or(("NAMESPACE", release));
                format!("`helm uninstall {name} -n {namespace}`")
            }
            Self::GitOps { controller, application } => format!("remove {application} from what {controller} applies"),
            Self::Unknown { namespace } => format!("`kubectl delete` its workloads in namespace {namespace}"),
        }
    }
}

impl fmt::Display for Installer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Podid(app) => write!(f, "podid (app {app})"),
            Self::Aks => f.write_str("AKS"),
            Self::Helm { release, chart: Some(chart) } => write!(f, "Helm (release {release}, chart {chart})"),
            Self::Helm { release, chart: None } => write!(f, "Helm (release {release})"),
            Self::GitOps { controller, application } => write!(f, "{controller} ({application})"),
            Self::Unknown { namespace } => write!(f, "somebody without a mark, in namespace {namespace}"),
        }
    }
}

/// A workload that runs one program of a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Running {
    pub program: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub image: String,
    pub installer: Installer,
    pub wanted: i64,
    pub ready: i64,
}

impl Running {
    /// The version of its image: the tag, or the digest for want of one.
    pub fn version(&self) -> &str {
        version(&self.image)
    }
}

/// `v1.8.17` of `mcr.microsoft.com/…/nmi:v1.8.17`, or the digest.
pub fn version(image: &str) -> &str {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once(':').map(|(_, tag)| tag).or(digest).unwrap_or("latest")
}

fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let from = name.rfind('/').map_or(0, |at| at + 1);
    name[from..].find(':').map_or(name, |at| &name[..from + at])
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The kinds of workloads that run components.
pub fn kinds() -> [Api; 2] {
    [Api::new("apps", "v1", "DaemonSet", "daemonsets"), Api::new("apps", "v1", "Deployment", "deployments")]
}

/// Lists the workloads that the signs fit, in all namespaces: two requests for any number of signs and components, since a pass caches lists.
pub async fn running(cluster: &cluster::Read, signs: &[Sign]) -> Result<Vec<Running>, cluster::Error> {
    let [daemons, deployments] = kinds();
    let (daemons, deployments) = futures::try_join!(cluster.list(&daemons, None, None), cluster.list(&deployments, None, None))?;
    Ok(daemons.iter().chain(&deployments).flat_map(|object| of(object, signs)).collect())
}

/// The programs of the signs that a workload runs.
pub fn of(object: &Value, signs: &[Sign]) -> Vec<Running> {
    let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let mut found: Vec<Running> = Vec::new();
    for image in containers.map(|container| text(container, "/image")) {
        let fits = |sign: &&Sign| sign.images.iter().any(|end| ends_with(repository(image), end));
        let Some(sign) = signs.iter().find(fits) else { continue };
        let is_daemon_set = text(object, "/kind") == "DaemonSet";
        let (wanted, ready) = if is_daemon_set {
            (number(object, "/status/desiredNumberScheduled"), number(object, "/status/numberAvailable"))
        } else {
            let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            (wanted, number(object, "/status/availableReplicas"))
        };
        found.push(Running {
            program: sign.program.clone(),
            kind: text(object, "/kind").to_owned(),
            namespace: text(object, "/metadata/namespace").to_owned(),
            name: text(object, "/metadata/name").to_owned(),
            image: image.to_owned(),
            installer: Installer::of(object),
            wanted,
            ready,
        });
    }
    found
}

/// The container of a pod that runs a program.
pub fn container<'a>(pod: &'a Value, sign: &Sign) -> Option<&'a str> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let fits = |container: &&Value| sign.images.iter().any(|end| ends_with(repository(text(container, "/image")), end));
    containers.into_iter().find(fits).map(|container| text(container, "/name"))
}

fn ends_with(repository: &str, end: &str) -> bool {
    repository == end || repository.strip_suffix(end).is_some_and(|before| before.ends_with('/'))
}

/// Two installers of one program, which would fight for its socket or its port.
pub fn rivals(all: &[Running]) -> Option<(&str, BTreeSet<&Installer>)> {
    all.iter().find_map(|one| {
        let installers: BTreeSet<&Installer> = all.iter().filter(|other| other.program == one.program).map(|r| &r.installer).collect();
        (installers.len() > 1).then_some((one.program.as_str(), installers))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workload(kind: &str, image: &str, metadata: Value) -> Value {
        json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
            "spec": { "replicas": 2, "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } },
            "status": { "desiredNumberScheduled": 3, "numberAvailable": 1, "availableReplicas": 2 } })
    }

    fn signs() -> Vec<Sign> {
        vec![Sign::new("nmi", &["aad-pod-identity/nmi"]), Sign::new("mic", &["aad-pod-identity/mic"])]
    }

    #[test]
    fn a_program_is_recognised_by_the_end_of_its_image_also_in_a_mirror() {
        let of = |image: &str| of(&workload("DaemonSet", image, json!({ "namespace": "x", "name": "y" })), &signs());
        let found = of("registry.local:5000/mirror/aad-pod-identity/nmi:v1.8.17");
        assert_eq!((found[0].program.as_str(), found[0].version(), found[0].wanted, found[0].ready), ("nmi", "v1.8.17", 3, 1));
        assert_eq!(of("aad-pod-identity/nmi@sha256:aa")[0].version(), "sha256:aa");
        assert_eq!(of("a/aad-pod-identity/nmi:v1@sha256:aa")[0].version(), "v1");
        assert!(of("example.com/my-aad-pod-identity/nmi:v1").is_empty(), "another name that only ends alike");
        assert!(of("example.com/nmi:v1").is_empty());
    }

    #[test]
    fn the_installer_is_told_by_labels_and_annotations() {
        let installer = |metadata: Value| Installer::of(&workload("Deployment", "i", metadata));
        let helm =
            installer(json!({ "namespace": "kube-system", "labels": { "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "c-1" },
            "annotations": { "meta.helm.sh/release-name": "csi", "meta.helm.sh/release-namespace": "kube-system" } }));
        assert_eq!(helm.to_string(), "Helm (release kube-system/csi, chart c-1)");
        assert_eq!((helm.via(), helm.way_to_remove().as_str()), (Some("helm"), "`helm uninstall csi -n kube-system`"));
        assert_eq!(installer(json!({ "labels": { "kubernetes.azure.com/managedby": "aks" } })), Installer::Aks);
        let podid = installer(json!({ "labels": { "managed-by": "podid", "podid-app": "shop" } }));
        assert_eq!(podid, Installer::Podid("shop".into()));
        let argo = installer(json!({ "labels": { "argocd.argoproj.io/instance": "infra", "app.kubernetes.io/managed-by": "Helm" } }));
        assert_eq!(argo.to_string(), "Argo CD (infra)", "who applies a chart's output counts, not the chart");
        assert_eq!(installer(json!({ "namespace": "default" })).via(), None);
    }

    #[test]
    fn two_installers_of_one_program_are_rivals_and_two_workloads_of_one_installer_are_not() {
        let helm = json!({ "namespace": "a", "labels": { "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "r" } });
        let one = workload("DaemonSet", "aad-pod-identity/nmi:v1", helm.clone());
        let same = workload("DaemonSet", "aad-pod-identity/nmi:v1", helm);
        let other = workload("DaemonSet", "aad-pod-identity/nmi:v1", json!({ "namespace": "b" }));
        let all = |objects: &[&Value]| objects.iter().flat_map(|object| of(object, &signs())).collect::<Vec<_>>();
        assert!(rivals(&all(&[&one, &same])).is_none());
        let all = all(&[&one, &other]);
        let (program, installers) = rivals(&all).unwrap();
        assert_eq!((program, installers.len()), ("nmi", 2));
    }
}
