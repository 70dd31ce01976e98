//! The API clients that `Read` and `Write` share.

use super::{arm::Arm, secrets::Secrets};
use std::time::Duration;

/// The clients and settings that `Read` and `Write` share.
pub struct Clients {
    pub arm: Arm,
    pub secrets: Secrets,
    pub limit: Duration,
}
