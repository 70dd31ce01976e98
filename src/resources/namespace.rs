//! A namespace. Shared: one that is there is used as it is; one that podid made goes only while nothing else is in it.

use super::{
    manifest::{self, Actual},
    ownership,
    world::{Cloud, Lies, Reader, Writer},
};
use crate::{
    cluster::{Api, At},
    engine::{
        desired::Intent,
        fault::Fault,
        input::Outputs,
        key::Key,
        resource::{Around, Diff, Kind, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
pub struct Namespace {
    pub lies: Lies,
    pub name: String,
}

pub fn key(cluster: &str, name: &str) -> Key {
    Key::of("namespace", [cluster, name])
}

impl Namespace {
    fn at(&self) -> At {
        manifest::at(&Api::new("", "v1", "Namespace", "namespaces"), None, &self.name)
    }

    /// What people put into a namespace and would miss; what the cluster itself puts there is not looked at.
    async fn foreign(&self, app: &str, reader: &Reader) -> Result<Vec<String>, Fault> {
        let cluster = reader.cluster(&self.lies).await?;
        let kinds = [
            Api::new("", "v1", "Pod", "pods"),
            Api::new("apps", "v1", "Deployment", "deployments"),
            Api::new("", "v1", "Secret", "secrets"),
            Api::new("", "v1", "ConfigMap", "configmaps"),
        ];
        let mut foreign = Vec::new();
        for api in kinds {
            for object in cluster.list(&api, Some(&self.name), None).await.map_err(Fault::cloud)? {
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                let own = name == "kube-root-ca.crt"
                    || object.pointer("/metadata/ownerReferences").is_some()
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

impl Kind<Cloud> for Namespace {
    const KIND: &'static str = "namespace";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.lies.cluster.clone())
    }
    async fn observe(&self, around: Around<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let at = self.at();
        let found =
            manifest::observe(&self.lies, &at, around, reader, |mine| Ok(manifest::manifest(&at, around.app, mine, &[], None))).await?;
        let Some(mut actual) = found else { return Ok(None) };
        if around.intent == Intent::Absent && around.mine(manifest::owner(around, &actual)) {
            actual.foreign = self.foreign(around.app, reader).await?;
        }
        Ok(Some(actual))
    }
    fn diff(&self, around: Around<'_>, actual: &Actual) -> Diff {
        manifest::diff(around, actual)
    }
    fn owner(&self, around: Around<'_>, actual: &Actual) -> Owner {
        manifest::owner(around, actual)
    }
    fn same(&self, recorded: &Outputs, actual: &Actual) -> bool {
        manifest::same(recorded, actual)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        manifest::publish(actual)
    }
    fn holds(&self, actual: &Actual) -> Option<String> {
        let first = actual.foreign.first()?;
        let more = actual.foreign.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!("it holds what podid did not make: {first}{more}"))
    }
    fn missing(&self) -> (String, String) {
        (
            format!("the namespace {} does not exist in the cluster {}", self.name, self.lies.cluster),
            format!("Create it (`kubectl create namespace {}`), or bind an identity there first: `podid bind`.", self.name),
        )
    }
    async fn put(&self, around: Around<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let at = self.at();
        let wanted = manifest::manifest(&at, around.app, around.ours == Some(true), &[], None);
        manifest::put(&self.lies, &at, around, before.as_ref(), writer, wanted).await
    }
    async fn remove(&self, _: Around<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        manifest::remove(&self.lies, &self.at(), &before, writer).await
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("kubectl create namespace {}", self.name)]
    }
}
