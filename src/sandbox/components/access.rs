//! How the API server of a cluster is reached, and with which credentials, as a kubeconfig says. It holds credentials, so it has no Debug.

use super::plugin::{Certificate, Plugin};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Default)]
pub struct KubeAccess {
    /// `https://HOST:PORT`.
    pub server: String,
    /// If None, the system's trust store is used.
    pub ca_pem: Option<String>,
    /// Accepts any certificate of the server.
    pub insecure: bool,
    /// The name in the server's certificate, if it differs from the host, and the addresses of the host.
    pub named: Option<(String, Vec<SocketAddr>)>,
    pub proxy: Option<String>,
    pub token: Option<Token>,
    pub certificate: Option<Certificate>,
    pub plugin: Option<Arc<Plugin>>,
    /// `Impersonate-…` headers.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone)]
pub enum Token {
    Fixed(String),
    /// Read again from time to time, because another program may renew it.
    File(PathBuf),
}

impl KubeAccess {
    /// Returns the server's URL for requests, without a slash at its end and with the name that its certificate has.
    pub(super) fn address(&self) -> String {
        let server = self.server.trim_end_matches('/');
        let Some((name, _)) = &self.named else { return server.to_owned() };
        let Ok(mut url) = url::Url::parse(server) else { return server.to_owned() };
        let _ = url.set_host(Some(name));
        url.as_str().trim_end_matches('/').to_owned()
    }
}
