//! Failures as people see them: what went wrong, why, and what to run next. `explain` converts the errors of all modules.

mod azure;
mod blocked;
mod cluster;
mod clusters;
mod explain;
mod helm;
mod image;
mod message;

pub use explain::{explain, of_node};
pub use message::Failure;
