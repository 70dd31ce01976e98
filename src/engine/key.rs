//! What a resource is called in plans, state and references: `identity/claims-api-mid`. Made of names and parents' keys, never of values.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The kind's word first, then names: `Key::of("secret", ["kv", "sqldbconn"])`.
    pub fn of<'a>(kind: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = kind.to_owned();
        for name in names {
            text.push('/');
            text.push_str(name);
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first slash.
    pub fn kind(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The part after the first slash.
    pub fn names(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, names)| names)
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
