//! The API clients that `Read` and `Write` share.

use super::{arm::Arm, registry::Registries, secrets::Secrets};
use std::time::Duration;

/// The clients and settings that `Read` and `Write` share.
pub struct Clients {
    pub arm: Arm,
    pub secrets: Secrets,
    pub registries: Registries,
    pub limit: Duration,
}
