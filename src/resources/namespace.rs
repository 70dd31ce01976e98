//! A namespace. Others share it: one that exists is used as it is; one that podid made is deleted only while nothing else is in it.

use super::{
    access::{Access, NAMESPACE_STAYS, Reach, Right, WRITE},
    apply::is_of_the_cluster,
    manifest::{self, Place},
    manifested::{Fields, Listing, Manifested},
    ownership,
    world::{ClusterTarget, Reader},
};
use crate::{
    cluster::{self, Api},
    engine::{fault::Fault, key::Key, resource::Owner},
    helm,
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

pub use super::apply::is_in_every_cluster;

#[derive(Debug, Serialize, Deserialize)]
pub struct Namespace {
    #[serde(alias = "lies")]
    pub target: ClusterTarget,
    pub name: String,
}

/// What people put into a namespace and would miss, beside podid's own kinds (`Resource::content`): group, version, kind, plural.
const CONTENT: [(&str, &str, &str, &str); 10] = [
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Secret", "secrets"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Service", "services"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("batch", "v1", "Job", "jobs"),
    ("batch", "v1", "CronJob", "cronjobs"),
];

/// The annotation with which helm marks what it installed (helm pkg/action/validate.go).
const OF_RELEASE: &str = "meta.helm.sh/release-name";

/// The app's own helm releases, which are uninstalled before the namespace is deleted.
fn releases(app: &str, kinds: &[Api], listed: &[Result<Vec<Value>, cluster::Error>]) -> BTreeSet<String> {
    let secrets = kinds.iter().zip(listed).filter(|(api, _)| api.kind == "Secret").filter_map(|(_, listed)| listed.as_ref().ok()).flatten();
    let stored = secrets.filter(|secret| secret["type"] == helm::SECRET_TYPE);
    let ours = stored.filter(|secret| ownership::owner(app, &manifest::labels(secret)) == Owner::Ours);
    ours.filter_map(|secret| secret["metadata"]["labels"]["name"].as_str().map(str::to_owned)).collect()
}

pub fn key(cluster: &str, name: &str) -> Key {
    Key::of("namespace", [cluster, name])
}

impl Namespace {
    /// What is in it that podid did not make, whether or not podid would delete the namespace.
    pub async fn content_of_others(&self, app: &str, reader: &Reader) -> Result<Vec<String>, Fault> {
        let cluster = reader.cluster(&self.target).await?;
        let built_in = CONTENT.iter().map(|(group, version, kind, plural)| Api::new(group, version, kind, plural));
        let kinds: Vec<Api> = built_in.chain(reader.content.iter().cloned()).collect();
        let listed = join_all(kinds.iter().map(|api| cluster.list(api, Some(&self.name), None))).await;
        let mut foreign = Vec::new();
        let releases = releases(app, &kinds, &listed);
        for (api, listed) in kinds.iter().zip(listed) {
            let listed = match listed {
                // there is nothing of a kind that the cluster does not know
                Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => continue,
                // what may not be seen may be there
                Err(cluster::Error::Forbidden { verb, resource, .. }) => {
                    foreign.push(format!("{resource}, perhaps: this login may not {verb} {resource} in namespace {}", self.name));
                    continue;
                }
                other => other.map_err(Fault::cloud)?,
            };
            for object in listed {
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                let word = format!("{}/{}/{}/{name}", self.target.name, self.name, api.kind.to_lowercase());
                let own = name == "kube-root-ca.crt"
                    || reader.brought.contains(&word)
                    || object.pointer("/metadata/ownerReferences").is_some()
                    || object["metadata"]["annotations"][OF_RELEASE].as_str().is_some_and(|release| releases.contains(release))
                    || object.get("type").and_then(Value::as_str) == Some("kubernetes.io/service-account-token")
                    || ownership::owner(app, &manifest::labels(&object)) == Owner::Ours;
                if !own {
                    foreign.push(format!("{}/{name}", api.kind.to_lowercase()));
                }
            }
        }
        Ok(foreign)
    }
}

impl Manifested for Namespace {
    const KIND: &'static str = "namespace";
    const FIELDS: Fields = Fields::Shared;
    /// A namespace is found by what refers to it.
    const LISTING: Listing = Listing::None;
    const IS_CONTENT: bool = false;

    fn api() -> Api {
        manifest::namespace_api()
    }
    fn target(&self) -> &ClusterTarget {
        &self.target
    }
    fn namespace(&self) -> Option<&str> {
        None
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        Ok(manifest::manifest(&manifest::namespace_at(&self.name), app, mine, &[], None))
    }
    fn not_found(&self) -> (String, String) {
        let (name, target) = (&self.name, &self.target);
        let bind = if target.context == target.name {
            format!("`podid bind --namespace {name} --cluster {}`", target.name)
        } else {
            format!("`podid bind --namespace {name} --cluster {} --context '{}'`", target.name, target.context)
        };
        (
            format!("the namespace {name} does not exist in the cluster {}", target.name),
            format!("Create it (`kubectl create namespace {name}`), or bind an identity there first: {bind}."),
        )
    }
    /// What is in it that podid did not make, except for what the cluster itself puts there.
    async fn foreign(&self, app: &str, reader: &Reader) -> Result<Vec<String>, Fault> {
        let place = Place { target: self.target.clone(), at: manifest::namespace_at(&self.name), shared: true };
        if is_of_the_cluster(&place) {
            // it loses podid's labels and stays
            return Ok(Vec::new());
        }
        self.content_of_others(app, reader).await
    }
    fn access(access: Access) -> Vec<Right> {
        let itself = |verbs| Right::new("", "namespaces", verbs, Reach::Itself);
        let content = || CONTENT.iter().map(|(group, _, _, plural)| Right::new(group, plural, &["list"], Reach::Within));
        match access {
            // its labels are compared without asking the server
            Access::Read => vec![itself(&["get"])],
            Access::Write => vec![itself(WRITE)],
            Access::Delete => vec![itself(&["get"]), itself(&["delete"]).optional(NAMESPACE_STAYS)],
            Access::List => Vec::new(),
            Access::Content => content().map(|right| right.optional(NAMESPACE_STAYS)).collect(),
        }
    }
    fn command(&self) -> String {
        format!("kubectl create namespace {}", self.name)
    }
}
