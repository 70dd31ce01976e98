//! `podid import`.

use super::check;
use crate::spec::reference::NameOrId;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  podid import -n dev-claims-podid --out podid.yaml
  podid plan -f podid.yaml                   what is adopted, and what podid would still change";

/// Write a spec for what was made by hand, and list what it does not have
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Import {
    /// File for the spec; it must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Only workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}
