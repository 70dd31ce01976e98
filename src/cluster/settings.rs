//! The settings for finding a cluster and connecting to it.

use super::login::PluginOutput;
use std::time::Duration;

/// The settings for finding a cluster and connecting to it: plain data from flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A path, or a list of paths as in KUBECONFIG. None means KUBECONFIG, then ~/.kube/config, then in-cluster.
    pub kubeconfig: Option<String>,
    pub context: Option<String>,
    /// A proxy for clusters whose kubeconfig comes from Azure, which names none.
    pub proxy: Option<String>,
    /// The time limit of each request with its tries, and of connecting; default 30 s.
    pub timeout: Option<Duration>,
    /// The time limit of requests that belong together (the pages of a list, the polls of a deletion); default 10 minutes.
    pub whole: Option<Duration>,
    /// The highest number of requests (and connections) at a time.
    pub parallelism: usize,
    /// Receives what a login command prints for the person at the terminal.
    pub plugin_output: PluginOutput,
}
