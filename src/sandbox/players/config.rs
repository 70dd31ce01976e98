//! What the players of one cluster are told at start.

use super::access::KubeAccess;

/// One cluster and the Azure it belongs to. Holds credentials: neither Debug nor Serialize.
#[derive(Clone)]
pub struct Config {
    /// The managed cluster's name.
    pub cluster: String,
    /// URL of the proxy that leads to Azure: CONNECT for its hosts, absolute form for the metadata service.
    pub proxy: String,
    /// Who signs for Azure's hosts behind that proxy.
    pub ca_pem: String,
    pub kube: KubeAccess,
    /// Somebody else's: a node there may have a kubelet of its own.
    pub foreign: bool,
    pub tenant: String,
    pub subscription: String,
    /// The resource group of the nodes.
    pub node_group: String,
    pub scale_set: String,
    /// As whom MIC calls ARM.
    pub login: Login,
}

#[derive(Clone)]
pub enum Login {
    /// The kubelet identity, by its client id.
    Managed {
        client_id: String,
    },
    ServicePrincipal {
        client_id: String,
        client_secret: String,
    },
}
