//! The configuration of the components of one cluster.

use super::access::KubeAccess;
use crate::program_logs::ProgramLogs;

/// One cluster and its Azure. It holds credentials, so it is neither Debug nor Serialize.
#[derive(Clone)]
pub struct Config {
    /// The name of the managed cluster.
    pub cluster: String,
    /// The URL of the proxy to Azure: CONNECT for its hosts, absolute form for the metadata service.
    pub proxy: String,
    /// The CA of Azure's hosts behind that proxy.
    pub ca_pem: String,
    pub kube: KubeAccess,
    /// Whether this is an external cluster, whose nodes may have a kubelet of their own.
    pub foreign: bool,
    /// Whether a component works only while a pod of the cluster runs its image; otherwise it always works.
    pub by_workload: bool,
    pub tenant: String,
    /// The host of the cluster's token proxy for identity bindings.
    pub token_proxy: String,
    pub subscription: String,
    /// The resource group of the nodes.
    pub node_group: String,
    pub scale_set: String,
    /// The identity that MIC uses for ARM.
    pub login: Login,
    pub logs: ProgramLogs,
}

#[derive(Clone)]
pub enum Login {
    /// The kubelet's identity, by its client id.
    Managed {
        client_id: String,
    },
    ServicePrincipal {
        client_id: String,
        client_secret: String,
    },
}
