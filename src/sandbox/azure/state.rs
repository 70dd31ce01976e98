//! What there is in the sandbox's Azure. Plain values, saved as they stand; keys are folded, texts are kept as they came.
//! What changes while it runs is in a table, so that a save knows what to write.

use super::{roles::Role, roster::Assignments};
use crate::{lateness::Late, table::Table};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub type Tags = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
pub struct State {
    pub tenant: String,
    pub subscription: String,
    /// By folded name.
    pub groups: Table<Group>,
    /// By folded id.
    pub identities: Table<Identity>,
    /// Federated identity credentials, by folded id.
    #[serde(default)]
    pub federated: Table<Federated>,
    /// Folded ids of identities, one of whose credentials is being written this moment.
    #[serde(skip)]
    pub federating: BTreeSet<String>,
    /// By object id.
    pub principals: Table<Principal>,
    /// Registered applications, by object id.
    #[serde(default)]
    pub applications: Table<Application>,
    /// Object ids of the members of each group that has some, by the group's.
    #[serde(default)]
    pub members: Table<Vec<String>>,
    pub assignments: Assignments,
    /// Locks, by folded id.
    #[serde(default)]
    pub locks: Table<Lock>,
    /// Roles that were made here, by GUID.
    #[serde(default)]
    pub roles: Table<Role>,
    /// Of kinds that have no rules of their own here, by folded id.
    #[serde(default)]
    pub plain: Table<Plain>,
    /// By folded name: vault names are one space for all the world.
    pub vaults: Table<Vault>,
    pub deleted_vaults: Table<DeletedVault>,
    /// By `vault/name`, folded; those of a deleted vault stay, as its name does.
    pub secrets: Table<Secret>,
    pub deleted_secrets: Table<DeletedSecret>,
    /// By folded id.
    pub clusters: Table<Cluster>,
    pub scale_sets: Table<ScaleSet>,
    /// By folded namespace; what is not here is not known.
    pub providers: Table<Provider>,
    /// By folded `namespace/name`; those that somebody asked for.
    #[serde(default)]
    pub features: Table<Feature>,
    /// Of long-running operations: polls that are still answered with 202.
    pub operations: Table<Operation>,
    /// A grant at the data plane, as `principal|vault|kind`, and how late it still is.
    pub grants: Table<Late>,
    /// How often a name was deleted, or (`version:`) written.
    pub generations: Table<u64>,
}

/// A preview feature of a resource provider.
#[derive(Clone, Serialize, Deserialize)]
pub struct Feature {
    pub namespace: String,
    pub name: String,
    /// `NotRegistered`, `Registering`, `Registered`, `Unregistering`, `Unregistered`.
    pub state: String,
    pub registered: Option<i64>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub location: String,
    pub tags: Option<Tags>,
    pub managed_by: Option<String>,
    /// The operation that ends it: until that is over, its name is still there, and nothing in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    pub name: String,
    pub group: String,
    pub location: String,
    pub tags: Tags,
    pub client_id: String,
    pub principal_id: String,
}

/// What a principal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    #[default]
    ServicePrincipal,
    User,
    Group,
}

