//! `podid sandbox`.

use clap::{Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

/// The cluster of the sandbox that is meant where none is named.
pub const CLUSTER: &str = "aks-mi";

/// The argument's id.
pub const STAND_INS: &str = "stand-ins";

/// `NAME=` where it could be the name of a managed cluster, and the rest.
fn named(text: &str) -> (&str, &str) {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    match text.split_once('=') {
        Some((name, rest)) if is_name(name) => (name, rest),
        _ => (CLUSTER, text),
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct StandIn {
    pub name: String,
    pub kubeconfig: PathBuf,
}

fn stand_in(text: &str) -> Result<StandIn, String> {
    let (name, path) = named(text);
    if path.is_empty() {
        return Err("the kubeconfig's file is missing".to_owned());
    }
    Ok(StandIn { name: name.to_owned(), kubeconfig: PathBuf::from(path) })
}

/// The metadata service of a cluster's node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub cluster: String,
    pub address: SocketAddr,
}

fn node(text: &str) -> Result<Node, String> {
    let (name, address) = named(text);
    let address = address.parse().map_err(|_| format!("{address:?} is no ADDR:PORT, as 169.254.169.254:80 is"))?;
    Ok(Node { cluster: name.to_owned(), address })
}

/// Who is played on the clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxComponent {
    Mic,
    Nmi,
    /// The Secrets Store CSI driver with its Azure provider, and kubelet
    Csi,
}

const SERVE: &str = "\
Examples:
  podid sandbox serve                        then, elsewhere: eval \"$(podid sandbox env)\"
  podid sandbox serve --cluster ~/.kube/kind a real cluster, with MIC, NMI and the CSI driver played on it
  podid sandbox serve --cluster ~/.kube/kind --without mic,nmi
                                             the same, with a MIC and an NMI of your own
  podid sandbox serve --imds 169.254.169.254:80
                                             with the metadata service of a node of aks-mi, where that address is on lo";

const CALLER: &str = "\
Examples:
  eval \"$(podid sandbox caller add ci --role Contributor)\"
                                             from now on, this shell is `ci`
  podid sandbox caller add app --role 'Key Vault Secrets User' \\
    --scope /subscriptions/…/resourceGroups/podid-lab -o json";

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum CallerCommand {
    /// Give a caller a role, made if it is not there, and print its credential
    #[command(after_help = CALLER)]
    Add {
        /// What the caller is called
        name: String,
        /// Name or GUID of the role
        #[arg(long)]
        role: String,
        /// Id of a subscription, a resource group or a resource [default: the subscription]; repeatable
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// Show the callers and their roles
    List,
    /// Take a caller and its roles away
    Delete {
        /// As it was called
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum SandboxCommand {
    /// Serve the sandbox on loopback, for any client: eval "$(podid sandbox env)"
    #[command(after_help = SERVE)]
    Serve {
        /// Written as soon as it serves
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
        /// Where to listen [default: on loopback, the port of last time if it is free]
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        /// Let a real cluster stand in for one of the sandbox's: its kubeconfig, the current context of it; repeatable
        #[arg(id = STAND_INS, long = "cluster", value_name = "[NAME=]KUBECONFIG", value_parser = stand_in)]
        clusters: Vec<StandIn>,
        /// Do not play these, for real ones to take their place; a list with commas
        #[arg(long, value_name = "PLAYERS", value_delimiter = ',')]
        without: Vec<SandboxComponent>,
        /// Say each request in a line: when, who, what, the answer's status, how long it took
        #[arg(long)]
        log: bool,
        /// Serve the metadata service of a cluster's node too, in plain HTTP [default NAME: aks-mi]; repeatable
        #[arg(long, value_name = "[NAME=]ADDR:PORT", value_parser = node)]
        imds: Vec<Node>,
    },
    /// Begin again with a new world; asks nothing, leaves clusters that stand in alone
    Reset,
    /// Print the environment in which az, kubectl and SDKs use the sandbox
    Env,
    /// More callers: service principals with roles of their own
    #[command(subcommand)]
    Caller(CallerCommand),
    /// Print the azure.json of a cluster's nodes, which a real MIC logs in with
    CloudConfig {
        /// The cluster's name
        #[arg(value_name = "CLUSTER", default_value = CLUSTER)]
        cluster: String,
    },
    /// Print the sandbox's world as JSON
    Export,
    /// Print the custom resource definitions as YAML, for kubectl apply -f -
    Crds,
}
