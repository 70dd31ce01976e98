//! The state of the sandbox's Azure: plain values that are saved as they are. Keys are in lower case, other texts keep their casing.
//! Everything that changes is in a table, so that a save knows what to write.

mod clusters;

use super::{assignment_index::Assignments, roles::Role, stored_objects::VaultObject};
use crate::{lateness::Late, table::Table};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub use clusters::{Assigned, Cluster, IdentityBinding, OriginalCluster, ScaleSet};

pub type Tags = BTreeMap<String, String>;

#[derive(Serialize, Deserialize)]
pub struct State {
    /// Whether clusters are as AKS makes them, without the components of a lab.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
    pub tenant: String,
    pub subscription: String,
    /// By lower-case name.
    pub groups: Table<Group>,
    /// By lower-case id.
    pub identities: Table<Identity>,
    /// Federated identity credentials by lower-case id.
    #[serde(default)]
    pub federated: Table<FederatedCredential>,
    /// Keys of the identities whose credentials are being written at this moment.
    #[serde(skip)]
    pub federating: BTreeSet<String>,
    /// By object id.
    pub principals: Table<Principal>,
    /// Registered applications by object id.
    #[serde(default)]
    pub applications: Table<Application>,
    /// Object ids of the members of each group that has members, by the group's object id.
    #[serde(default)]
    pub members: Table<Vec<String>>,
    pub assignments: Assignments,
    /// Locks by lower-case id.
    #[serde(default)]
    pub locks: Table<Lock>,
    /// Custom roles by GUID.
    #[serde(default)]
    pub roles: Table<Role>,
    /// Resources of other types, by lower-case id.
    #[serde(default)]
    pub plain: Table<Plain>,
    /// By the lower-case id of the container, `/blobs/`, and the blob's name, which has a case.
    #[serde(default)]
    pub blobs: Table<Blob>,
    /// By lower-case name, because vault names are global.
    pub vaults: Table<Vault>,
    pub deleted_vaults: Table<DeletedVault>,
    /// By `vault/name` in lower case. The secrets of a deleted vault stay here.
    pub secrets: Table<Secret>,
    pub deleted_secrets: Table<DeletedSecret>,
    #[serde(default)]
    pub vault_objects: Table<VaultObject>,
    pub clusters: Table<Cluster>,
    /// Identity bindings of clusters by lower-case id.
    #[serde(default)]
    pub bindings: Table<IdentityBinding>,
    pub scale_sets: Table<ScaleSet>,
    /// By lower-case namespace; other providers are not registered.
    pub providers: Table<Provider>,
    /// Features with a state, by lower-case `namespace/name`.
    #[serde(default)]
    pub features: Table<Feature>,
    /// Long-running operations by id.
    pub operations: Table<Operation>,
    /// Simulated delays of data plane grants, by `principal|vault|kind`.
    pub grants: Table<Late>,
    /// How often a name was deleted, or (`version:`) written.
    pub generations: Table<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Feature {
    pub namespace: String,
    pub name: String,
    /// `NotRegistered`, `Registering`, `Registered`, `Unregistering` or `Unregistered`.
    pub state: String,
    pub registered: Option<i64>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub location: String,
    pub tags: Option<Tags>,
    pub managed_by: Option<String>,
    /// The operation that deletes the group. Until it ends, the group is listed but empty.
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

/// The type of a principal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrincipalType {
    #[default]
    ServicePrincipal,
    User,
    Group,
}

impl PrincipalType {
    /// Returns the name that role assignments use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServicePrincipal => "ServicePrincipal",
            Self::User => "User",
            Self::Group => "Group",
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct FederatedCredential {
    pub name: String,
    pub issuer: String,
    pub subject: String,
    pub audiences: Vec<String>,
    /// The simulated delay until Entra knows the credential.
    pub late: Late,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Principal {
    #[serde(default, rename = "sort")]
    pub principal_type: PrincipalType,
    /// Further fields, as Graph names them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub more: Map<String, Value>,
    /// Empty if there is no application.
    pub app_id: String,
    pub display_name: String,
    pub created: i64,
    /// The resource of a managed identity, user-assigned or system-assigned.
    pub resource_id: Option<String>,
    pub secret: Option<String>,
    pub late: Late,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Application {
    pub app_id: String,
    pub display_name: String,
    pub created: i64,
    /// Further fields, as Graph names them.
    pub more: Map<String, Value>,
    pub passwords: Vec<Password>,
}

/// It holds a credential, so it has no Debug.
#[derive(Clone, Serialize, Deserialize)]
pub struct Password {
    pub id: String,
    pub name: Option<String>,
    pub text: String,
    pub start: i64,
    pub end: i64,
}

/// A lock on a scope and everything below it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lock {
    pub name: String,
    /// In the casing of the request.
    pub scope: String,
    /// `CanNotDelete` or `ReadOnly`.
    pub level: String,
    pub notes: Option<String>,
}

/// A resource that is stored as it was sent.
#[derive(Clone, Serialize, Deserialize)]
pub struct Plain {
    pub id: String,
    /// The last segment of the id.
    pub name: String,
    /// Such as `Microsoft.Network/virtualNetworks/subnets`.
    pub kind: String,
    pub group: String,
    pub location: Option<String>,
    pub tags: Option<Tags>,
    /// All other top-level fields: `sku`, `kind`, `properties`.
    pub rest: Map<String, Value>,
    /// When it was created, for types that return it. Unix nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Blob {
    /// In base64.
    pub content: String,
    pub content_type: String,
    pub etag: String,
    pub modified: i64,
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
    /// `enabledForDeployment`, `…DiskEncryption` and `…TemplateDeployment`, if they were ever set.
    pub enabled_for: BTreeMap<String, bool>,
    pub retention_days: i64,
    /// The vault was created by a client of an old version that did not mention soft delete. Its document then does not mention it either.
    #[serde(default)]
    pub hides_soft_delete: bool,
    /// Soft delete was requested without a number of days, or by a client of an old version. The document then has no number of days.
    #[serde(default)]
    pub hides_days: bool,
    /// None (never set, an old vault) means access policies.
    pub rbac: Option<bool>,
    pub purge_protection: bool,
    pub public_network_access: String,
    pub created: i64,
    pub created_by: String,
    pub modified: i64,
    pub modified_by: String,
    /// None when the DNS name is registered.
    pub registering: Option<Late>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Policy {
    pub tenant_id: String,
    pub object_id: String,
    pub application_id: Option<String>,
    /// `keys`, `secrets`, `certificates` and `storage` as they were sent, in the casing of the request.
    pub permissions: Map<String, Value>,
    /// When the policy was added; a new policy is delayed.
    pub since: i64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    /// The newest version is last.
    #[serde(deserialize_with = "shrunk")]
    pub versions: Vec<Version>,
    /// The simulated delay after a recovery.
    #[serde(default)]
    pub late: Late,
}

/// Most secrets have one version, and a list that grew while it was read would reserve space for four.
fn shrunk<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Version>, D::Error> {
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
pub struct Provider {
    pub namespace: String,
    /// `Registered`, `Registering`, `NotRegistered`, `Unregistering` or `Unregistered`.
    pub registration: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Operation {
    pub created: i64,
    pub polls: u32,
    /// None if the operation ends with an empty 200.
    pub status: Option<String>,
}
