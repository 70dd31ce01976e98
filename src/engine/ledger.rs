//! What podid remembers of what it did: a memory, never a truth. It never spares an observation.

use super::{
    desired::Requester,
    input::{KnownOutputs, Outputs},
    key::Key,
    plan::Act,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// podid made it.
    Created,
    /// It was there and equal (or taken over by consent); not ours to delete.
    Adopted,
    /// Somebody else's, to which podid added something; only that is ours.
    Extended,
    /// It must be there and is only read.
    Existing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub app: String,
    pub key: Key,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub by: Requester,
    pub origin: Origin,
    /// The spec as it was, with its references: removal has an order.
    pub spec: Arc<Value>,
    /// The same with the values that the references had: removal works when a parent is gone.
    pub placed: Arc<Value>,
    #[serde(default)]
    pub outputs: Outputs,
    /// Where it was put before, as long as that is still to be cleared away; more than one after runs that were killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<FormerPlace>,
    /// The action that was begun and is not known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Act>,
}

/// A former place of a thing, and what the ledger said of it there.
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
    /// What this entry says of the place where it is, should the thing go to another one.
    pub fn leave(&self) -> FormerPlace {
        FormerPlace { placed: self.placed.clone(), origin: self.origin, outputs: self.outputs.clone(), doing: self.doing }
    }
}

/// Entries by app and key. Copies share them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger(BTreeMap<String, BTreeMap<Key, Arc<Entry>>>);

/// One entry that is written or removed: what a ledger is saved by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerChange {
    Put(#[serde(with = "shared")] Arc<Entry>),
    Forget { app: String, key: Key },
}

/// An entry as it is, however many have it.
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
    /// Whether the ledger is as it is after that change already.
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
    /// What the app's resources published when they were last seen.
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

/// Where a ledger is saved; the state room writes files.
pub trait LedgerStore: Send + Sync {
    /// Saves these changes together. They are taken in the order of the calls; the future ends when they are on the disk.
    /// Once it has failed, it fails for every later change.
    fn record(&self, changes: Vec<LedgerChange>) -> BoxFuture<'static, Result<(), String>>;
    /// Called once, after the last change of a run.
    fn finish(&self) -> BoxFuture<'static, Result<(), String>>;
}
