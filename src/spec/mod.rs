//! What a user wants: `model` (the file), `request` (one command), `load` (reading, with positions), `names` and `check` (the rules),
//! `reference` (what a text refers to), `settings` (what a mode or a delivery adds to a workload, read by `fields`), `expand` (into a
//! `graph`, pure).

pub mod app;
mod check;
pub use check::components::one as check_component;
pub mod claim;
pub mod cluster;
pub mod complaint;
pub mod creation;
pub mod expand;
mod fields;
pub mod graph;
pub mod known;
mod known_from_spec;
pub mod load;
pub mod model;
pub mod mounts;
pub mod names;
pub mod reference;
pub mod request;
pub mod settings;
pub mod source;
mod source_map;
pub mod suggest;
pub mod vault_model;
pub mod workload_name;
