//! A namespace. Shared: one that is there is used as it is; one that podid made goes only while nothing else is in it.

use super::{
    manifest::{self, Actual},
    ownership,
    world::{Cloud, Lies, Reader, Writer},
};
use crate::{
    cluster::{self, Api, At},
    engine::{
        desired::Intent,
        fault::Fault,
        input::Outputs,
        key::Key,
        resource::{Around, Diff, Kind, Owner, Side},
    },
};
use futures::future::join_all;
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
            ("aadpodidentity.k8s.io", "v1", "AzureIdentity", "azureidentities"),
            ("aadpodidentity.k8s.io", "v1", "AzureIdentityBinding", "azureidentitybindings"),
            ("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", "secretproviderclasses"),
        ]
        .map(|(group, version, kind, plural)| Api::new(group, version, kind, plural));
        let listed = join_all(kinds.iter().map(|api| cluster.list(api, Some(&self.name), None))).await;
        let mut foreign = Vec::new();
        for (api, listed) in kinds.iter().zip(listed) {
            let listed = match listed {
                // there is nothing of a kind that the cluster does not know
                Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => continue,
                // what may not be seen may be there
                Err(cluster::Error::Forbidden { resource, .. }) => {
                    foreign.push(format!("{resource}, perhaps, which may not be listed"));
                    continue;
                }
                other => other.map_err(Fault::cloud)?,
            };
            for object in listed {
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
