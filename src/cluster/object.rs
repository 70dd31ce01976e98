//! Kinds of objects and references to objects, as far as a URL needs them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The field manager of everything that podid writes.
pub const FIELD_MANAGER: &str = "podid";

/// A kind of object, as far as a URL needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Api {
    /// The API group; empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
}

impl Api {
    pub fn new(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into(), plural: plural.into() }
    }
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A kind with its scope, as a server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub api: Api,
    pub namespaced: bool,
}

/// A reference to one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    pub api: Api,
    /// The namespace; None for cluster-scoped kinds.
    pub namespace: Option<String>,
    pub name: String,
}

/// The result of a dry run of an apply.
#[derive(Clone, Debug)]
pub enum Preview {
    /// The object as it would be stored.
    Object(Value),
    /// Fields that other managers own: (field path, manager).
    Conflicts(Vec<(String, String)>),
}
