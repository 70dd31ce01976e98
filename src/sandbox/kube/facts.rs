//! What a cluster is told about itself when it starts. Everything here is given from outside and never changes while the cluster runs.

use crate::rsa::Key;
use std::sync::Arc;

/// Where the key is that signs the tokens. It is made when it is first needed: that takes a moment.
pub trait TokenKeys: Send + Sync {
    /// Made if there is none.
    fn signing(&self) -> Result<Arc<Key>, String>;
    /// None: nothing was ever signed.
    fn known(&self) -> Option<Arc<Key>>;
}

/// What a cluster is told about itself.
#[derive(Clone)]
pub struct Facts {
    pub name: String,
    pub fqdn: String,
    /// The name of its one node.
    pub node: String,
    /// The resource group of its nodes.
    pub node_group: String,
    /// `azure:///subscriptions/…`
    pub provider_id: String,
    /// A bearer of this token is in `system:masters`.
    pub admin_token: String,
    /// Of those who sign the server's certificate.
    pub ca_pem: String,
    pub uid_seed: String,
    /// Of service account tokens, also their default audience: an `https` URL.
    pub issuer: String,
    pub jwks_uri: String,
    pub keys: Arc<dyn TokenKeys>,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("name", &self.name).field("fqdn", &self.fqdn).finish_non_exhaustive()
    }
}
