//! `podid cluster create`.

use super::{Command, Error, check};
use crate::spec::{
    cluster,
    creation::{ClusterCreate, ClusterIdentity, NetworkPlugin, NetworkPolicy, ServicePrincipal, Tier},
    reference::NameOrId,
    request::Request,
    source::SourceSpec,
};
use clap::Args;
use std::path::PathBuf;

const CREATE: &str = "\
Examples:
  podid cluster create -g podid-lab -n aks-lab
  podid cluster create -g podid-lab -n aks-lab --node-count 2 --workload-identity \\
                       --attach-registry podidlab
  podid cluster create -g podid-lab -n aks-sp --client-id 00000000-0000-0000-0000-000000000000 \\
                       --secret-env SP_SECRET

The nodes are always a scale set. A cluster that exists is used as it is.";

/// Create a cluster
#[derive(Debug, Args)]
#[command(after_help = CREATE)]
pub(super) struct Create {
    /// Name or full id of the cluster
    #[arg(short, long, value_parser = check::cluster_or_id)]
    name: NameOrId,
    /// Azure region; default: that of the resource group
    #[arg(short, long, value_parser = check::location)]
    location: Option<String>,
    /// Price tier of the control plane; default: free
    #[arg(long, value_enum)]
    tier: Option<Tier>,
    /// Number of nodes; default: 3
    #[arg(long, value_name = "COUNT", value_parser = count)]
    node_count: Option<u32>,
    /// Size of the nodes; default: AKS chooses one by capacity and quota
    #[arg(long, value_name = "SIZE", value_parser = vm_size)]
    vm_size: Option<String>,
    /// Kubernetes version, such as 1.35; default: AKS chooses
    #[arg(long, value_name = "VERSION", value_parser = version)]
    kubernetes_version: Option<String>,
    /// How pods get their addresses; default: overlay
    #[arg(long, value_enum)]
    network_plugin: Option<NetworkPlugin>,
    /// What enforces network policies; default: nothing
    #[arg(long, value_enum)]
    network_policy: Option<NetworkPolicy>,
    /// Client id of the service principal that the cluster uses; default: a managed identity
    #[arg(long, value_name = "GUID", value_parser = check::guid, requires = "secret_source")]
    client_id: Option<String>,
    /// File with the secret of the service principal
    #[arg(long, value_name = "FILE", group = "secret_source", requires = "client_id")]
    secret_file: Option<PathBuf>,
    /// Environment variable with the secret of the service principal
    #[arg(long, value_name = "VARIABLE", value_parser = check::variable, group = "secret_source", requires = "client_id")]
    secret_env: Option<String>,
    /// Turn the OIDC issuer on
    #[arg(long)]
    oidc_issuer: bool,
    /// Turn workload identity on, with the OIDC issuer that it needs
    #[arg(long)]
    workload_identity: bool,
    /// Name or id of a container registry that the nodes may pull from; repeatable
    #[arg(long, value_name = "REGISTRY", value_parser = registry)]
    attach_registry: Vec<String>,
}

fn count(text: &str) -> Result<u32, String> {
    let count = text.parse().map_err(|_| "expected a number".to_owned())?;
    cluster::node_count(count).map(|()| count)
}

fn vm_size(text: &str) -> Result<String, String> {
    cluster::vm_size(text).map(|()| text.to_owned())
}

fn version(text: &str) -> Result<String, String> {
    cluster::kubernetes_version(text).map(|()| text.to_owned())
}

fn registry(text: &str) -> Result<String, String> {
    cluster::registry_or_id(text).map(|()| text.to_owned())
}

impl Create {
    pub(super) fn command(self, group: Option<String>) -> Result<Command, Error> {
        let secret = self.secret_file.map(SourceSpec::File).or(self.secret_env.map(SourceSpec::Env));
        let principal = self.client_id.zip(secret).map(|(client_id, secret)| ServicePrincipal { client_id, secret });
        let create = ClusterCreate {
            location: self.location,
            tier: self.tier,
            node_count: self.node_count,
            vm_size: self.vm_size,
            kubernetes_version: self.kubernetes_version,
            network_plugin: self.network_plugin,
            network_policy: self.network_policy,
            identity: principal.map(ClusterIdentity::ServicePrincipal),
            oidc_issuer: self.oidc_issuer.then_some(true),
            workload_identity: self.workload_identity.then_some(true),
            attach_registry: self.attach_registry,
        };
        if let Some((_, why)) = create.contradiction() {
            return Err(Error::usage(why, "See `podid cluster create --help`."));
        }
        Ok(Command::Change { request: Request::Cluster { name: self.name, group, create: Box::new(create) }, remove: false })
    }
}
