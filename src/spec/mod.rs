//! What a user wants: `model` (the file), `request` (one command), `load` (reading, with positions), `names` and `check` (the rules),
//! `reference` (what a text refers to), `expand` (into a `graph`, pure).

mod check;
pub use check::components::one as check_component;
pub mod complaint;
pub mod expand;
pub mod graph;
pub mod known;
pub mod load;
pub mod model;
pub mod names;
pub mod reference;
pub mod request;
mod source_map;
pub mod suggest;
