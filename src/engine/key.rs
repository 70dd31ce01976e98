//! The key of a resource in plans, state and references: `identity/claims-api-mid`. It consists of names and parents' keys, never of values.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// A key keeps its spelling and is compared without regard to case: for Azure, `kv-shop` and `KV-Shop` are one vault, so both must be one
/// node and one entry in the state. Names in Kubernetes are lower case (RFC 1123), so this merges none of them; a kind with case-sensitive
/// names distinguishes two objects by their `place`.
#[derive(Clone)]
pub struct Key {
    text: String,
    /// The key in lower case. None if the text has no upper-case letter.
    folded: Option<String>,
}

impl Key {
    /// Makes a key of a kind and names: `Key::of("secret", ["kv", "sqldbconn"])`.
    pub fn of<'a>(kind: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = kind.to_owned();
        for name in names {
            text.push('/');
            text.push_str(name);
        }
        Self::from(text)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the lower-case spelling, which all spellings of this key share.
    pub fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.text)
    }

    /// Returns the part before the first slash.
    pub fn kind(&self) -> &str {
        self.text.split('/').next().unwrap_or_default()
    }

    /// Returns the part after the first slash.
    pub fn names(&self) -> &str {
        self.text.split_once('/').map_or("", |(_, names)| names)
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        let lower = text.to_lowercase();
        let folded = (lower != text).then_some(lower);
        Self { text, folded }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}
impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn two_spellings_are_one_key_and_each_is_shown_as_it_was_written() {
        let (one, other) = (Key::of("vault", ["KV-Shop"]), Key::from("vault/kv-shop"));
        assert_eq!(one, other);
        assert_eq!((one.to_string(), other.to_string()), ("vault/KV-Shop".into(), "vault/kv-shop".into()));
        assert_eq!([one.clone(), other.clone()].into_iter().collect::<BTreeSet<_>>().len(), 1);
        assert_eq!([one.clone(), other].into_iter().collect::<HashSet<_>>().len(), 1);
        assert_eq!(serde_json::to_string(&one).ok().as_deref(), Some("\"vault/KV-Shop\""));
    }
}
