//! The request of the driver to the provider.

use std::collections::BTreeMap;

/// The name of the driver.
pub(crate) const DRIVER: &str = "secrets-store.csi.k8s.io";

/// What the provider must know about the pod and its volume.
pub(crate) struct MountRequest<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) pod_uid: &'a str,
    pub(crate) node: &'a str,
    pub(crate) service_account: &'a str,
    pub(crate) parameters: &'a BTreeMap<String, String>,
    /// The contents of nodePublishSecretRef.
    pub(crate) secret: Option<BTreeMap<String, String>>,
}
