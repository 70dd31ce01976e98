//! AzureIdentity (aadpodidentity.k8s.io/v1): which managed identity pods may get. Field casing as the CRD has it since v1.6:
//! other casing is pruned without a word.

use super::{
    manifest::{self, Actual},
    world::{Cloud, Lies, Reader, Writer},
};
use crate::{
    cluster::{Api, At},
    engine::{
        fault::Fault,
        input::{After, Input, Outputs},
        key::Key,
        resource::{Around, Diff, Kind, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct AzureIdentity {
    pub lies: Lies,
    pub namespace: String,
    pub name: String,
    /// Exactly as ARM answers it.
    pub resource_id: Input<String>,
    /// NMI compares it with the request's `client_id` byte by byte.
    pub client_id: Input<String>,
    pub within: After,
}

/// Without it a binding of any namespace with the same selector gets the identity (aad-pod-identity, "namespaced").
pub const NAMESPACED: (&str, &str) = ("aadpodidentity.k8s.io/Behavior", "namespaced");

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("azureidentity", [cluster, namespace, name])
}

impl AzureIdentity {
    fn at(&self) -> At {
        manifest::at(&Api::new("aadpodidentity.k8s.io", "v1", "AzureIdentity", "azureidentities"), Some(&self.namespace), &self.name)
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let spec = json!({ "type": 0, "resourceID": self.resource_id.get()?, "clientID": self.client_id.get()? });
        Ok(manifest::manifest(&self.at(), app, mine, &[NAMESPACED], Some(spec)))
    }
}

impl Kind<Cloud> for AzureIdentity {
    const KIND: &'static str = "azureidentity";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.lies.cluster.clone())
    }
    async fn observe(&self, around: Around<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        manifest::observe(&self.lies, &self.at(), around, reader, |mine| self.manifest(around.app, mine)).await
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
    fn summary(&self) -> Vec<(&'static str, Value)> {
        vec![("resourceID", json!(self.resource_id)), ("clientID", json!(self.client_id))]
    }
    async fn put(&self, around: Around<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let wanted = self.manifest(around.app, around.ours == Some(true))?;
        manifest::put(&self.lies, &self.at(), around, before.as_ref(), writer, wanted).await
    }
    async fn remove(&self, _: Around<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        manifest::remove(&self.lies, &self.at(), &before, writer).await
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("kubectl apply -n {} -f {}.yaml # AzureIdentity", self.namespace, self.name)]
    }
}
