//! `podid lint`.

use super::{check, doctor::Verdict};
use crate::spec::reference::NameOrId;
use clap::Args;
use std::path::PathBuf;

const LINT: &str = "\
Examples:
  podid lint                                 podid.yaml, and the cluster and vaults that it is about
  podid lint --offline -f shop.yaml          only a spec
  podid lint -n shop --exit-code=warning -o junit

Without a spec, only the cluster is looked at. Most findings are warnings: `--exit-code=warning` makes them count.";

/// Find what works and should not stay so, in spec, cluster and vaults
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = LINT)]
pub struct Lint {
    /// Look only at workloads of this namespace in the cluster
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Path of the spec; default: podid.yaml, if it is there
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
    /// Look only at the spec, and ask neither Azure nor a cluster
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub verdict: Verdict,
}
