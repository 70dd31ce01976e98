//! A managed cluster. podid reads which principal the node components act as, and where the nodes are; it creates one if the spec says so.
//! A cluster that exists is used as it is: what it was to be created with is not compared.

mod content;
pub mod creation;

use super::{
    kind::{AzureRole, HintScope, Listed, Resource},
    ownership, roles,
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, clusters, id::CLUSTER},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use creation::Creation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ArmId,
    pub context: String,
    /// Object id of its service principal, where the user gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// None: it must exist already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Creation>,
}

/// What was read, and the principal that MIC acts as.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    #[serde(flatten)]
    pub cluster: azure::Cluster,
    /// Kubelet identity, or the service principal (azure.md: "principal matrix" of the role-assignment page of aad-pod-identity).
    pub principal_id: Option<String>,
    /// What is in it and is not podid's. Only looked at when it is to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
}

/// The principal that MIC acts as in standard mode.
pub const PRINCIPAL_ID: Field<String> = Field::new("principal_id");
/// The principal of the control plane, by which the pod identity add-on assigns identities.
pub const CONTROL_PLANE_ID: Field<String> = Field::new("control_plane_id");
/// Id of the node resource group.
pub const NODE_GROUP: Field<String> = Field::new("node_group");
/// URL of the issuer of its service account tokens, where it has one.
pub const OIDC_ISSUER: Field<String> = Field::new("oidc_issuer");
pub const HOSTS: Field<Vec<String>> = Field::new("hosts");
const UID: &str = "uid";

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
        "Name the managed cluster with `--cluster NAME` (or its full id), or `cluster:` in the spec; `az aks list -o table` shows them. To create it, use `podid cluster create`, or `cluster.create` in the spec.".into(),
    )
}

