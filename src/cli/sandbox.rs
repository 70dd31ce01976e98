//! `podid sandbox`.

use clap::{Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

/// The cluster of the sandbox that is used if none is named.
pub const CLUSTER: &str = "aks-mi";

/// The id of the argument, which differs from its flag.
pub const STAND_INS: &str = "stand-ins";

/// Splits `NAME=REST`. A text without a name that a managed cluster could have gets the default name.
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
        return Err("the path of the kubeconfig is missing".to_owned());
    }
    Ok(StandIn { name: name.to_owned(), kubeconfig: PathBuf::from(path) })
}

/// The address of the metadata service of a cluster's node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub cluster: String,
    pub address: SocketAddr,
}

fn node(text: &str) -> Result<Node, String> {
    let (name, address) = named(text);
    let address = address.parse().map_err(|_| format!("{address:?} is not a valid ADDR:PORT, such as 169.254.169.254:80"))?;
    Ok(Node { cluster: name.to_owned(), address })
}

/// A component that the sandbox plays on its clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxComponent {
    Mic,
    Nmi,
    /// Secrets Store CSI driver with its Azure provider, and kubelet
    Csi,
}

const SERVE: &str = "\
Examples:
  podid sandbox serve                        then, in another shell: eval \"$(podid sandbox env)\"
  podid sandbox serve --cluster ~/.kube/kind
                                             use a real cluster, on which the sandbox plays MIC, NMI and the CSI driver
  podid sandbox serve --cluster ~/.kube/kind --without mic,nmi
                                             the same, with your own MIC and NMI
  podid sandbox serve --imds 169.254.169.254:80
                                             with the metadata service of a node of aks-mi; the address must be on lo";

const CALLER: &str = "\
Examples:
  eval \"$(podid sandbox caller add ci --role Contributor)\"
                                             use `ci` in this shell
  podid sandbox caller add app --role 'Key Vault Secrets User' \\
    --scope /subscriptions/…/resourceGroups/podid-lab -o json";

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum CallerCommand {
    /// Create a caller if needed, assign it a role, and print its credential
    #[command(after_help = CALLER)]
    Add {
        /// Name of the caller
        name: String,
        /// Name or GUID of the role
        #[arg(long)]
        role: String,
        /// Id of a subscription, a resource group or a resource [default: the subscription]; repeatable
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// List the callers and their roles
    List,
    /// Delete a caller and its role assignments
    Delete {
        /// Name of the caller
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum SandboxCommand {
    /// Serve the sandbox on loopback for other clients
    #[command(after_help = SERVE)]
    Serve {
        /// File to write as soon as the sandbox is ready
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
        /// Address to listen on [default: loopback, on the last port if it is free]
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<SocketAddr>,
        /// Use a real cluster in place of one of the sandbox's: the current context of a kubeconfig; repeatable
        #[arg(id = STAND_INS, long = "cluster", value_name = "[NAME=]KUBECONFIG", value_parser = stand_in)]
        clusters: Vec<StandIn>,
        /// Components that the sandbox does not simulate, because you run real ones
        #[arg(long, value_name = "COMPONENTS", value_delimiter = ',')]
        without: Vec<SandboxComponent>,
        /// Print a line for each request: time, caller, request, status, duration
        #[arg(long)]
        log: bool,
        /// Serve the metadata service of a cluster's node in plain HTTP [default NAME: aks-mi]; repeatable
        #[arg(long, value_name = "[NAME=]ADDR:PORT", value_parser = node)]
        imds: Vec<Node>,
    },
    /// Reset the sandbox without asking; real clusters are not touched
    Reset,
    /// Print the environment variables with which az, kubectl and SDKs use the sandbox
    Env,
    /// Add, list and delete callers: service principals with roles of their own
    #[command(subcommand)]
    Caller(CallerCommand),
    /// Print the azure.json of a cluster's nodes, with which a real MIC logs in
    CloudConfig {
        /// Name of the cluster
        #[arg(value_name = "CLUSTER", default_value = CLUSTER)]
        cluster: String,
    },
    /// Print the content of the sandbox as JSON
    Export,
    /// Print the custom resource definitions as YAML, for `kubectl apply -f -`
    Crds,
}
