//! What podid remembers of its actions. It never replaces an observation.

pub use super::terms::Origin;
use super::{
    input::{KnownOutputs, Outputs},
    key::Key,
    terms::{Act, Requester},
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub app: String,
    pub key: Key,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub by: Requester,
    pub origin: Origin,
    /// The spec with its references, which determine the order of deletions.
    pub spec: Arc<Value>,
    /// The spec with the values of its references, so that a deletion works after a parent was deleted.
    pub placed: Arc<Value>,
    #[serde(default)]
    pub outputs: Outputs,
    /// The former places that are still to be deleted; there is more than one after killed runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<FormerPlace>,
    /// The action that was started and may not have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Act>,
}

/// A former place of an object, with the entry of that time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormerPlace {
    pub placed: Arc<Value>,
    pub origin: Origin,
    #[serde(default)]
    pub outputs: Outputs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Act>,
}

impl Entry {
    /// Returns this entry as a former place, for an object that moves to another place.
    pub fn leave(&self) -> FormerPlace {
        FormerPlace { placed: self.placed.clone(), origin: self.origin, outputs: self.outputs.clone(), doing: self.doing }
    }
}

/// The entries by app and key. Clones share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger(BTreeMap<String, BTreeMap<Key, Arc<Entry>>>);

/// A change of one entry. A ledger is saved change by change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerChange {
    Put(#[serde(with = "shared")] Arc<Entry>),
    Forget { app: String, key: Key },
}

/// Serializes a shared entry like an owned one.
mod shared {
    use super::Entry;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub fn serialize<S: Serializer>(entry: &Arc<Entry>, serializer: S) -> Result<S::Ok, S::Error> {
        Entry::serialize(entry, serializer)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Entry>, D::Error> {
        Entry::deserialize(deserializer).map(Arc::new)
    }
}

impl Ledger {
    pub fn get(&self, app: &str, key: &Key) -> Option<&Entry> {
        self.0.get(app)?.get(key).map(Arc::as_ref)
    }
    pub fn put(&mut self, entry: impl Into<Arc<Entry>>) {
        let entry = entry.into();
        // the app's name is copied for its first entry only
        let entries = match self.0.get_mut(&entry.app) {
            Some(entries) => entries,
            None => self.0.entry(entry.app.clone()).or_default(),
        };
        entries.insert(entry.key.clone(), entry);
    }
    pub fn forget(&mut self, app: &str, key: &Key) -> Option<Arc<Entry>> {
        let entries = self.0.get_mut(app)?;
        let forgotten = entries.remove(key);
        if entries.is_empty() {
            self.0.remove(app);
        }
        forgotten
    }
    pub fn apply(&mut self, change: LedgerChange) {
        match change {
            LedgerChange::Put(entry) => self.put(entry),
            LedgerChange::Forget { app, key } => drop(self.forget(&app, &key)),
        }
    }
    /// Returns whether the ledger already has this change.
    pub fn has(&self, change: &LedgerChange) -> bool {
        match change {
            LedgerChange::Put(entry) => self.get(&entry.app, &entry.key) == Some(&**entry),
            LedgerChange::Forget { app, key } => self.get(app, key).is_none(),
        }
    }
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values().flat_map(BTreeMap::values).map(Arc::as_ref)
    }
    pub fn of_app(&self, app: &str) -> impl Iterator<Item = &Entry> {
        self.0.get(app).into_iter().flat_map(BTreeMap::values).map(Arc::as_ref)
    }
    pub fn apps(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
    /// Returns the last recorded outputs of the app's resources.
    pub fn known(&self, app: &str) -> KnownOutputs {
        self.of_app(app).map(|e| (e.key.clone(), Arc::new(e.outputs.clone()))).collect()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Entry> for Ledger {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut ledger = Self::default();
        entries.into_iter().for_each(|e| ledger.put(e));
        ledger
    }
}

/// Saves a ledger. The module `state` implements it with files.
pub trait LedgerStore: Send + Sync {
    /// Saves these changes together, in the order of the calls. The future ends when they are on the disk. After one failure, every later
    /// call fails.
    fn record(&self, changes: Vec<LedgerChange>) -> BoxFuture<'static, Result<(), String>>;
    /// Ends a run. It is called once, after the last change.
    fn finish(&self) -> BoxFuture<'static, Result<(), String>>;
}
