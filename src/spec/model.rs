//! What a user writes: `podid.yaml`. Unknown fields are refused by `load`, which also says where.

pub mod app;
mod component;
mod suppress;

use super::{
    creation::ClusterCreate,
    fields::{Branch, WithSettings},
    mounts,
    reference::Scope,
    settings::Settings,
    source::SourceSpec,
    vault_model::Model,
};
use crate::{
    azure::ObjectKind,
    deliveries, modes,
    resources::{
        secret_provider_class::{Object, Synced},
        vault::VaultOptions,
    },
};
use app::AppSpec;
pub use component::ComponentSpec;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt, sync::LazyLock};
pub use suppress::SuppressSpec;

pub const API_VERSION: &str = "podid/v1";
pub const KIND: &str = "App";

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    pub api_version: String,
    pub kind: String,
    pub metadata: Metadata,
    /// Id of the subscription; flag and environment come first, az's own default last.
    pub subscription: Option<String>,
    /// The default of everything below; a name or a full id.
    pub resource_group: Option<String>,
    /// Default: the resource group's.
    pub location: Option<String>,
    pub cluster: Option<ClusterSpec>,
    /// Groups that podid creates if they do not exist.
    #[serde(default)]
    pub resource_groups: Vec<GroupSpec>,
    /// The same as one entry of `vaults`.
    pub vault: Option<VaultSpec>,
    #[serde(default)]
    pub vaults: Vec<VaultSpec>,
    #[serde(default)]
    pub storage: Vec<StorageSpec>,
    #[serde(default)]
    pub workloads: Vec<Workload>,
    /// Findings of `doctor` and `lint` that do not count.
    #[serde(default)]
    pub suppress: Vec<SuppressSpec>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The app: ownership tags and the state's entries carry it. A DNS label.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// Name or full id of the managed cluster.
    pub name: String,
    pub resource_group: Option<String>,
    /// Context of the kubeconfig; default: the cluster's name.
    pub context: Option<String>,
    /// Object id of the cluster's service principal, where podid may not ask the directory for it.
    pub principal_id: Option<String>,
    /// The issuer of its service account tokens, of a cluster that is not one of AKS. Azure Resource Manager is not asked for it then.
    pub issuer: Option<String>,
    /// With what podid creates it if it does not exist.
    pub create: Option<ClusterCreate>,
    /// What must run in it.
    #[serde(default)]
    pub components: Vec<ComponentSpec>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSpec {
    pub name: String,
    /// Default: the spec's.
    pub location: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VaultSpec {
    /// Name or full id.
    pub name: String,
    pub resource_group: Option<String>,
    pub location: Option<String>,
    /// Of a vault that podid makes (default rbac); an existing one must be that already, and may be either where this is left out.
    pub model: Option<Model>,
    /// `standard` or `premium`, of a vault that podid makes.
    pub sku: Option<String>,
    /// Days for which a deleted vault and its deleted objects are kept: 7 to 90 (the default), set on creation only.
    pub retention_days: Option<u8>,
    /// Whether nobody can purge before that. It can be turned on later, and never off.
    pub purge_protection: Option<bool>,
    #[serde(default)]
    pub secrets: Vec<SecretSpec>,
}

impl VaultSpec {
    pub fn options(&self) -> VaultOptions {
        VaultOptions { sku: self.sku.clone(), retention_days: self.retention_days, purge_protection: self.purge_protection }
    }
}

/// A storage account with its containers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageSpec {
    /// Name or full id.
    pub name: String,
    pub resource_group: Option<String>,
    pub location: Option<String>,
    /// Default of a new account: `Standard_LRS`.
    pub sku: Option<String>,
    #[serde(default)]
    pub containers: Vec<ContainerSpec>,
}

/// A container, written as its name or as `{name: NAME}`.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    pub name: String,
}

impl<'de> Deserialize<'de> for ContainerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrFields)
    }
}

struct NameOrFields;

impl<'de> Visitor<'de> for NameOrFields {
    type Value = ContainerSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a container's name, or `{name: NAME}`")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<ContainerSpec, E> {
        Ok(ContainerSpec { name: name.to_owned() })
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ContainerSpec, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            name: String,
        }
        let Fields { name } = Fields::deserialize(MapAccessDeserializer::new(map))?;
        Ok(ContainerSpec { name })
    }
}

