//! Names of the CSI driver's objects.

use crate::resources::{manifested::Manifested as _, secret_provider_class::SecretProviderClass};

pub const CLASS: &str = SecretProviderClass::KIND;
/// The API group of its custom resources.
pub const GROUP: &str = "secrets-store.csi.x-k8s.io";
/// Kind and plural of the status in which the driver reports what it mounted.
pub const STATUS: (&str, &str) = ("SecretProviderClassPodStatus", "secretproviderclasspodstatuses");
/// As volumes name it.
pub const DRIVER: &str = "secrets-store.csi.k8s.io";
