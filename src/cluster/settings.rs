//! Where the cluster is found, and how it is talked to.

use super::login::PluginOutput;
use std::time::Duration;

/// Where the cluster is found. All of it plain data, from flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A path, or a list of them as in KUBECONFIG; None: KUBECONFIG, then ~/.kube/config, then in-cluster.
    pub kubeconfig: Option<String>,
    pub context: Option<String>,
    /// The limit of each request with its tries, and of the connection; default 30 s.
    pub timeout: Option<Duration>,
    /// The limit of requests that belong together (the pages of a list, the polls of a deletion); default 10 minutes.
    pub whole: Option<Duration>,
    /// Most requests (and connections) at once.
    pub parallelism: usize,
    /// Receives what a login command prints for the person at the terminal.
    pub plugin_output: PluginOutput,
}
