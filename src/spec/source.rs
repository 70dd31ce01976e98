//! Where a secret's value comes from, as a spec says it.

use crate::resources::values::SecretSource;
use serde::Deserialize;
use std::path::PathBuf;

/// Where a secret's value comes from, in the spec's own words; never the value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SourceSpec {
    /// A file; relative to the spec. Its bytes are taken as they are.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// Asked on the terminal once, and then kept.
    Prompt(bool),
    /// Made by podid once: this many characters.
    Generate(u32),
}

impl SourceSpec {
    pub fn source(&self) -> SecretSource {
        match self {
            Self::File(path) => SecretSource::File(path.clone()),
            Self::Env(name) => SecretSource::Env(name.clone()),
            Self::Prompt(_) => SecretSource::Prompt,
            Self::Generate(length) => SecretSource::Generate(*length),
        }
    }
}
