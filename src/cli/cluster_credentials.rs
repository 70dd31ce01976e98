//! `podid cluster credentials`.

use super::check;
use crate::spec::reference::NameOrId;
use clap::Args;
use std::path::PathBuf;

const CREDENTIALS: &str = "\
Examples:
  podid cluster credentials -g podid-lab -n aks-lab
  podid cluster credentials -g podid-lab -n aks-lab --admin --file lab.kubeconfig --overwrite

Merges the cluster, the user and the context into the kubeconfig and makes the context the
current one, as `az aks get-credentials` does; `--context` names it. A cluster with Entra logs in by kubelogin, in the
way that podid itself is logged in.";

/// Merge the credentials of a cluster into the kubeconfig
#[derive(Debug, Args)]
#[command(after_help = CREDENTIALS)]
pub(super) struct CredentialsArgs {
    /// Name or full id of the cluster
    #[arg(short, long, value_parser = check::cluster_or_id)]
    name: NameOrId,
    /// Get the credentials of the cluster's administrator
    #[arg(long)]
    admin: bool,
    /// Path of the kubeconfig to write; default: the first one of --kubeconfig, KUBECONFIG, or ~/.kube/config
    #[arg(long, value_name = "KUBECONFIG")]
    file: Option<PathBuf>,
    /// Replace entries of the same names that differ
    #[arg(long)]
    overwrite: bool,
}

/// Whose credentials to get, and where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    pub name: NameOrId,
    pub group: Option<String>,
    pub admin: bool,
    pub file: Option<PathBuf>,
    pub overwrite: bool,
}

impl CredentialsArgs {
    pub(super) fn request(self, group: Option<String>) -> Credentials {
        let Self { name, admin, file, overwrite } = self;
        Credentials { name, group, admin, file, overwrite }
    }
}
