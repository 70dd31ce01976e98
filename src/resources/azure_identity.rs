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
    /// Whether bindings of other namespaces may lead to it, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts_everywhere: bool,
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

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
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
        let annotations: &[_] = if self.counts_everywhere { &[] } else { &[NAMESPACED] };
        Ok(manifest::manifest(&at(&self.namespace, &self.name), app, mine, annotations, Some(serde_json::to_value(spec)?)))
    }
    /// MIC reads ids of resources without regard to case, and takes a missing type as 0 (a managed identity). NMI compares client ids
    /// exactly.
    fn serves(&self, live: &Value) -> bool {
        let is_type = live.pointer("/spec/type").is_none_or(|kind| *kind == json!(0));
        let known = |input: &Input<String>| input.known().map(String::as_str).unwrap_or_default().to_owned();
        let (id, client_id) = (text(live, "/spec/resourceID"), text(live, "/spec/clientID"));
        let is_same = known(&self.resource_id).eq_ignore_ascii_case(id) && known(&self.client_id) == client_id && !id.is_empty();
        is_type && is_same && (self.counts_everywhere || is_namespaced(live))
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
