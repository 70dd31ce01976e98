//! A cluster that is to be created, as a spec says it.

use super::source::SourceSpec;
use serde::Deserialize;

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
