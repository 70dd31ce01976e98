//! MIC, NMI, the CSI driver with its Azure provider, and kubelet, played as HTTP clients of the Kubernetes API and of Azure, as the real ones
//! are: so they also work on a cluster that is a real one. They know nothing of the sandbox's insides.
//!
//! `wire` the way to Azure · `kube` `access` `plugin` the way to the cluster · `mirror` list and watch · `desk` who has work · `events` · `arm` `mic` the identities of the nodes ·
//! `nmi` tokens for pods · `provider` Key Vault · `driver` SecretProviderClasses · `kubelet` pods · `nodes` whose nodes are played.

mod access;
mod arm;
mod desk;
mod driver;
mod events;
mod kube;
mod kubelet;
mod mic;
mod mirror;
mod nmi;
mod nodes;
mod plugin;
mod provider;
#[cfg(test)]
mod tests;
mod wire;

pub use access::{Certificate, KubeAccess, Token};
pub(super) use kube::{Kube, Refusal};
pub use plugin::Plugin;

use desk::Desk;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Mic,
    Nmi,
    /// The driver, its provider and kubelet.
    Csi,
}

/// Those who play, until they are stopped or dropped.
pub struct Players {
    desks: Vec<Arc<Desk>>,
    tasks: JoinSet<()>,
}

/// Within a tokio runtime, and after a TLS provider has been installed. A setting that cannot be used (a CA that is no PEM) is logged, and that
/// player stays away.
pub fn start(config: Config, which: &[Which]) -> Players {
    let mut players = Players { desks: Vec::new(), tasks: JoinSet::new() };
    let nmi = if which.contains(&Which::Nmi) { players.enter("nmi", |p| nmi::Nmi::start(&config, p)) } else { None };
    if which.contains(&Which::Mic) {
        players.enter("mic", |p| mic::start(&config, p));
    }
    if which.contains(&Which::Csi) {
        players.enter("csi", |p| kubelet::start(&config, nmi, p));
    }
    players
}

impl Players {
    /// Nothing is in flight and all that was seen is dealt with, or waits for the next try at a broken link.
    pub fn idle(&self) -> bool {
        self.desks.iter().all(|desk| desk.idle())
    }

    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    fn enter<T>(&mut self, name: &str, start: impl FnOnce(&mut Self) -> Result<T, String>) -> Option<T> {
        start(self).map_err(|e| tracing::error!("{name} cannot play: {e}")).ok()
    }

    fn desk(&mut self) -> Arc<Desk> {
        let desk = Arc::new(Desk::default());
        self.desks.push(desk.clone());
        desk
    }

    fn play(&mut self, what: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(what);
    }
}

/// A task that ends when this is dropped.
struct Leash(JoinHandle<()>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort();
    }
}
