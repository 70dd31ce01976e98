//! Managed clusters and the scale sets of their nodes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Clone, Serialize, Deserialize)]
pub struct Cluster {
    pub name: String,
    pub group: String,
    pub location: String,
    pub node_group: String,
    pub scale_set: String,
    pub fqdn: String,
    pub dns_prefix: String,
    pub version: String,
    /// The principal of the control plane; None on a cluster with a service principal.
    pub principal_id: Option<String>,
    /// The key of the kubelet's identity.
    pub kubelet: Option<String>,
    /// `msi`, or the client id of the service principal.
    pub client_id: String,
    pub oidc_issuer: Option<String>,
    /// The original values of a cluster that an external one stands in for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OriginalCluster>,
    /// The requested `properties`; empty for the clusters of a new world.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub asked: Map<String, Value>,
    /// The day (`2024-06-01`) whose AKS defaults the cluster has; None means today's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Ids of the user-assigned identities of the control plane.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// The operation that creates or updates the cluster, and the provisioning state during it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changing: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verb: String,
    /// The operation that deletes the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<String>,
}

impl Cluster {
    /// Returns the network plugin. Only a cluster that was created by a request has requested pools.
    pub fn network_plugin(&self) -> &'static str {
        let made = self.asked.contains_key("agentPoolProfiles");
        let azure = self.asked.get("networkProfile").map_or(!made, |network| network["networkPlugin"] == "azure");
        if azure { "azure" } else { "kubenet" }
    }

    /// Returns the requested version, or the minor version if none was requested.
    pub fn asked_version(&self) -> String {
        match self.asked.get("kubernetesVersion").and_then(Value::as_str) {
            Some(version) => version.to_owned(),
            None => self.version.rsplit_once('.').map_or(self.version.as_str(), |(minor, _)| minor).to_owned(),
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OriginalCluster {
    pub fqdn: String,
    pub version: String,
    pub node_group: String,
    pub scale_set: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<String>,
}

/// An identity binding of a cluster.
#[derive(Clone, Serialize, Deserialize)]
pub struct IdentityBinding {
    pub name: String,
    /// In the casing of the request.
    pub resource_id: String,
    pub client_id: String,
    pub principal_id: String,
    /// The operation that creates the binding, and the one that deletes it.
    pub creating: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct ScaleSet {
    pub name: String,
    pub group: String,
    pub location: String,
    pub tags: BTreeMap<String, String>,
    pub capacity: u32,
    pub unique_id: String,
    /// The principal of the system-assigned identity, if there is one.
    pub principal_id: Option<String>,
    /// The operation that last changed or deletes the set, finished or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(default)]
    pub deleting: bool,
    /// By lower-case identity id, with the identity as it was when it was assigned.
    pub identities: BTreeMap<String, Assigned>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Assigned {
    /// In the casing of the request.
    pub id: String,
    pub client_id: String,
    pub principal_id: String,
}
