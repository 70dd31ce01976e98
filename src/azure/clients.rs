//! The clients of the APIs, which reading and writing share.

use super::{arm::Arm, secrets::Secrets};
use std::time::Duration;

/// What `Read` and `Write` share.
pub struct Clients {
    pub arm: Arm,
    pub secrets: Secrets,
    pub limit: Duration,
}
