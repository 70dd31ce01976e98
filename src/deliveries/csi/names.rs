//! Names of the CSI driver's objects.

use crate::resources::{manifest::Manifested as _, secret_provider_class::SecretProviderClass};

pub const CLASS: &str = SecretProviderClass::KIND;
/// Kind and plural of the status in which the driver reports what it mounted.
pub const STATUS: (&str, &str) = ("SecretProviderClassPodStatus", "secretproviderclasspodstatuses");
