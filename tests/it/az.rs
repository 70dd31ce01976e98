//! Unmodified az, with its stock cloud, on the sandbox: by the proxy, the CA and the login that `podid sandbox env` prints, and nothing else. What
//! it prints and refuses is held by meaning; what az says by itself is left to az.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod commands;
mod drift;
mod labs;
mod program;
mod roads;
mod vaults;
