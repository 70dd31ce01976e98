//! `podid probe`.

use super::{check, doctor};
use crate::{doctor::case::Selected, spec::reference::NameOrId};
use clap::Args;
use std::path::PathBuf;

const PROBE: &str = "\
Examples:
  podid probe                                every workload of spec and state
  podid probe claims-api -n dev-claims       one of them
  podid probe deployment/web -n shop         one that somebody else set up
  podid probe claims-api --all-nodes         from every Linux node
  podid probe claims-api --node aks-pool-1 --keep
                                             from one node; the pod stays to look at

A pod with the identity of the workload, and with its proxy, DNS settings and choice of nodes, follows the path to the
vault: DNS, TCP and TLS to Entra and to the vault, the token, and the read. It has no volumes, so it starts where the
workload's own pods hang. Network policies that select other labels of the workload do not apply to it. No token and
no value is reported. Exit code 1 if a hop is broken.";

/// Check the path from a pod to its vault hop by hop: DNS, TCP, TLS, token, read
#[derive(Clone, Debug, PartialEq, Args)]
#[command(after_help = PROBE)]
pub struct Probe {
    /// Workload to probe: `deployment/NAME`, `pod/NAME`, `serviceaccount/NAME`, or a name in spec or cluster; default: those of spec and state
    #[arg(value_name = "WORKLOAD", value_parser = doctor::workload)]
    pub workload: Option<(Option<String>, String)>,
    /// Probe only the workloads of this namespace
    #[arg(short, long, value_parser = check::dns_label)]
    pub namespace: Option<String>,
    /// Path of the spec; default: podid.yaml, if it is there
    #[arg(short, long, value_name = "SPEC")]
    pub file: Option<PathBuf>,
    /// Name or full id of the AKS cluster; default: name of the context, or the only one in spec and state
    #[arg(long, value_parser = check::cluster_or_id)]
    pub cluster: Option<NameOrId>,
    /// Run the pod on this node, whatever its taints are
    #[arg(long, value_name = "NODE", value_parser = check::dns_subdomain)]
    pub node: Option<String>,
    /// Run a pod on every Linux node
    #[arg(long, conflicts_with = "node")]
    pub all_nodes: bool,
    /// Do not delete the pod
    #[arg(long)]
    pub keep: bool,
    /// Image of the pod, preferably by digest; it needs sh and curl
    #[arg(long, value_parser = check::image)]
    pub image: Option<String>,
}

impl Probe {
    pub fn selected(&self) -> Selected {
        Selected::of(self.workload.clone(), self.namespace.clone())
    }
}
