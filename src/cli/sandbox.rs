//! `podid sandbox`.

use clap::Subcommand;
use std::{net::SocketAddr, path::PathBuf};

#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum SandboxCommand {
    /// Serve the sandbox on loopback, for any client: eval "$(podid sandbox env)"
    Serve {
        /// Written as soon as it serves
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
        /// Where to listen
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Begin again with a new world; asks nothing
    Reset,
    /// Print the environment in which az, kubectl and SDKs use the sandbox
    Env,
    /// Print the sandbox's world as JSON
    Export,
    /// Print the custom resource definitions that podid's objects need, as YAML for kubectl apply -f -
    Crds,
}
