//! AzureIdentityBinding (aadpodidentity.k8s.io/v1): pods with the label `aadpodidbinding: SELECTOR` get the AzureIdentity of that name.

use super::{
    manifest::{self, Manifested},
    world::Lies,
};
use crate::{
    cluster::{self, Api, At},
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

/// A binding, and the identity that it leads to as far as that is known.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    pub namespace: &'a str,
    pub binding: &'a str,
    pub selector: &'a str,
    pub azure_identity: &'a str,
    pub resource_id: Option<&'a str>,
    pub client_id: Option<&'a str>,
}

/// Another binding with the same selector that leads to another identity: a pod gets both, and cannot choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    pub namespace: String,
    pub binding: String,
    /// The AzureIdentity.
    pub identity: String,
    pub client_id: Option<String>,
}

impl Rival {
    pub fn warning(&self, selector: &str) -> String {
        let Self { namespace, binding, identity, .. } = self;
        format!(
            "the binding {namespace}/{binding} has the selector {selector} too and leads to another identity, {identity}: a pod with this label gets both, and the CSI driver reads with either of them"
        )
    }
}

/// The bindings of the cluster; where the login may only look into the namespace, those of the namespace.
pub async fn all(cluster: &cluster::Read, namespace: &str) -> Vec<Value> {
    match cluster.list(&api(), None, None).await {
        Ok(bindings) => bindings,
        Err(cluster::Error::Forbidden { .. }) => cluster.list(&api(), Some(namespace), None).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The bindings by which pods of `own` get a second identity. What this login may not see is left out.
pub async fn rivals(cluster: &cluster::Read, own: &Own<'_>) -> Vec<Rival> {
    let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut rivals = Vec::new();
    for binding in all(cluster, own.namespace).await {
        let (namespace, name) = (text(&binding, "/metadata/namespace"), text(&binding, "/metadata/name"));
        let identity = text(&binding, "/spec/azureIdentity");
        let itself = namespace == own.namespace && (name == own.binding || identity == own.azure_identity);
        if itself || text(&binding, "/spec/selector") != own.selector {
            continue;
        }
        let found = match cluster.get(&super::azure_identity::at(&namespace, &identity)).await {
            // MIC passes over a binding whose AzureIdentity is not there
            Ok(None) => continue,
            Ok(Some(found)) => found,
            Err(_) => Value::Null,
        };
        let (resource_id, client_id) = (text(&found, "/spec/resourceID"), text(&found, "/spec/clientID"));
        let equal = |one: &str, other: Option<&str>| !one.is_empty() && other.is_some_and(|other| other.eq_ignore_ascii_case(one));
        let same = equal(&resource_id, own.resource_id) || equal(&client_id, own.client_id);
        let elsewhere = namespace != own.namespace && (found.is_null() || super::azure_identity::is_namespaced(&found));
        if !same && !elsewhere {
            rivals.push(Rival { namespace, binding: name, identity, client_id: Some(client_id).filter(|id| !id.is_empty()) });
        }
    }
    rivals
}
