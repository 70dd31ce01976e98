//! What a spec says of findings that do not count.

use serde::Deserialize;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuppressSpec {
    /// `PODID1234`
    pub code: String,
    /// Only findings about this resource; default: all.
    pub resource: Option<String>,
    pub reason: String,
}
