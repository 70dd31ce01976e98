//! The sandbox as podid uses it, for `--sandbox` and `podid sandbox`. With the feature `sandbox` it is built in; without it every use is
//! an error. The rest of podid uses only what both variants have.

#[cfg(feature = "sandbox")]
mod built_in;
mod definitions;
#[cfg(not(feature = "sandbox"))]
mod left_out;

#[cfg(feature = "sandbox")]
pub use built_in::{Sandbox, command};
#[cfg(not(feature = "sandbox"))]
pub use left_out::{Sandbox, command};
