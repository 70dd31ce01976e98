//! All tests that run the real program, in one binary so that it is linked once. `common` makes the worlds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says how far it came"
)]

#[macro_use]
mod common;

mod api;
mod app;
mod az;
mod bare;
mod callers;
mod clusters;
mod components;
mod conformance;
mod control_plane;
mod counts;
mod deliveries;
mod diff;
mod doctor;
mod drift;
mod errors;
mod faults;
mod federations;
mod five_labs;
mod imports;
mod inventory;
mod kubectl;
mod labs;
mod lifecycle;
mod modes;
mod mounted;
mod ownership;
mod pod_identity_addon;
mod printed;
mod probe;
mod proofs;
mod prune;
mod rbac;
mod references;
mod rehearsals;
mod reports;
mod sdk;
mod secrets;
mod service;
mod sharing;
mod stand_ins;
mod steps;
mod storage;
mod takeover;
mod together;
mod trouble;
mod vault_data;
mod webhook;
mod workload_id;
