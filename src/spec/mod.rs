//! What a user wants: `model` (the file), `wish` (one command), `load` (reading, with places), `names` (the rules), `expand` (into a graph, pure).

mod check;
pub mod expand;
pub mod known;
pub mod load;
pub mod model;
pub mod names;
pub mod request;
mod source_map;
pub mod suggest;
