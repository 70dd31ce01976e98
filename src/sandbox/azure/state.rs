//! What there is in the sandbox's Azure. Plain values, saved as they stand; keys are folded, texts are kept as they came.

use super::{ids, roles::Role};
use crate::sandbox::lateness::Late;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

pub type Tags = BTreeMap<String, String>;

#[derive(Clone, Serialize, Deserialize)]
pub struct State {
    pub tenant: String,
    pub subscription: String,
    /// By folded name.
    pub groups: BTreeMap<String, Group>,
    /// By folded id.
    pub identities: BTreeMap<String, Identity>,
    /// Federated identity credentials, by folded id.
    #[serde(default)]
    pub federated: BTreeMap<String, Federated>,
    /// Folded ids of identities, one of whose credentials is being written this moment.
    #[serde(skip)]
    pub federating: BTreeSet<String>,
    /// By object id.
    pub principals: BTreeMap<String, Principal>,
    pub assignments: Assignments,
    /// Roles that were made here, by GUID.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Of kinds that have no rules of their own here, by folded id.
    #[serde(default)]
    pub plain: BTreeMap<String, Plain>,
    /// By folded name: vault names are one space for all the world.
    pub vaults: BTreeMap<String, Vault>,
    pub deleted_vaults: BTreeMap<String, DeletedVault>,
    /// By folded id.
    pub clusters: BTreeMap<String, Cluster>,
    pub scale_sets: BTreeMap<String, ScaleSet>,
    /// By folded namespace; what is not here is not known.
    pub providers: BTreeMap<String, Provider>,
    /// By folded `namespace/name`; those that somebody asked for.
    #[serde(default)]
    pub features: BTreeMap<String, Feature>,
    /// Of long-running operations: polls that are still answered with 202.
    pub operations: BTreeMap<String, Operation>,
    /// A grant at the data plane, as `principal|vault|kind`, and how late it still is.
    pub grants: BTreeMap<String, Late>,
    /// How often a name was deleted, or (`version:`) written.
    pub generations: BTreeMap<String, u64>,
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
    /// Shared with the copies that are made of the rest, until it is written.
    #[serde(with = "shared")]
    pub contents: Arc<Contents>,
}

/// By folded name.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Contents {
    pub secrets: BTreeMap<String, Secret>,
    pub deleted: BTreeMap<String, DeletedSecret>,
}

/// Serde's own support for `Arc` is a feature that nobody else here needs.
mod shared {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(value, to)
    }
    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
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
    pub versions: Vec<Version>,
    /// After a recovery.
    #[serde(default)]
    pub late: Late,
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
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Own {
    pub fqdn: String,
    pub version: String,
    pub node_group: String,
    pub scale_set: String,
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

impl State {
    pub fn generation(&self, name: &str) -> u64 {
        self.generations.get(&ids::fold(name)).copied().unwrap_or(0)
    }

    /// The name was deleted (or written) once more.
    pub fn next_generation(&mut self, name: &str) -> u64 {
        let entry = self.generations.entry(ids::fold(name)).or_insert(0);
        *entry += 1;
        *entry
    }

    /// What is late at the data plane for this principal (or all) under this scope is new again when it is granted again.
    pub fn forget_grants(&mut self, of: impl Fn(&str, &str, &str) -> bool) {
        self.grants.retain(|key, _| {
            let mut parts = key.split('|');
            let (principal, vault, kind) = (parts.next(), parts.next(), parts.next());
            !of(principal.unwrap_or_default(), vault.unwrap_or_default(), kind.unwrap_or_default())
        });
    }
}

/// By folded name (a GUID; unique in the tenant), with an index by principal, which every permission check asks.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Assignment>", into = "Vec<Assignment>")]
pub struct Assignments {
    all: BTreeMap<String, Assignment>,
    by_principal: HashMap<String, BTreeSet<String>>,
}

impl From<Vec<Assignment>> for Assignments {
    fn from(list: Vec<Assignment>) -> Self {
        let mut all = Self::default();
        for assignment in list {
            all.insert(assignment);
        }
        all
    }
}

impl From<Assignments> for Vec<Assignment> {
    fn from(assignments: Assignments) -> Self {
        assignments.all.into_values().collect()
    }
}

impl Assignments {
    pub fn get(&self, name: &str) -> Option<&Assignment> {
        self.all.get(&ids::fold(name))
    }
    pub fn insert(&mut self, assignment: Assignment) {
        let name = ids::fold(&assignment.name);
        self.by_principal.entry(assignment.principal.clone()).or_default().insert(name.clone());
        self.all.insert(name, assignment);
    }
    pub fn remove(&mut self, name: &str) -> Option<Assignment> {
        let name = ids::fold(name);
        let gone = self.all.remove(&name)?;
        if let Some(names) = self.by_principal.get_mut(&gone.principal) {
            names.remove(&name);
            if names.is_empty() {
                self.by_principal.remove(&gone.principal);
            }
        }
        Some(gone)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.all.values()
    }
    pub fn of<'a>(&'a self, principal: &str) -> impl Iterator<Item = &'a Assignment> + use<'a> {
        self.by_principal.get(principal).into_iter().flatten().filter_map(|name| self.all.get(name))
    }
    /// Takes away those at the (folded) scope and under it, as the deletion of a resource does.
    pub fn drop_under(&mut self, scope: &str) -> Vec<Assignment> {
        let names: Vec<String> = self.all.values().filter(|a| ids::covers(scope, &ids::fold(&a.scope))).map(|a| a.name.clone()).collect();
        names.iter().filter_map(|name| self.remove(name)).collect()
    }
}
