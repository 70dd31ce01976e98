//! The sandbox as podid uses it: opened for `--sandbox`, and asked by `podid sandbox`. With the feature `sandbox` it is there (`built_in`),
//! without it each use of it is refused (`left_out`). The rest of podid knows only what is the same in both.

#[cfg(feature = "sandbox")]
mod built_in;
#[cfg(not(feature = "sandbox"))]
mod left_out;

#[cfg(feature = "sandbox")]
pub use built_in::{Sandbox, command};
#[cfg(not(feature = "sandbox"))]
pub use left_out::{Sandbox, command};

use crate::{exit::Exit, failure::Failure};

/// One YAML document for each.
fn definitions() -> Result<String, Failure> {
    let mut text = String::new();
    for crd in podid_crds::all() {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&crd).map_err(|e| Failure::new(Exit::Bug, e.to_string()))?);
    }
    Ok(text)
}
