//! What the driver asks of the provider.

use std::collections::BTreeMap;

/// What the driver hands over.
pub(crate) struct Request<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) pod_uid: &'a str,
    pub(crate) service_account: &'a str,
    pub(crate) parameters: &'a BTreeMap<String, String>,
    /// Of nodePublishSecretRef.
    pub(crate) secret: Option<BTreeMap<String, String>>,
}
