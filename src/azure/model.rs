//! What Azure returns, as plain data without any SDK type.

use super::id::ArmId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub type Tags = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub id: ArmId,
    pub location: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

/// Any resource, as the list of a group has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GroupContent {
    pub id: ArmId,
    #[serde(rename = "type")]
    pub kind: String,
    pub tags: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The id as Azure returns it, with a lower-case `resourcegroups`.
    pub id: ArmId,
    pub location: String,
    pub client_id: String,
    pub principal_id: String,
    pub tenant_id: String,
    #[serde(default)]
    pub tags: Tags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrincipalKind {
    ServicePrincipal,
    User,
    Group,
    /// The kind is not known: no response has it, and the directory could not be read.
    Unknown,
}

/// An object of the directory, as found by its object id.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectoryObject {
    pub kind: PrincipalKind,
}

/// The identity that podid is logged in as, from the claims `oid`, `tid` and `idtyp` of its token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    pub object_id: String,
    pub tenant_id: String,
    pub kind: PrincipalKind,
    /// A name for messages only: appid, upn or the object id.
    pub name: String,
}

/// A role that a principal has at a scope, whether it was assigned there or above, to the principal or to a group that it is in.
#[derive(Clone, Debug, PartialEq)]
pub struct AssignedRole {
    pub role_definition_id: String,
    /// Whom the role was assigned to.
    pub principal_id: String,
    /// Where; also `/` and management groups.
    pub scope: String,
    /// The ABAC condition under which the role counts.
    pub condition: Option<String>,
    /// The time of creation in Unix seconds.
    pub created_on: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleAssignment {
    pub id: String,
    /// The GUID of the assignment.
    pub name: String,
    pub scope: ArmId,
    pub role_definition_id: String,
    pub principal_id: String,
    pub principal_kind: Option<String>,
    pub description: Option<String>,
    /// The ABAC condition under which the role counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The time of creation in Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_on: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleDefinition {
    /// The full id, which begins with a subscription.
    pub id: String,
    pub name: String,
}

/// What a vault holds. The words are those of a SecretProviderClass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    #[default]
    Secret,
    Key,
    Cert,
}

impl ObjectKind {
    pub const ALL: [Self; 3] = [Self::Secret, Self::Key, Self::Cert];