impl Sort {
    /// As a role assignment names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ServicePrincipal => "ServicePrincipal",
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Federated {
    pub name: String,
    pub issuer: String,
    pub subject: String,
    pub audiences: Vec<String>,
    /// Until Entra knows it.
    pub late: Late,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Principal {
    #[serde(default)]
    pub sort: Sort,
    /// What Graph was told of it beyond the rest, by the names of Graph.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Value>,
    /// Empty where there is no application.
    pub app_id: String,
    pub display_name: String,
    pub created: i64,
    /// Of a managed identity, user-assigned or a resource's own.
    pub resource_id: Option<String>,
    pub secret: Option<String>,
    pub late: Late,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Application {
    pub app_id: String,
    pub display_name: String,
    pub created: i64,
    /// What Graph was told of it beyond the rest, by the names of Graph.
    pub more: Map<String, Value>,
    pub passwords: Vec<Password>,
}

/// Holds a credential, so no Debug.
#[derive(Clone, Serialize, Deserialize)]
pub struct Password {
    pub id: String,
    pub name: Option<String>,
    pub text: String,
    pub start: i64,
    pub end: i64,
}

/// What must not be deleted, or not be changed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lock {
    pub name: String,
    /// In the casing of the request.
    pub scope: String,
    /// `CanNotDelete` or `ReadOnly`.
    pub level: String,
    pub notes: Option<String>,
}

/// A resource that is kept as it was sent.
#[derive(Clone, Serialize, Deserialize)]
pub struct Plain {
    pub id: String,
    /// Its own, without those of its parents.
    pub name: String,
    /// `Microsoft.Network/virtualNetworks/subnets`.
    pub kind: String,
    pub group: String,
    pub location: Option<String>,
    pub tags: Option<Tags>,
    /// All else that a resource has at its top: `sku`, `kind`, `properties`.
    pub rest: Map<String, Value>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    pub name: String,
    /// In the casing of the request.
    pub scope: String,
    pub role: String,
    pub principal: String,
    pub principal_type: String,
    pub description: Option<String>,
    pub condition: Option<String>,
    pub condition_version: Option<String>,
    pub delegated: Option<String>,
    pub created: i64,
    pub updated: i64,
    pub created_by: String,
    pub updated_by: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Vault {
    pub name: String,
    pub group: String,
    pub location: String,
    pub tags: Tags,
    pub sku: Value,
    pub tenant_id: String,
    pub policies: Vec<Policy>,
    pub network_acls: Option<Value>,
    /// `enabledForDeployment`, `…DiskEncryption`, `…TemplateDeployment`, as far as they were ever said.
    pub enabled_for: BTreeMap<String, bool>,
    pub retention_days: i64,
    /// A client of an old version made it, without a word of soft delete: then it does not tell that it has it.
    #[serde(default)]
    pub hides_soft_delete: bool,
    /// Soft delete was asked for without the days, or such a client made it: then it does not tell them.
    #[serde(default)]
    pub hides_days: bool,
    /// None (never said, an old vault) means access policies.
    pub rbac: Option<bool>,
    pub purge_protection: bool,
    pub public_network_access: String,
    pub created: i64,
    pub created_by: String,
    pub modified: i64,
    pub modified_by: String,
    /// None once its name is registered.
    pub registering: Option<Late>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Policy {
    pub tenant_id: String,
    pub object_id: String,
    pub application_id: Option<String>,
    /// `keys`, `secrets`, `certificates`, `storage` as far as they were sent, in the casing that was sent.
    pub permissions: Map<String, Value>,
    /// When it came: a new policy is late.
    pub since: i64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    /// The newest last.
    #[serde(deserialize_with = "tight")]
    pub versions: Vec<Version>,
    /// After a recovery.
    #[serde(default)]
    pub late: Late,
}

/// Most secrets have one version: a list that grew as it was read keeps room for four.
fn tight<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Version>, D::Error> {
    let mut all = Vec::deserialize(from)?;
    all.shrink_to_fit();
    Ok(all)
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Version {
    /// 32 hex digits.
    pub id: String,
    pub value: String,
    pub content_type: Option<String>,
    pub enabled: bool,
    pub not_before: Option<i64>,
    pub expires: Option<i64>,
    pub created: i64,
    pub updated: i64,
    pub tags: Option<Tags>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct DeletedSecret {
    pub secret: Secret,
    pub deleted: i64,
    pub purge_at: i64,
    pub late: Late,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct DeletedVault {
    pub vault: Vault,
    pub deleted: i64,
    pub purge_at: i64,
}

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
    /// The control plane's own principal; None on a cluster that runs as a service principal.
    pub principal_id: Option<String>,
    /// Folded id of the kubelet's identity.
    pub kubelet: Option<String>,
    /// `msi`, or the client id of the service principal.
    pub client_id: String,
    pub oidc_issuer: Option<String>,
    /// What was here before another cluster stood in for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
    /// The `properties` that it was asked for; nothing for the clusters of a new world.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub asked: Map<String, Value>,
    /// The day (`2024-06-01`) as of which AKS filled in what was not asked for; None: today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Ids of the identities that its control plane was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// The operation that makes or changes it, and the state that it is in meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changing: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verb: String,
    /// The operation that ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<String>,
}

impl Cluster {
    /// Which version it follows: a minor if nobody said.
    pub fn asked_version(&self) -> String {
        match self.asked.get("kubernetesVersion").and_then(Value::as_str) {
            Some(version) => version.to_owned(),
            None => self.version.rsplit_once('.').map_or(self.version.as_str(), |(minor, _)| minor).to_owned(),
        }
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Own {
    pub fqdn: String,
    pub version: String,
    pub node_group: String,
    pub scale_set: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct ScaleSet {
    pub name: String,
    pub group: String,
    pub location: String,
    pub tags: Tags,
    pub capacity: u32,
    pub unique_id: String,
    /// Of the SystemAssigned identity, where there is one.
    pub principal_id: Option<String>,
    /// That changes or ends it, done or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(default)]
    pub deleting: bool,
    /// By folded identity id, with what the identity was when it was assigned.
    pub identities: BTreeMap<String, Assigned>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Assigned {
    /// As it was sent.
    pub id: String,
    pub client_id: String,
    pub principal_id: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Provider {
    pub namespace: String,
    /// Registered, Registering, NotRegistered, Unregistering, Unregistered.
    pub registration: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Operation {
    pub created: i64,
    pub polls: u32,
    /// `None` for those that end in an empty 200.
    pub status: Option<String>,
}
