//! AzureIdentity (aadpodidentity.k8s.io/v1): which managed identity pods may get. Field casing as the CRD has it since v1.6:
//! other casing is pruned without a word.

use super::{
    access::{Access, Reach, Right},
    manifest,
    manifested::{Listing, Manifested, access_to_objects},
    world::ClusterTarget,
};
use crate::{
    cluster::{Api, ObjectRef},
    crds,
    engine::{
        fault::Fault,
        input::{DependsOn, Input},
        key::Key,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct AzureIdentity {
    #[serde(alias = "lies")]
    pub target: ClusterTarget,
    pub namespace: String,
    pub name: String,
    /// Exactly as ARM answers it.
    pub resource_id: Input<String>,
    /// NMI compares it with the request's `client_id` byte by byte.
    pub client_id: Input<String>,
    pub within: DependsOn,
    /// The components that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

/// Without it a binding of any namespace with the same selector gets the identity (aad-pod-identity, "namespaced").
pub const NAMESPACED: (&str, &str) = ("aadpodidentity.k8s.io/Behavior", "namespaced");

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("azureidentity", [cluster, namespace, name])
}

pub fn at(namespace: &str, name: &str) -> ObjectRef {
    manifest::at(&AzureIdentity::api(), Some(namespace), name)
}

/// Whether only bindings of its own namespace get it.
pub fn is_namespaced(object: &Value) -> bool {
    let (name, wanted) = NAMESPACED;
    let behavior = object.pointer("/metadata/annotations").and_then(|all| all.get(name)).and_then(Value::as_str);
    behavior.is_some_and(|behavior| behavior.eq_ignore_ascii_case(wanted))
}

impl Manifested for AzureIdentity {
    const KIND: &'static str = "azureidentity";
    /// Bindings refer to AzureIdentities that somebody else made.
    const LISTING: Listing = Listing::All;

    fn api() -> Api {
        Api::new("aadpodidentity.k8s.io", "v1", "AzureIdentity", "azureidentities")
    }
    fn target(&self) -> &ClusterTarget {
        &self.target
    }
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
    fn after(&self) -> &[DependsOn] {
        &self.after
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let spec = crds::AzureIdentitySpec {
            of_type: Some(0),
            resource_id: Some(self.resource_id.get()?.clone()),
            client_id: Some(self.client_id.get()?.clone()),
            ..crds::AzureIdentitySpec::default()
        };
        Ok(manifest::manifest(&at(&self.namespace, &self.name), app, mine, &[NAMESPACED], Some(serde_json::to_value(spec)?)))
    }
    fn access(access: Access) -> Vec<Right> {
        let mut rights = access_to_objects::<Self>(access);
        if access == Access::Write {
            let list = Right::new("aadpodidentity.k8s.io", "azureidentities", &["list"], Reach::Everywhere);
            rights.push(list.optional("the plan does not warn of an identity that pods of other namespaces get too"));
        }
        rights
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("resourceID", json!(self.resource_id)), ("clientID", json!(self.client_id))]
    }
}
