//! AzureIdentityBinding (aadpodidentity.k8s.io/v1): pods with the label `aadpodidbinding: SELECTOR` get the AzureIdentity of that name.

use super::{
    manifest::{self, Manifested},
    world::Lies,
};
use crate::{
    cluster::{Api, At},
    crds,
    engine::{fault::Fault, input::After, key::Key},
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

impl Manifested for AzureIdentityBinding {
    const KIND: &'static str = "azureidentitybinding";

    fn lies(&self) -> &Lies {
        &self.lies
    }
    fn at(&self) -> At {
        manifest::at(&api(), Some(&self.namespace), &self.name)
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let spec = crds::AzureIdentityBindingSpec {
            azure_identity: Some(self.azure_identity.clone()),
            selector: Some(self.selector.clone()),
            ..crds::AzureIdentityBindingSpec::default()
        };
        Ok(manifest::manifest(&self.at(), app, mine, &[super::azure_identity::NAMESPACED], Some(serde_json::to_value(spec)?)))
    }
    fn summary(&self) -> Vec<(&'static str, Value)> {
        vec![("azureIdentity", json!(self.azure_identity)), ("selector", json!(self.selector))]
    }
}
