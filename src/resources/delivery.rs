//! What pods get of a vault without an object of their own in the cluster: the pod template or the app itself says it, so there is nothing to
//! write. It is kept in the state only, for proofs and for what changes pod templates; `down` forgets it.

use super::{
    kind::Resource,
    read_only::{ReadOnly, read_only},
    secret_provider_class::Object,
    world::{ClusterTarget, Reader},
};
use crate::engine::{
    fault::Fault,
    input::{DependsOn, Input, Outputs},
    key::Key,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PodSecrets {
    /// Name of the delivery.
    pub delivery: String,
    pub target: ClusterTarget,
    pub namespace: String,
    /// Name of the workload.
    pub name: String,
    /// Which bound pods get them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub vault_name: String,
    pub objects: Vec<Object>,
    /// What the pod template says of identity and vault.
    pub parameters: BTreeMap<String, Input<String>>,
    pub vault: DependsOn,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Nothing {}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("delivery", [cluster, namespace, name])
}

impl ReadOnly for PodSecrets {
    const KIND: &'static str = "delivery";
    type Actual = Nothing;

    async fn read(&self, _: &Reader) -> Result<Option<Nothing>, Fault> {
        Ok(Some(Nothing {}))
    }
    fn publish(&self, _: &Nothing) -> Outputs {
        Outputs::new()
    }
}
read_only!(PodSecrets);
impl Resource for PodSecrets {}
