//! A managed cluster that must be there: podid reads which principal the node components act as, and where the nodes are.

use super::{
    kind::{AzureRole, HintScope, Resource},
    read_only::{ReadOnly, read_only},
    roles,
    world::Reader,
};
use crate::{
    azure::{self, ArmId, id::CLUSTER},
    engine::{
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ArmId,
    pub context: String,
    /// Object id of its service principal, where the user gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
}

/// What was read, and the principal that MIC acts as.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    #[serde(flatten)]
    pub cluster: azure::Cluster,
    /// Kubelet identity, or the service principal (azure.md: "principal matrix" of the role-assignment page of aad-pod-identity).
    pub principal_id: Option<String>,
}

/// The principal that MIC acts as in standard mode.
pub const PRINCIPAL_ID: Field<String> = Field::new("principal_id");
/// Id of the node resource group.
pub const NODE_GROUP: Field<String> = Field::new("node_group");
/// URL of the issuer of its service account tokens, where it has one.
pub const OIDC_ISSUER: Field<String> = Field::new("oidc_issuer");
pub const HOSTS: Field<Vec<String>> = Field::new("hosts");

pub fn key(name: &str) -> Key {
    Key::of("cluster", [name])
}

/// The lane of all writes to a cluster's document.
pub fn lane(id: &ArmId) -> String {
    format!("cluster {}", id.folded())
}

/// Why the run cannot go on without a cluster, and the way out.
pub fn not_found(id: &ArmId) -> (String, String) {
    (
        format!("the cluster {} does not exist in resource group {}", id.name(), id.group_name().unwrap_or("?")),
        "Name the managed cluster with `--cluster NAME` (or its full id), or `cluster:` in the spec; `az aks list -o table` shows them."
            .into(),
    )
}

impl ReadOnly for Cluster {
    const KIND: &'static str = "cluster";
    type Actual = Actual;

    async fn read(&self, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let Some(cluster) = reader.azure.cluster(&self.id).await.map_err(Fault::cloud)? else { return Ok(None) };
        let principal_id = match (&self.principal_id, &cluster.kubelet, &cluster.service_principal_client_id) {
            (Some(given), _, _) => Some(given.clone()),
            (None, Some(kubelet), _) => Some(kubelet.object_id.clone()),
            (None, None, Some(app)) => reader.azure.service_principal(app).await.map_err(Fault::cloud)?.map(|p| p.object_id),
            (None, None, None) => None,
        };
        Ok(Some(Actual { cluster, principal_id }))
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let cluster = &actual.cluster;
        let hosts: Vec<String> = [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten().map(|h| h.to_ascii_lowercase()).collect();
        let mut outputs: Outputs = [("id".into(), json!(cluster.id)), (HOSTS.0.into(), json!(hosts))].into();
        if let Some(principal) = &actual.principal_id {
            outputs.insert(PRINCIPAL_ID.0.into(), json!(principal));
        }
        if let Some(group) = &cluster.node_resource_group {
            outputs.insert(NODE_GROUP.0.into(), json!(ArmId::group(self.id.subscription_id(), group)));
        }
        if let Some(issuer) = &cluster.oidc_issuer {
            outputs.insert(OIDC_ISSUER.0.into(), json!(issuer));
        }
        outputs
    }
    fn not_found(&self) -> (String, String) {
        not_found(&self.id)
    }
}
read_only!(Cluster);

impl Resource for Cluster {
    const ARM_TYPE: Option<&'static str> = Some(CLUSTER);

    fn missing_output(key: &Key, field: &str) -> Option<String> {
        let name = key.names();
        let hint = match field {
            _ if field == PRINCIPAL_ID.0 => {
                "Give the object id of the cluster's kubelet identity or service principal: `cluster: {principalId: ID}` in the spec."
                    .to_owned()
            }
            _ if field == OIDC_ISSUER.0 => {
                format!(
                    "Enable the issuer of the cluster: `az aks update -n {name} -g GROUP --enable-oidc-issuer`, then run the command again."
                )
            }
            _ if field == NODE_GROUP.0 => {
                format!(
                    "Look at the state of the cluster, which may still be created: `az aks show -n {name} -g GROUP --query provisioningState`."
                )
            }
            _ => return None,
        };
        Some(hint)
    }
    const ROLES: &'static [AzureRole] = &[
        // the nodes
        AzureRole { actions: "Microsoft.Compute/", reads: false, role: roles::VIRTUAL_MACHINE_CONTRIBUTOR, scope: HintScope::Group },
    ];
}
