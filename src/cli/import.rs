//! `podid import`.

use super::check;
use crate::spec::reference::NameOrId;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  podid import -n dev-claims-podid --out podid.yaml
  podid plan -f podid.yaml                   nothing to change, or what podid would change
  podid up -f podid.yaml                     records what is there; `podid down` leaves it
  podid up -f podid.yaml --adopt             also writes what podid would write otherwise";

/// Write a spec for what was made by hand, and list what it does not have
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Import {
    /// File for the spec
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    pub force: bool,
    /// Only workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
}
