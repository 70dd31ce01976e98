//! Every error that a user can meet, with the real program: its message, its hint, and its exit code.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod lab;

mod beside;
mod blocked;
mod cluster;
mod decisions;
mod hostile;
mod login;
mod names;
mod proof;
mod rights;
mod sandbox;
mod spec;
mod state;
