//! How a cluster's API server is reached, and as whom: what a kubeconfig says of it. Holds credentials, so no Debug.

use super::plugin::Plugin;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Default)]
pub struct KubeAccess {
    /// `https://HOST:PORT`.
    pub server: String,
    /// None: the machine's trust store decides.
    pub ca_pem: Option<String>,
    /// Whatever certificate it shows.
    pub insecure: bool,
    /// The name in its certificate, where that is not its host's, and the addresses of that host.
    pub named: Option<(String, Vec<SocketAddr>)>,
    pub proxy: Option<String>,
    pub token: Option<Token>,
    pub certificate: Option<Certificate>,
    pub plugin: Option<Arc<Plugin>>,
    /// Of somebody else, by `Impersonate-…`.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone)]
pub enum Token {
    Fixed(String),
    /// Read again now and then: who writes it renews it.
    File(PathBuf),
}

/// PEM.
#[derive(Clone, PartialEq)]
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

impl KubeAccess {
    /// The server's URL as requests are sent to it, without a slash at its end: by the name that its certificate has.
    pub(super) fn address(&self) -> String {
        let server = self.server.trim_end_matches('/');
        let Some((name, _)) = &self.named else { return server.to_owned() };
        let Ok(mut url) = url::Url::parse(server) else { return server.to_owned() };
        let _ = url.set_host(Some(name));
        url.as_str().trim_end_matches('/').to_owned()
    }
}
