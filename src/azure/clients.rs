//! The API clients that `Read` and `Write` share.

use super::{arm::Arm, registry::Registries, secrets::Secrets};
use std::time::Duration;

/// The clients and settings that `Read` and `Write` share.
pub struct Clients {
    pub arm: Arm,
    pub secrets: Secrets,
    pub registries: Registries,
    /// The time limit of one call.
    pub limit: Duration,
    /// The limit that the user asked for.
    pub asked: Option<Duration>,
}

impl Clients {
    /// Returns the limit of a call that usually takes longer than others, unless the user asked for another one.
    pub fn limit_or(&self, usual: Duration) -> Duration {
        self.asked.unwrap_or(usual)
    }
}
