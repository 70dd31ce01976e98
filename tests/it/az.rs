//! The unmodified az, with its default cloud, against the sandbox. It gets the proxy, the CA and the login that `podid sandbox env` prints, and
//! nothing else. The tests compare the meaning of its output and not its wording.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod commands;
mod drift;
mod labs;
pub mod program;
mod roads;
mod vaults;
