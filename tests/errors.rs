//! Every error that a user will meet, with the real program: what it says, what it tells to do next, and its exit code.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "errors/lab.rs"]
mod lab;

#[path = "errors/beside.rs"]
mod beside;
#[path = "errors/blocked.rs"]
mod blocked;
#[path = "errors/cluster.rs"]
mod cluster;
#[path = "errors/decisions.rs"]
mod decisions;
#[path = "errors/hostile.rs"]
mod hostile;
#[path = "errors/login.rs"]
mod login;
#[path = "errors/names.rs"]
mod names;
#[path = "errors/proof.rs"]
mod proof;
#[path = "errors/rights.rs"]
mod rights;
#[path = "errors/sandbox.rs"]
mod sandbox;
#[path = "errors/spec.rs"]
mod spec;
#[path = "errors/state.rs"]
mod state;
