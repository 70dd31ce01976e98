//! `podid inventory`.

use super::check;
use crate::spec::reference::NameOrId;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  podid inventory                            the workloads of all namespaces
  podid inventory -n dev-claims-podid -o json
  podid inventory --context aks-mi --all";

/// List workloads with their identities, secrets and owners, whoever made them
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Inventory {
    /// Only workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// The workloads of all namespaces, which is the default
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Also ask for the federated credentials of every identity and the secrets of every vault that workloads use
    #[arg(long)]
    pub all: bool,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}
