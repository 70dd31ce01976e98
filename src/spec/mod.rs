//! What a user wants: `model` (the file), `wish` (one command), `load` (reading, with places), `names` (the rules), `expand` (into a graph, pure).

mod check;
pub mod expand;
pub mod load;
mod marks;
pub mod memory;
pub mod model;
pub mod names;
pub mod near;
pub mod wish;
