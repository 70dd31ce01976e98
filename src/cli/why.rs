//! `podid why` and `podid who-can`.

use super::check;
use crate::spec::{reference::NameOrId, workload_name::WorkloadName};
use clap::Args;

const WHY: &str = "\
Examples:
  podid why deployment/claims-api sqldbconn -n dev-claims-podid
  podid why serviceaccount/orders db-connection -n orders --vault kv-orders
  podid why claims-api sqldbconn             a workload by its name in the spec or the state";

const WHO_CAN: &str = "\
Examples:
  podid who-can sqldbconn --vault claims-api-kv
  podid who-can sqldbconn --vault claims-api-kv -o json";

/// Show how a workload may read a secret, or the first link that is missing
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = WHY)]
pub struct Why {
    /// deployment/NAME (any kind of workload), pod/NAME, serviceaccount/NAME, or a name in spec or state
    #[arg(value_name = "WORKLOAD")]
    pub workload: WorkloadName,
    /// Name of the secret
    #[arg(value_name = "SECRET", value_parser = check::secret)]
    pub secret: String,
    /// Namespace of the workload; default: the only one that has it
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Name or full id of the vault; default: the one that the workload mounts
    #[arg(long, value_parser = check::vault_or_id)]
    pub vault: Option<NameOrId>,
    /// Exit with 3 if the workload cannot read it
    #[arg(long)]
    pub exit_code: bool,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}

/// List every principal, workload and pod that can read a secret, and how
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = WHO_CAN)]
pub struct WhoCan {
    /// Name of the secret
    #[arg(value_name = "SECRET", value_parser = check::secret)]
    pub secret: String,
    /// Name or full id of the vault
    #[arg(long, value_parser = check::vault_or_id)]
    pub vault: NameOrId,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}
