//! MIC, NMI, the CSI driver with its Azure provider, and kubelet, simulated as HTTP clients of the Kubernetes API and of Azure, like the
//! real ones. They therefore also work on a real cluster, and do not depend on the rest of the sandbox.
//!
//! `wire` is the client of Azure, `kube`, `access` and `plugin` that of the cluster. `mirror` lists, `flow` and `definition` watch, `activity` tracks work,
//! `events` writes events. `mic` and `arm` assign identities, `nmi` and `federation` get tokens, `service_account` those of Kubernetes,
//! `driver`, `provider` and `flexvolume` mount secrets, `kubelet` and `nodes` run pods, `pod_check` is what one container does. `addresses` and `gateways` make Services and Gateways reachable.
//! `workloads` finds out which of them a cluster has, where that depends on its pods; `klog` formats the lines of their logs.

mod access;
mod activity;
mod addresses;
mod arm;
mod config;
mod definition;
mod driver;
mod events;
mod federation;
mod flexvolume;
mod flow;
mod gateways;
mod klog;
mod kube;
mod kubelet;
mod mic;
mod mirror;
mod nmi;
mod nodes;
mod plugin;
mod pod_check;
mod probe;
mod provider;
mod service_account;
mod tasks;
#[cfg(test)]
mod tests;
mod wire;
mod workloads;

pub use access::{KubeAccess, Token};
pub use config::{Config, Login};
pub(super) use kube::{KubeClient, KubeError};
pub use plugin::{Certificate, Plugin};
pub use tasks::RunningComponents;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    Mic,
    Nmi,
    /// The driver, its provider and kubelet.
    Csi,
    /// What gives Services and Gateways their addresses.
    Network,
}

/// Starts components. It requires a tokio runtime and an installed TLS provider. A component with an invalid configuration (such as a CA
/// that is not PEM) is not started, and an error is logged.
pub fn start(config: Config, which: &[Component]) -> RunningComponents {
    let mut components = RunningComponents::new();
    let nmi = if which.contains(&Component::Nmi) { components.start_component("nmi", |p| nmi::Nmi::start(&config, p)) } else { None };
    if which.contains(&Component::Mic) {
        components.start_component("mic", |p| mic::start(&config, p));
    }
    if which.contains(&Component::Csi) {
        components.start_component("csi", |p| kubelet::start(&config, nmi, p));
    }
    if which.contains(&Component::Network) {
        components.start_component("cloud controller", |p| addresses::start(&config, p));
        components.start_component("gateway controller", |p| gateways::start(&config, p));
    }
    components
}
