//! AzurePodIdentityException (aadpodidentity.k8s.io/v1): pods of its namespace whose token requests NMI passes on as they are. Such a pod
//! gets a token of any identity on its node (pkg/nmi/server/server.go), so the plan warns of it.

use super::{manifest, manifested::Manifested, world::ClusterTarget};
use crate::{
    cluster::Api,
    crds,
    engine::{fault::Fault, input::DependsOn, key::Key},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Serialize, Deserialize)]
pub struct Exception {
    pub target: ClusterTarget,
    pub namespace: String,
    pub name: String,
    /// A pod is excepted when any one of these labels is on it.
    pub labels: BTreeMap<String, String>,
    pub within: DependsOn,
    /// The components that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("exception", [cluster, namespace, name])
}

pub fn api() -> Api {
    Api::new("aadpodidentity.k8s.io", "v1", "AzurePodIdentityException", "azurepodidentityexceptions")
}

impl Manifested for Exception {
    const KIND: &'static str = "exception";

    fn api() -> Api {
        api()
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
    fn after(&self) -> &[DependsOn] {
        &self.after
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let spec =
            crds::AzurePodIdentityExceptionSpec { pod_labels: Some(self.labels.clone()), ..crds::AzurePodIdentityExceptionSpec::default() };
        let at = manifest::at(&Self::api(), Some(&self.namespace), &self.name);
        Ok(manifest::manifest(&at, app, mine, &[], Some(serde_json::to_value(spec)?)))
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("podLabels", json!(self.labels)),
            ("effect", json!("a pod with any one of these labels gets a token of every identity of its node")),
        ]
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the AzurePodIdentityException {}/{} does not exist", self.namespace, self.name),
            format!("Create it: `podid exception add {} -n {} --label KEY=VALUE`.", self.name, self.namespace),
        )
    }
}
