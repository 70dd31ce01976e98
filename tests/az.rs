//! Unmodified az, with its stock cloud, on the sandbox: by the proxy, the CA and the login that `podid sandbox env` prints, and nothing else. What
//! it prints and refuses is held by meaning; what az says by itself is left to az.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

#[path = "az/commands.rs"]
mod commands;
#[path = "az/drift.rs"]
mod drift;
#[path = "az/labs.rs"]
mod labs;
#[path = "az/program.rs"]
mod program;
#[path = "az/roads.rs"]
mod roads;
#[path = "az/vaults.rs"]
mod vaults;