    /// As a SecretProviderClass and the driver's status call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Cert => "cert",
        }
    }
    /// As access policies call it.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Key => "keys",
            Self::Cert => "certificates",
        }
    }
    pub fn is_secret(&self) -> bool {
        *self == Self::Secret
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyEntry {
    pub tenant_id: String,
    pub object_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    #[serde(default)]
    pub keys: Vec<String>,
    #[serde(default)]
    pub secrets: Vec<String>,
    #[serde(default)]
    pub certificates: Vec<String>,
    #[serde(default)]
    pub storage: Vec<String>,
}

impl PolicyEntry {
    pub fn of(&self, objects: ObjectKind) -> &[String] {
        match objects {
            ObjectKind::Secret => &self.secrets,
            ObjectKind::Key => &self.keys,
            ObjectKind::Cert => &self.certificates,
        }
    }

    /// The same entry with other permissions for one kind of objects.
    #[must_use]
    pub fn with(mut self, objects: ObjectKind, permissions: Vec<String>) -> Self {
        match objects {
            ObjectKind::Secret => self.secrets = permissions,
            ObjectKind::Key => self.keys = permissions,
            ObjectKind::Cert => self.certificates = permissions,
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.keys.is_empty() && self.certificates.is_empty() && self.storage.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vault {
    pub id: ArmId,
    pub location: String,
    pub tenant_id: String,
    /// The address, always with a trailing slash.
    pub uri: String,
    /// The value of `enableRbacAuthorization`; null (in an old vault) is false.
    pub rbac: bool,
    pub provisioning: Option<String>,
    pub policies: Vec<PolicyEntry>,
    #[serde(default)]
    pub tags: Tags,
    pub purge_protection: bool,
    /// `standard` or `premium`, in lower case. Azure returns it as it was sent.
    #[serde(default)]
    pub sku: String,
    /// The days for which deleted objects are kept. Vaults from old API versions do not return them.
    #[serde(default)]
    pub retention_days: Option<u8>,
    /// Whether it answers all networks. Nothing that is kept needs it.
    #[serde(skip)]
    pub is_public: bool,
    /// Whether it answers only through private endpoints.
    #[serde(skip)]
    pub is_private: bool,
}

impl Vault {
    /// Whether an entry counts for the tokens of its principal: one of another tenant counts for nobody, and one through an application only
    /// for tokens of that application.
    pub fn counts(&self, entry: &PolicyEntry) -> bool {
        let is_own = self.tenant_id.is_empty() || entry.tenant_id.eq_ignore_ascii_case(&self.tenant_id);
        is_own && entry.application_id.is_none()
    }

    /// Returns the entry of a principal itself, which counts for it.
    pub fn policy_of(&self, object_id: &str) -> Option<&PolicyEntry> {
        self.policies.iter().find(|entry| entry.object_id.eq_ignore_ascii_case(object_id) && self.counts(entry))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletedVault {
    /// The id of the vault before its deletion.
    pub vault_id: ArmId,
    pub location: String,
    pub deletion_date: Option<String>,
    pub scheduled_purge_date: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewVault {
    pub id: ArmId,
    pub location: String,
    pub tenant_id: String,
    pub rbac: bool,
    pub tags: Tags,
    /// Whether to send `createMode: recover`, for a soft-deleted vault.
    pub recover: bool,
    /// None: `standard`.
    pub sku: Option<String>,
    /// None: Azure's default, 90.
    pub retention_days: Option<u8>,
    /// It cannot be turned off again, and Azure rejects `false`.
    pub purge_protection: bool,
}

/// The fields of a managed cluster that podid reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ArmId,
    pub location: String,
    pub fqdn: Option<String>,
    pub private_fqdn: Option<String>,
    pub node_resource_group: Option<String>,
    pub kubelet: Option<KubeletIdentity>,
    /// The value of `servicePrincipalProfile.clientId`, unless that is the literal `msi`.
    pub service_principal_client_id: Option<String>,
    /// The identity of the control plane: `identity.principalId`, or the principal of the first user-assigned identity.
    pub control_plane_principal_id: Option<String>,
    pub oidc_issuer: Option<String>,
    pub kubernetes_version: Option<String>,
    pub network_plugin: Option<String>,
    pub provisioning: Option<String>,
    /// The names of the enabled `addonProfiles`.
    pub addons: Vec<String>,
    pub pod_identity_addon: bool,
    #[serde(default)]
    pub tags: Tags,
    /// Why the last operation failed.
    #[serde(default)]
    pub failed: Option<String>,
    /// Changes when a cluster is deleted and created again under its name.
    #[serde(default)]
    pub uid: Option<String>,
    #[serde(default)]
    pub network_plugin_mode: Option<String>,
    #[serde(default)]
    pub network_policy: Option<String>,
    #[serde(default)]
    pub workload_identity: bool,
    /// `Base` or `Automatic`.
    #[serde(default)]
    pub sku: Option<String>,
    #[serde(default)]
    pub tier: Option<String>,
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// `Auto` or `Manual`.
    #[serde(default)]
    pub node_provisioning: Option<String>,
    /// `ReadOnly` or `Unrestricted`.
    #[serde(default)]
    pub node_group_restriction: Option<String>,
    /// `None` where pods may not ask the metadata service; only preview versions of the API have it.
    #[serde(default)]
    pub pod_link_local_access: Option<String>,
    /// The level of Deployment Safeguards.
    #[serde(default)]
    pub safeguards: Option<String>,
    /// Namespaces that Deployment Safeguards leave alone, besides those of AKS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub safeguards_exclude: Vec<String>,
}

/// A node pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    pub name: String,
    /// `VirtualMachineScaleSets`, `VirtualMachines` or `AvailabilitySet`.
    pub kind: Option<String>,
    pub os: Option<String>,
    pub vm_size: Option<String>,
    pub count: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KubeletIdentity {
    pub client_id: String,
    pub object_id: String,
    pub resource_id: ArmId,
}

/// A secret with its value. The value is never shown by `Debug` and never serialized.
#[derive(Clone, Debug)]
pub struct Secret {
    pub value: SecretString,
    pub info: SecretInfo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecretInfo {
    pub name: String,
    /// The version, 32 hex digits. None in a list, which has no versions.
    pub version: Option<String>,
    pub enabled: bool,
    /// The time in Unix seconds, as in `updated`.
    pub created: Option<i64>,
    pub updated: Option<i64>,
    pub content_type: Option<String>,
    /// The time in Unix seconds, as in `not_before`.
    #[serde(default)]
    pub expires: Option<i64>,
    #[serde(default)]
    pub not_before: Option<i64>,
    #[serde(default)]
    pub tags: Tags,
}

/// A new version of a secret. A field that is left out here is empty in the version, whatever the version before had.
#[derive(Clone, Debug, Default)]
pub struct NewSecret {
    pub value: SecretString,
    pub tags: Tags,
    pub content_type: Option<String>,
    /// The time in Unix seconds, as in `not_before`.
    pub expires: Option<i64>,
    pub not_before: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletedSecret {
    pub name: String,
    pub scheduled_purge_date: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServicePrincipal {
    pub object_id: String,
    pub app_id: String,
    pub display_name: Option<String>,
}
