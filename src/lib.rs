//! The map of the house.
pub mod azure;
pub mod cluster;
pub mod engine;
pub mod proof;
pub mod resources;
pub mod sandbox;
pub mod spec;
