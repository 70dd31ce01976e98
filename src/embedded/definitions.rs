//! `podid sandbox crds`: the custom resource definitions as YAML.

use crate::{exit::Exit, failure::Failure};

/// Returns one YAML document for each definition.
pub fn definitions() -> Result<String, Failure> {
    let mut text = String::new();
    for crd in podid_crds::all() {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&crd).map_err(|e| Failure::new(Exit::Bug, e.to_string()))?);
    }
    Ok(text)
}
