//! What a survey is of.

use crate::azure::ArmId;

/// What is to be read.
pub struct Scope<'a> {
    pub subscription: &'a ArmId,
    /// The managed cluster; None: Azure does not know it, or it could not be found there.
    pub cluster: Option<&'a ArmId>,
    /// Only workloads of this namespace; None: of all.
    pub namespace: Option<&'a str>,
}
