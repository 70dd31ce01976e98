//! What a user writes: `podid.yaml`. Unknown fields are refused by `load`, which also says where.

pub mod app;
mod component;

use super::{
    fields::{Branch, WithSettings},
    reference::Scope,
    settings::Settings,
    vault_model::Model,
};
use crate::{deliveries, modes, resources::values::SecretSource};
use app::AppSpec;
pub use component::ComponentSpec;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::LazyLock};

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
    /// With what podid creates it if it does not exist.
    pub create: Option<ClusterCreate>,
    /// What must run in it.
    #[serde(default)]
    pub components: Vec<ComponentSpec>,
}

/// With what a cluster is created. What Azure calls each field is said in `resources::cluster::creation`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterCreate {
    /// Default: that of the spec, then the resource group's.
    pub location: Option<String>,
    /// Default: free.
    pub tier: Option<Tier>,
    /// Default: 3, as az has it.
    pub node_count: Option<u32>,
    /// Default: AKS chooses one by capacity and quota.
    pub vm_size: Option<String>,
    /// Default: AKS chooses.
    pub kubernetes_version: Option<String>,
    pub network_plugin: Option<NetworkPlugin>,
    pub network_policy: Option<NetworkPolicy>,
    pub identity: Option<ClusterIdentity>,
    pub oidc_issuer: Option<bool>,
    pub workload_identity: Option<bool>,
    /// Names or ids of container registries that the nodes pull from.
    pub attach_registry: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    Free,
    Standard,
    Premium,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPlugin {
    /// Azure CNI, with an overlay network for pods
    #[default]
    Overlay,
    /// Azure CNI, with pods in the nodes' subnet
    NodeSubnet,
    /// kubenet, which AKS retires in March 2028
    Kubenet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPolicy {
    None,
    Azure,
    Calico,
    Cilium,
}

/// The identity that the cluster uses in Azure.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ClusterIdentity {
    Managed,
    ServicePrincipal(ServicePrincipal),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePrincipal {
    /// Client id (application id).
    pub client_id: String,
    /// Where its client secret comes from: `file` or `env`.
    pub secret: SourceSpec,
}

impl ClusterCreate {
    /// Returns the source of the service principal's secret.
    pub fn secret(&mut self) -> Option<&mut SourceSpec> {
        match &mut self.identity {
            Some(ClusterIdentity::ServicePrincipal(principal)) => Some(&mut principal.secret),
            _ => None,
        }
    }

    /// Returns what does not go together: the field, and why.
    pub fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if self.workload_identity == Some(true) && self.oidc_issuer == Some(false) {
            return Some(("oidcIssuer", "workload identity needs the OIDC issuer"));
        }
        match (self.network_plugin.unwrap_or_default(), self.network_policy) {
            (NetworkPlugin::Kubenet, Some(NetworkPolicy::Azure | NetworkPolicy::Cilium)) => {
                Some(("networkPolicy", "kubenet has no such network policy: use `calico` or `none`"))
            }
            _ => None,
        }
    }
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
    /// Of a vault that podid makes (default rbac); an existing one is read.
    pub model: Option<Model>,
    #[serde(default)]
    pub secrets: Vec<SecretSpec>,
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

/// Where a secret's value comes from, in the spec's own words; never the value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SourceSpec {
    /// A file; relative to the spec. Its bytes are taken as they are.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// Asked on the terminal once, and then kept.
    Prompt(bool),
    /// Made by podid once: this many characters.
    Generate(u32),
}

impl SourceSpec {
    pub fn source(&self) -> SecretSource {
        match self {
            Self::File(path) => SecretSource::File(path.clone()),
            Self::Env(name) => SecretSource::Env(name.clone()),
            Self::Prompt(_) => SecretSource::Prompt,
            Self::Generate(length) => SecretSource::Generate(*length),
        }
    }
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

/// A secret that the workload reads.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Use {
    pub name: String,
    /// Name of the vault, where the spec has several.
    pub vault: Option<String>,
    /// File name in the mount; default: the secret's name.
    pub alias: Option<String>,
    /// The key of a Kubernetes Secret that the CSI driver keeps in step.
    pub sync: Option<SyncSpec>,
    /// The environment variable that the app gets it in; needs `sync`.
    pub env: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncSpec {
    pub secret: String,
    pub key: String,
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
