//! The facts about a cluster that it gets when it starts: names, credentials, keys. They do not change while the cluster runs.

use crate::rsa::Key;
use std::sync::Arc;

/// The key that signs service account tokens. It is generated on first use, which takes a moment.
pub trait TokenKeys: Send + Sync {
    /// Returns the key, and generates it if there is none.
    fn signing(&self) -> Result<Arc<Key>, String>;
    /// Returns the key if there is one: without it no token was ever signed.
    fn known(&self) -> Option<Arc<Key>>;
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
    /// The issuer of service account tokens, also their default audience: an `https` URL.
    pub issuer: String,
    pub jwks_uri: String,
    pub keys: Arc<dyn TokenKeys>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("name", &self.name).field("fqdn", &self.fqdn).finish_non_exhaustive()
    }
}
