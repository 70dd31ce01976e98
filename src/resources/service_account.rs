//! A service account with the annotations that Workload ID reads. Others may own the account, such as a chart: podid then sets only its
//! annotations and takes only these back.

use super::{
    access::{Access, Right},
    manifest,
    manifested::{Fields, Listing, Manifested, access_to_objects},
    world::ClusterTarget,
};
use crate::{
    cluster::{Api, ObjectRef},
    engine::{
        fault::Fault,
        input::{DependsOn, Input},
        key::Key,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The client id of the identity: <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
pub const CLIENT_ID: &str = "azure.workload.identity/client-id";

#[derive(Debug, Serialize, Deserialize)]
pub struct ServiceAccount {
    pub target: ClusterTarget,
    pub namespace: String,
    pub name: String,
    /// Always the client id itself: the webhook takes no other id.
    pub client_id: Input<String>,
    /// Whether somebody else makes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_exist: bool,
    pub within: DependsOn,
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("serviceaccount", [cluster, namespace, name])
}

pub fn at(namespace: &str, name: &str) -> ObjectRef {
    manifest::at(&ServiceAccount::api(), Some(namespace), name)
}

/// The client id that a service account names.
pub fn client_id(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations")?.get(CLIENT_ID)?.as_str()
}

impl Manifested for ServiceAccount {
    const KIND: &'static str = "serviceaccount";
    const FIELDS: Fields = Fields::Shared;
    const LISTING: Listing = Listing::Marked;
    /// Every namespace has one of its own.
    const IS_CONTENT: bool = false;

    fn api() -> Api {
        Api::new("", "v1", "ServiceAccount", "serviceaccounts")
    }
    fn target(&self) -> &ClusterTarget {
        &self.target
    }
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn must_exist(&self) -> bool {
        self.must_exist
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let annotations = [(CLIENT_ID, self.client_id.get()?.as_str())];
        Ok(manifest::manifest(&at(&self.namespace, &self.name), app, mine, &annotations, None))
    }
    fn access(access: Access) -> Vec<Right> {
        access_to_objects::<Self>(access)
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("clientID", json!(self.client_id))]
    }
    fn not_found(&self) -> (String, String) {
        let Self { namespace, name, .. } = self;
        (
            format!("the service account {name} does not exist in the namespace {namespace}"),
            "Install what brings it first, or let podid create it: `serviceAccount: {create: true}` in the spec, `--create-service-account true` of `podid bind`.".to_owned(),
        )
    }
    fn command(&self) -> String {
        let Self { namespace, name, .. } = self;
        let id = self.client_id.known().map_or("CLIENT-ID", String::as_str);
        format!(
            "kubectl create serviceaccount {name} -n {namespace} && kubectl annotate serviceaccount {name} -n {namespace} {CLIENT_ID}={id}"
        )
    }
}
