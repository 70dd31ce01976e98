//! What podid remembers of what it did: a memory, never a truth. It never spares an observation.

use super::{
    desired::By,
    input::{Known, Outputs},
    key::Key,
    plan::Act,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
    pub by: By,
    pub origin: Origin,
    /// The spec as it was, with its references: removal has an order.
    pub spec: Value,
    /// The same with the values that the references had: removal works when a parent is gone.
    pub placed: Value,
    #[serde(default)]
    pub outputs: Outputs,
    /// Where it was put before, as long as that is still to be cleared away; more than one after runs that were killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// The action that was begun and is not known to have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Act>,
}

/// A former place of a thing, and what the ledger said of it there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    pub placed: Value,
    pub origin: Origin,
    #[serde(default)]
    pub outputs: Outputs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Act>,
}

impl Entry {
    /// What this entry says of the place where it is, should the thing go to another one.
    pub fn leave(&self) -> Left {
        Left { placed: self.placed.clone(), origin: self.origin, outputs: self.outputs.clone(), doing: self.doing }
    }
}

/// Entries by app and key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger(BTreeMap<(String, Key), Entry>);

impl Ledger {
    pub fn get(&self, app: &str, key: &Key) -> Option<&Entry> {
        self.0.get(&(app.to_owned(), key.clone()))
    }
    pub fn put(&mut self, entry: Entry) {
        self.0.insert((entry.app.clone(), entry.key.clone()), entry);
    }
    pub fn forget(&mut self, app: &str, key: &Key) -> Option<Entry> {
        self.0.remove(&(app.to_owned(), key.clone()))
    }
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }
    pub fn of_app<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.0.values().filter(move |e| e.app == app)
    }
    pub fn apps(&self) -> Vec<&str> {
        let mut apps: Vec<&str> = self.0.keys().map(|(app, _)| app.as_str()).collect();
        apps.dedup();
        apps
    }
    /// What the app's resources published when they were last seen.
    pub fn known(&self, app: &str) -> Known {
        self.of_app(app).map(|e| (e.key.clone(), e.outputs.clone())).collect()
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

/// Where a ledger is saved; the state room writes a file.
pub trait Keeper: Send + Sync {
    fn save(&self, ledger: &Ledger) -> Result<(), String>;
}
