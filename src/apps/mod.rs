//! Apps that podid deploys (`manifests`), and how existing ones are changed by hand (`patches`). Pure: trees of Kubernetes objects, no I/O.

pub mod manifests;
pub mod patches;
pub mod pods;
pub mod quantity;
pub mod rights;