/// Returns the host names of a cluster's API server.
pub fn hosts(cluster: &azure::Cluster) -> Vec<String> {
    [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten().map(|host| host.to_ascii_lowercase()).collect()
}

fn is(cluster: &azure::Cluster, state: &str) -> bool {
    cluster.provisioning.as_deref().is_some_and(|now| now.eq_ignore_ascii_case(state))
}

impl Cluster {
    async fn principal(&self, cluster: &azure::Cluster, read: &azure::Read) -> Result<Option<String>, Fault> {
        Ok(match (&self.principal_id, &cluster.kubelet, &cluster.service_principal_client_id) {
            (Some(given), _, _) => Some(given.clone()),
            (None, Some(kubelet), _) => Some(kubelet.object_id.clone()),
            (None, None, Some(app)) => read.service_principal(app).await.map_err(Fault::cloud)?.map(|p| p.object_id),
            (None, None, None) => None,
        })
    }

    async fn seen(&self, document: &Value, writer: &Writer) -> Result<Actual, Fault> {
        let cluster = clusters::parse(document).map_err(Fault::cloud)?;
        Ok(Actual { principal_id: self.principal(&cluster, &writer.look).await?, cluster, foreign: Vec::new() })
    }

    fn secret(&self, creation: &Creation, writer: &Writer) -> Result<Option<secrecy::SecretString>, Fault> {
        let of = |principal: &creation::ServicePrincipal| writer.values.of(&key(self.id.name()), &principal.secret);
        creation.service_principal.as_ref().map(of).transpose()
    }
}

impl Kind<Cloud> for Cluster {
    const KIND: &'static str = "cluster";
    const SIDE: Side = Side::Azure;
    const CONTAINS_DEPENDENTS: bool = true;
    type Actual = Actual;

    fn lane(&self) -> Option<String> {
        Some(lane(&self.id))
    }
    fn place(&self) -> Option<String> {
        Some(self.id.folded())
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let Some(cluster) = reader.azure.cluster(&self.id).await.map_err(Fault::cloud)? else { return Ok(None) };
        let principal_id = self.principal(&cluster, &reader.azure).await?;
        let ours = ownership::owner(context.app, &cluster.tags) == Owner::Ours;
        let mut foreign = Vec::new();
        // one that was never ready has nothing in it
        if context.intent == Intent::Absent && ours && cluster.failed.is_none() && !is(&cluster, "Creating") {
            let target =
                ClusterTarget { name: self.id.name().to_owned(), context: self.context.clone(), hosts: Input::Known(hosts(&cluster)) };
            foreign = content::foreign(context.app, &target, reader).await;
        }
        Ok(Some(Actual { cluster, principal_id, foreign }))
    }
    /// Of a cluster that podid created, an operation that is running is awaited (a killed run may have started it), and one that failed is
    /// tried again.
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        if !context.mine(self.owner(context, actual)) {
            return Diff::Same;
        }
        let cluster = &actual.cluster;
        let mut changes = Vec::new();
        if cluster.provisioning.is_some() && !is(cluster, "Succeeded") {
            changes.push(Change { field: "provisioningState".into(), from: json!(cluster.provisioning), to: json!("Succeeded") });
        }
        let wanted = ownership::marked(context.app, &cluster.tags);
        if wanted != cluster.tags {
            changes.push(Change { field: "tags".into(), from: json!(cluster.tags), to: json!(wanted) });
        }
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        ownership::owner(context.app, &actual.cluster.tags)
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        match (recorded.get(UID).and_then(Value::as_str), &actual.cluster.uid) {
            (Some(recorded), Some(uid)) => recorded == uid,
            _ => true,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let cluster = &actual.cluster;
        let mut outputs: Outputs = [("id".into(), json!(cluster.id))].into();
        let mut add = |name: &str, value: Option<Value>| outputs.extend(value.map(|value| (name.to_owned(), value)));
        // the API server of a cluster that is being created does not respond yet
        add(HOSTS.0, (!is(cluster, "Creating")).then(|| json!(hosts(cluster))));
        add(PRINCIPAL_ID.0, actual.principal_id.as_ref().map(|principal| json!(principal)));
        add(CONTROL_PLANE_ID.0, cluster.control_plane_principal_id.as_ref().map(|principal| json!(principal)));
        let node_group = cluster.node_resource_group.as_ref();
        add(NODE_GROUP.0, node_group.map(|group| json!(ArmId::group(self.id.subscription_id(), group))));
        add(OIDC_ISSUER.0, cluster.oidc_issuer.as_ref().map(|issuer| json!(issuer)));
        // what AKS chose where nobody said a size
        add("node_size", cluster.pools.first().and_then(|pool| pool.vm_size.as_ref()).map(|size| json!(size)));
        add(UID, cluster.uid.as_ref().map(|uid| json!(uid)));
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let mut all = vec![("resourceGroup", json!(self.id.group_name()))];
        all.extend(self.create.iter().flat_map(Creation::summary));
        all
    }
    fn plan_note(&self) -> Option<String> {
        self.create.as_ref().map(|_| "AKS takes 5 to 10 minutes for it".to_owned())
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let failed = |why: &String| format!("the last operation on it failed: {why}");
        actual.cluster.failed.iter().map(failed).collect()
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        let more = actual.foreign.len().saturating_sub(1);
        let more = if more > 0 { format!(", nor is what {more} more") } else { String::new() };
        let hint = format!(
            "`az aks delete -g {} -n {}` deletes it with everything in it",
            self.id.group_name().unwrap_or("GROUP"),
            self.id.name()
        );
        actual.foreign.first().map(|first| format!("{first}{more}; {hint}"))
    }
    fn not_found(&self) -> (String, String) {
        not_found(&self.id)
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let document = match (&before, &self.create) {
            (Some(_), _) => writer.azure.settle_cluster(&self.id).await.map_err(Fault::cloud)?,
            (None, Some(creation)) => {
                let secret = self.secret(creation, writer)?;
                let body = creation.body(self.id.name(), &ownership::marks(context.app), secret.as_ref())?;
                Some(writer.azure.create_cluster(&self.id, &body).await.map_err(Fault::cloud)?)
            }
            (None, None) => None,
        };
        let Some(document) = document else {
            let (reason, way_out) = not_found(&self.id);
            return Err(Fault::refused(reason, way_out));
        };
        let mut actual = self.seen(&document, writer).await?;
        let wanted = ownership::marked(context.app, &actual.cluster.tags);
        let foreign = before.is_none() && ownership::owner(context.app, &actual.cluster.tags) != Owner::Ours;
        if context.ours == Some(true) && !foreign && wanted != actual.cluster.tags {
            let document = writer.azure.tag_cluster(&self.id, &wanted).await.map_err(Fault::cloud)?;
            actual = self.seen(&document, writer).await?;
        }
        Ok(actual)
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_cluster(&self.id).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let tags = ownership::marked(context.app, &before.cluster.tags);
        writer.azure.tag_cluster(&self.id, &tags).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let (group, name) = (self.id.group_name().unwrap_or_default(), self.id.name());
        self.create.iter().map(|creation| format!("az aks create -g {group} -n {name}{}", creation.arguments())).collect()
    }
}

impl Resource for Cluster {
    const ARM_TYPE: Option<&'static str> = Some(CLUSTER);

    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let listed = |cluster: azure::Cluster| Listed { app: ownership::app(&cluster.tags), actual: json!(cluster) };
        Ok(azure.clusters(subscription).await?.into_iter().map(listed).collect())
    }
    /// podid names the context of a cluster that it creates as the cluster.
    fn made_of(listed: &Listed) -> Option<(Key, Self)> {
        let azure::Cluster { id, .. } = azure::Cluster::deserialize(&listed.actual).ok()?;
        let context = id.name().to_owned();
        Some((key(id.name()), Self { id, context, principal_id: None, create: None }))
    }

    const ROLES: &'static [AzureRole] = &[
        // the nodes
        AzureRole { actions: "Microsoft.Compute/", reads: false, role: roles::VIRTUAL_MACHINE_CONTRIBUTOR, scope: HintScope::Group },
        AzureRole {
            actions: "Microsoft.ContainerService/managedClusters/listClusterUserCredential/",
            reads: true,
            role: roles::AKS_USER,
            scope: HintScope::Group,
        },
        AzureRole {
            actions: "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/",
            reads: true,
            role: roles::AKS_ADMIN,
            scope: HintScope::Group,
        },
        AzureRole { actions: "Microsoft.ContainerService/", reads: false, role: roles::AKS_CONTRIBUTOR, scope: HintScope::Group },
    ];

    fn missing_output(key: &Key, field: &str) -> Option<String> {
        let name = key.names();
        let hint = match field {
            _ if field == PRINCIPAL_ID.0 => {
                "Give the object id of the cluster's kubelet identity or service principal: `cluster: {principalId: ID}` in the spec."
                    .to_owned()
            }
            _ if field == OIDC_ISSUER.0 => {
                format!(
                    "Enable the issuer and the webhook of the cluster: `podid cluster install workload-identity --cluster {name}`, or `components: [workload-identity]` in the spec (it restarts the API server, and AKS cannot turn an issuer off again)."
                )
            }
            _ if field == CONTROL_PLANE_ID.0 => {
                format!(
                    "The cluster has a service principal, and the pod identity add-on requires a managed identity: `az aks update -g GROUP -n {name} --enable-managed-identity`; or bind with `--mode pod-identity`."
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
}
