//! AzureIdentityBinding (aadpodidentity.k8s.io/v1): pods with the label `aadpodidbinding: SELECTOR` get the AzureIdentity of that name.

use super::{
    manifest::{self, Actual},
    world::{Cloud, Lies, Reader, Writer},
};
use crate::{
    cluster::{Api, At},
    engine::{
        fault::Fault,
        input::{After, Outputs},
        key::Key,
        resource::{Around, Diff, Kind, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct AzureIdentityBinding {
    pub lies: Lies,
    pub namespace: String,
    pub name: String,
    /// Name of the AzureIdentity, in the same namespace.
    pub azure_identity: String,
    pub selector: String,
    pub within: After,
    pub identity: After,
    /// The cluster's roles, without which MIC cannot act on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<After>,
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("azureidentitybinding", [cluster, namespace, name])
}

pub fn api() -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", "AzureIdentityBinding", "azureidentitybindings")
}

impl AzureIdentityBinding {
    fn at(&self) -> At {
        manifest::at(&api(), Some(&self.namespace), &self.name)
    }
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as the other manifests, which may wait for a value")]
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let spec = json!({ "azureIdentity": self.azure_identity, "selector": self.selector });
        Ok(manifest::manifest(&self.at(), app, mine, &[super::azure_identity::NAMESPACED], Some(spec)))
    }
}

impl Kind<Cloud> for AzureIdentityBinding {
    const KIND: &'static str = "azureidentitybinding";
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
        vec![("azureIdentity", json!(self.azure_identity)), ("selector", json!(self.selector))]
    }
    async fn put(&self, around: Around<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let wanted = self.manifest(around.app, around.ours == Some(true))?;
        manifest::put(&self.lies, &self.at(), around, before.as_ref(), writer, wanted).await
    }
    async fn remove(&self, _: Around<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        manifest::remove(&self.lies, &self.at(), &before, writer).await
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("kubectl apply -n {} -f {}.yaml # AzureIdentityBinding", self.namespace, self.name)]
    }
}