/// A container that a workload's identity uses by its own token.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageUse {
    /// Name of a storage account of the spec.
    pub account: String,
    pub container: String,
    #[serde(default)]
    pub access: BlobAccess,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobAccess {
    Read,
    /// Reads too.
    #[default]
    Write,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSpec {
    pub name: String,
    pub value: SourceSpec,
}

/// Who gives a workload's identity its rights to the vaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultAccess {
    /// podid, as far as they are missing.
    Grant,
    /// Somebody else: the identity has them already, such as by a group or a role of the resource group.
    None,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    pub name: String,
    pub namespace: String,
    pub identity: IdentitySpec,
    /// Name of the identity mode; `modes` has the table.
    pub mode: Option<String>,
    /// Name of the way in which the pods get their secrets; `deliveries` has the table.
    pub delivery: Option<String>,
    #[serde(default)]
    pub secrets: Vec<Use>,
    /// Whether podid gives the identity its rights to the vaults; default: `grant`.
    pub vault_access: Option<VaultAccess>,
    /// The blob containers that it uses.
    #[serde(default)]
    pub storage: Vec<StorageUse>,
    /// Further roles of the identity.
    #[serde(default)]
    pub roles: Vec<ExtraRole>,
    /// An app that podid deploys.
    pub app: Option<AppSpec>,
    /// An existing workload that gets what its pods need: `deployment/NAME`. Not together with `app`.
    pub wire: Option<String>,
    /// What its mode and its delivery add to these fields; each has a table.
    #[serde(skip)]
    pub settings: Settings,
}

/// The fields of all modes and deliveries.
static SETTINGS: LazyLock<Branch> = LazyLock::new(|| {
    let of_modes = modes::all().flat_map(|mode| mode.settings());
    Branch::of(of_modes.chain(deliveries::all().flat_map(|delivery| delivery.settings())).map(|setting| setting.field))
});

impl<'de> Deserialize<'de> for Workload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut settings = Settings::default();
        // the function that `remote` makes, which reads the shared fields
        let shared = Self::deserialize(WithSettings { deserializer, known: &SETTINGS, settings: &mut settings })?;
        Ok(Self { settings, ..shared })
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentitySpec {
    /// Name or full id.
    pub name: String,
    pub resource_group: Option<String>,
    pub location: Option<String>,
}

/// A secret, key or certificate that the workload reads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Use {
    pub name: String,
    /// Name of the vault, where the spec has several.
    pub vault: Option<String>,
    /// `secret` (default), `key` or `cert`. The secret of a certificate's name holds it with its private key.
    #[serde(default, rename = "type")]
    pub object_type: ObjectKind,
    /// File name in the mount; default: the secret's name.
    pub alias: Option<String>,
    /// Default: the current one.
    pub version: Option<String>,
    /// `utf-8` (default), `base64` or `hex`: how the mount decodes a secret's value.
    pub encoding: Option<String>,
    /// `pem` (default) or `pfx`, of a certificate.
    pub format: Option<String>,
    /// Mode of the file in octal digits, such as `"0400"`.
    pub file_permission: Option<String>,
    /// The key of a Kubernetes Secret that the CSI driver keeps in step.
    pub sync: Option<SyncSpec>,
    /// The environment variable that the app gets it in; needs `sync`.
    pub env: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncSpec {
    pub secret: String,
    /// Default: all keys that the type prescribes.
    pub key: Option<String>,
    /// `Opaque` (default), `kubernetes.io/tls` or `kubernetes.io/dockerconfigjson`.
    #[serde(rename = "type")]
    pub of_type: Option<String>,
}

impl Use {
    pub fn object(&self) -> Object {
        Object {
            name: self.name.clone(),
            alias: self.alias.clone(),
            kind: self.object_type,
            version: self.version.clone(),
            encoding: self.encoding.clone(),
            format: self.format.clone(),
            permission: self.file_permission.clone(),
        }
    }

    /// The keys of the synced Secret that get this object's file.
    pub fn synced(&self) -> Vec<Synced> {
        let Some(SyncSpec { secret, of_type, .. }) = &self.sync else { return Vec::new() };
        let synced = |key: &str| Synced {
            secret: secret.clone(),
            key: key.to_owned(),
            file: self.alias.as_ref().unwrap_or(&self.name).clone(),
            of_type: of_type.clone(),
            env: self.env.clone(),
        };
        self.synced_keys().into_iter().map(synced).collect()
    }

    pub fn synced_keys(&self) -> Vec<&str> {
        match &self.sync {
            Some(SyncSpec { key: Some(key), .. }) => vec![key],
            Some(SyncSpec { of_type, .. }) => mounts::keys_of(of_type.as_deref()).to_vec(),
            None => Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtraRole {
    /// A built-in role's name, a custom one's name, or a GUID.
    pub role: String,
    /// As `--scope` of `podid role assign`. An error is the rule that the text breaks: `check` reports it with its position, and only where
    /// the role is used.
    #[serde(deserialize_with = "scope")]
    pub scope: Result<Scope, String>,
}

fn scope<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Result<Scope, String>, D::Error> {
    Ok(String::deserialize(deserializer)?.parse())
}

/// Fields by path to where they were written, for messages of later checks.
pub type Places = BTreeMap<String, (u64, u64)>;
