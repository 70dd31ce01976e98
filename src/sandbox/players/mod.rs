//! MIC, NMI, the CSI driver with its Azure provider, and kubelet, played as HTTP clients of the Kubernetes API and of Azure, as the real ones
//! are: so they also work on a cluster that is a real one. They know nothing of the sandbox's insides.
//!
//! `wire` the way to Azure · `kube` `access` `plugin` the way to the cluster · `mirror` list and watch · `activity` who has work · `events` · `arm` `mic` the identities of the nodes ·
//! `nmi` tokens for pods · `provider` Key Vault · `driver` SecretProviderClasses · `kubelet` pods · `nodes` whose nodes are played.

mod access;
mod activity;
mod arm;
mod config;
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
mod tasks;
#[cfg(test)]
mod tests;
mod wire;

pub use access::{KubeAccess, Token};
pub use config::{Config, Login};
pub(super) use kube::{Kube, Refusal};
pub use plugin::{Certificate, Plugin};
pub use tasks::Players;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Mic,
    Nmi,
    /// The driver, its provider and kubelet.
    Csi,
}

/// Within a tokio runtime, and after a TLS provider has been installed. A setting that cannot be used (a CA that is no PEM) is logged, and that
/// player stays away.
pub fn start(config: Config, which: &[Which]) -> Players {
    let mut players = Players::new();
    let nmi = if which.contains(&Which::Nmi) { players.enter("nmi", |p| nmi::Nmi::start(&config, p)) } else { None };
    if which.contains(&Which::Mic) {
        players.enter("mic", |p| mic::start(&config, p));
    }
    if which.contains(&Which::Csi) {
        players.enter("csi", |p| kubelet::start(&config, nmi, p));
    }
    players
}
