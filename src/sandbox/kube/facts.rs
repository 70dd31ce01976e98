//! The facts about a cluster that it gets when it starts: names, credentials, keys. Only the issuer changes while the cluster runs.

use crate::{program_logs::ProgramLogs, rsa::Key};
use std::sync::{Arc, OnceLock};

/// The key that signs service account tokens. It is generated on first use, which takes a moment.
pub trait TokenKeys: Send + Sync {
    /// Returns the key, and generates it if there is none.
    fn signing(&self) -> Result<Arc<Key>, String>;
    /// Returns the key if there is one: without it no token was ever signed.
    fn known(&self) -> Option<Arc<Key>>;
}

/// The issuer of service account tokens, which is also their default audience. It is the API server until a public address of its documents
/// is given; tokens of the API server are still accepted then.
#[derive(Debug)]
pub struct Issuer {
    /// `https://FQDN`.
    server: String,
    public: OnceLock<String>,
}

impl Issuer {
    pub fn new(server: String, public: Option<String>) -> Self {
        Self { server, public: public.map_or_else(OnceLock::new, OnceLock::from) }
    }

    /// Sets the public address, unless there is one: it cannot be taken back.
    pub fn publish(&self, url: &str) {
        let _ = self.public.set(url.to_owned());
    }

    /// Returns the issuer of new tokens.
    pub fn current(&self) -> &str {
        self.public.get().unwrap_or(&self.server)
    }

    /// Returns all issuers whose tokens are accepted.
    pub fn accepted(&self) -> Vec<String> {
        let mut all = vec![self.current().to_owned()];
        if self.current() != self.server {
            all.push(self.server.clone());
        }
        all
    }

    pub fn jwks_uri(&self) -> String {
        match self.public.get() {
            Some(public) => format!("{}/openid/v1/jwks", public.trim_end_matches('/')),
            None => format!("{}:443/openid/v1/jwks", self.server),
        }
    }
}

/// The facts that a cluster gets when it starts.
#[derive(Clone)]
pub struct Facts {
    pub name: String,
    pub fqdn: String,
    /// The name of the cluster's one node.
    pub node: String,
    /// The resource group of the nodes.
    pub node_group: String,
    /// For example `azure:///subscriptions/…`.
    pub provider_id: String,
    /// The bearer of this token is in `system:masters`.
    pub admin_token: String,
    /// The certificate authority of the server's certificate.
    pub ca_pem: String,
    pub uid_seed: String,
    /// Whether a new cluster is as AKS makes it, without the components of a lab.
    pub bare: bool,
    pub issuer: Arc<Issuer>,
    pub keys: Arc<dyn TokenKeys>,
    /// Of the programs in its pods that are played.
    pub logs: ProgramLogs,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("name", &self.name).field("fqdn", &self.fqdn).finish_non_exhaustive()
    }
}
