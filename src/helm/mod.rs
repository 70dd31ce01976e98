//! Runs the user's helm, the one program that podid starts beside login commands, and reads what helm stores in a cluster. It knows neither
//! the graph nor the cluster's client: the kind `helmrelease` connects them.

mod chart;
mod error;
mod guard;
mod program;
mod release;
#[cfg(test)]
mod tests;

pub use chart::ChartName;
pub use error::Error;
pub use guard::becomes_helm;
pub use program::{Call, Program};
pub use release::{History, Release, SECRET_TYPE, selector};
