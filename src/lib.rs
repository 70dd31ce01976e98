//! The map of the house.
pub mod azure;
pub mod cli;
pub mod cluster;
pub mod engine;
pub mod exit;
pub mod failure;
pub mod output;
pub mod proof;
pub mod resources;
pub mod sandbox;
pub mod spec;
pub mod state;
