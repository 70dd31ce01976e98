//! A namespace. Shared: one that is there is used as it is; one that podid made goes only while nothing else is in it.

use super::{
    manifest::{self, Actual, Place},
    ownership,
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    cluster::{self, Api, ObjectRef},
    engine::{
        desired::Intent,
        fault::Fault,
        input::Outputs,
        key::Key,
        resource::{Diff, Kind, NodeContext, Owner, Side},
    },
};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
pub struct Namespace {
    #[serde(alias = "lies")]
    pub target: ClusterTarget,
    pub name: String,
}

/// What people put into a namespace and would miss: group, version, kind, plural.
pub(super) const CONTENT: [(&str, &str, &str, &str); 13] = [
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
];

pub fn key(cluster: &str, name: &str) -> Key {
    Key::of("namespace", [cluster, name])
}

pub(super) fn at(name: &str) -> ObjectRef {
    manifest::at(&Api::new("", "v1", "Namespace", "namespaces"), None, name)
}

impl Namespace {
    /// Others have labels of their own on it.
    pub(super) fn site(&self) -> Place {
        Place { target: self.target.clone(), at: at(&self.name), shared: true }
    }

    pub(super) fn manifest(&self, app: &str, mine: bool) -> Value {
        manifest::manifest(&at(&self.name), app, mine, &[], None)
    }

    /// What is in it that podid did not make; what the cluster itself puts there is not looked at.
    async fn foreign(&self, app: &str, reader: &Reader) -> Result<Vec<String>, Fault> {
        let cluster = reader.cluster(&self.target).await?;
        let kinds = CONTENT.map(|(group, version, kind, plural)| Api::new(group, version, kind, plural));
        let listed = join_all(kinds.iter().map(|api| cluster.list(api, Some(&self.name), None))).await;
        let mut foreign = Vec::new();
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
        Some(format!("{}/{}", self.target.name.to_ascii_lowercase(), self.name))
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let found = manifest::observe(&self.site(), context, reader, |mine| Ok(self.manifest(context.app, mine))).await?;
        let Some(mut actual) = found else { return Ok(None) };
        if context.intent == Intent::Absent && context.mine(manifest::owner(context, &actual)) {
            actual.foreign = self.foreign(context.app, reader).await?;
        }
        Ok(Some(actual))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        manifest::diff(context, actual)
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        manifest::owner(context, actual)
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        manifest::same(recorded, actual)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        manifest::publish(actual)
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        manifest::change_note(actual)
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        let first = actual.foreign.first()?;
        let more = actual.foreign.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        Some(format!("it holds what podid did not make: {first}{more}"))
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the namespace {} does not exist in the cluster {}", self.name, self.target.name),
            format!(
                "Create it (`kubectl create namespace {}`), or bind an identity there first: `podid bind --namespace {}`.",
                self.name, self.name
            ),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let wanted = self.manifest(context.app, context.ours == Some(true));
        manifest::put(&self.site(), context, before.as_ref(), writer, wanted).await
    }
    async fn remove(&self, _: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        manifest::remove(&self.site(), &before, writer).await
    }
    async fn hand_over(&self, context: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        manifest::hand_over(&self.site(), writer, &self.manifest(context.app, true)).await
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("kubectl create namespace {}", self.name)]
    }
}
