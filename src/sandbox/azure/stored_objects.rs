//! Keys and certificates of a vault as they are saved.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Clone, Serialize, Deserialize)]
pub struct VaultObject {
    pub name: String,
    pub versions: Vec<ObjectVersion>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct ObjectVersion {
    pub id: String,
    pub document: Map<String, Value>,
    pub created: i64,
}
