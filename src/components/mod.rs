//! The table of cluster components: a new component is one file and one line here. Everybody else asks the table.
//!
//! A component becomes three parts of a graph: the `installation`, which finds out whether somebody has installed it already; what installs
//! it, which is only wanted where the installation is podid's; and the `component`, which waits until it works.

pub mod component;
mod csi;
pub mod expand;
mod flexvolume;
mod ingress;
pub mod kept;
mod manifests;
mod pod_identity;
mod workload_identity;

use crate::engine::fault::Fault;
pub use component::{Component, Via};

static COMPONENTS: &[&dyn Component] =
    &[&pod_identity::PodIdentity, &csi::Csi, &flexvolume::FlexVolume, &workload_identity::WorkloadIdentity, &ingress::Ingress];

pub fn all() -> impl Iterator<Item = &'static dyn Component> {
    COMPONENTS.iter().copied()
}

/// The words of the spec and of `podid cluster install`.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(Component::name)
}

pub fn named(name: &str) -> Result<&'static dyn Component, Fault> {
    all().find(|component| component.name() == name).ok_or_else(|| {
        let known: Vec<&str> = names().collect();
        Fault::refused(format!("unknown component `{name}`"), format!("The known components are: {}.", known.join(", ")))
    })
}
