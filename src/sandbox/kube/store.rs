//! All objects, the counter of their versions, and a bounded history of changes for watches. Does not look into objects.

use super::resource::{Catalog, Resource};
use crate::attempt::Undo;
use crate::table::{self, Kept, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// The number of changes that a watch can still get.
const MAX_HISTORY: usize = 2000;

/// The state that outlives the process. It holds Secrets: `Debug` shows counts only.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Objects by `plural.group/namespace/name`, in the storage version.
    pub objects: Table<Value>,
    /// The last resourceVersion that was assigned.
    pub version: u64,
    /// How often an object of each key was deleted: its next uid depends on it.
    #[serde(default)]
    pub generations: Table<u64>,
    /// How many names were generated from each prefix, and how many tokens for each service account.
    #[serde(default)]
    pub counters: Table<u64>,
}

impl State {
    fn tables(&mut self) -> [(&'static str, &mut dyn Kept); 3] {
        let Self { objects, version: _, generations, counters } = self;
        [("objects", objects), ("generations", generations), ("counters", counters)]
    }

    /// Returns whether there are changes since the last save.
    pub fn touched(&mut self) -> bool {
        self.tables().iter().any(|(_, table)| table.touched())
    }

    /// Returns the changes since the last call, by table, with the version.
    pub fn changes(&mut self) -> serde_json::Result<Map<String, Value>> {
        let mut all = table::changes(self.tables())?;
        if !all.is_empty() {
            all.insert("version".to_owned(), json!(self.version));
        }
        Ok(all)
    }

    pub fn apply(&mut self, mut changes: Map<String, Value>) -> serde_json::Result<()> {
        if let Some(version) = changes.remove("version") {
            self.version = serde_json::from_value(version)?;
        }
        table::apply(self.tables(), changes)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("version", &self.version).field("objects", &self.objects.len()).finish_non_exhaustive()
    }
}

/// One change of one object.
#[derive(Clone)]
pub struct Change {
    pub version: u64,
    pub key: String,
    pub old: Option<Arc<Value>>,
    pub new: Option<Arc<Value>>,
}

pub struct Store {
    pub state: State,
    pub catalog: Arc<Catalog>,
    history: VecDeque<Change>,
    /// The history holds all changes after this version.
    complete_since: u64,
    /// The version before the current transaction.
    before: u64,
}

impl Undo for Store {
    fn begin(&mut self) {
        self.before = self.state.version;
        self.state.tables().into_iter().for_each(|(_, table)| table.begin());
    }
    fn commit(&mut self) {
        self.state.tables().into_iter().for_each(|(_, table)| table.commit());
    }
    fn undo(&mut self) {
        self.state.tables().into_iter().for_each(|(_, table)| table.undo());
        self.state.version = self.before;
        let kept = self.history.partition_point(|change| change.version <= self.before);
        self.history.truncate(kept);
        self.complete_since = self.complete_since.min(self.before);
        self.read_catalog();
    }
}

pub fn key(resource: &Resource, namespace: Option<&str>, name: &str) -> String {
    // The events of both groups are the same objects.
    let qualified = if resource.group == "events.k8s.io" { "events".to_owned() } else { resource.qualified() };
    format!("{qualified}/{}/{name}", namespace.unwrap_or_default())
}

/// Splits a key into `plural.group`, namespace and name.
pub fn parts(key: &str) -> (&str, &str, &str) {
    let mut parts = key.splitn(3, '/');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

pub fn meta<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"][name].as_str().unwrap_or_default()
}

impl Store {
    pub fn new(state: State) -> Self {
        let mut store =
            Self { complete_since: state.version, before: state.version, state, catalog: Arc::default(), history: VecDeque::new() };
        store.read_catalog();
        store
    }

    fn read_catalog(&mut self) {
        self.catalog = Arc::new(Catalog::new(self.with_prefix("customresourcedefinitions.apiextensions.k8s.io/").map(|(_, crd)| crd)));
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.state.objects.get(key)
    }

    /// Returns all objects whose key starts with `prefix`, in the order of keys.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.state.objects.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Returns the objects of a kind, in one namespace or in all.
    pub fn list<'a>(&'a self, resource: &Resource, namespace: Option<&str>) -> Vec<(&'a String, &'a Value)> {
        let mut prefix = key(resource, namespace, "");
        if namespace.is_none() {
            // The prefix is `plural.group/` + empty namespace + `/`: drop the last slash.
            prefix.pop();
        }
        let end = prefix.clone();
        self.state.objects.range(prefix..).take_while(|(key, _)| key.starts_with(&end)).collect()
    }

    pub fn namespace(&self, name: &str) -> Option<&Value> {
        self.get(&format!("namespaces//{name}"))
    }

    /// Stores an object with a new version, and returns it.
    pub fn put(&mut self, key: &str, mut object: Value) -> Value {
        self.state.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.state.version.to_string());
        let old = self.state.objects.insert(key.to_owned(), object.clone()).map(Arc::new);
        self.record(key, old, Some(Arc::new(object.clone())));
        object
    }

    /// Removes an object, and returns it with the version of its deletion.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let old = self.state.objects.remove(key)?;
        self.state.version += 1;
        *self.state.generations.entry(key.to_owned()).or_default() += 1;
        let mut last = old.clone();
        last["metadata"]["resourceVersion"] = json!(self.state.version.to_string());
        self.record(key, Some(Arc::new(last.clone())), None);
        Some(last)
    }

    fn record(&mut self, key: &str, old: Option<Arc<Value>>, new: Option<Arc<Value>>) {
        self.history.push_back(Change { version: self.state.version, key: key.to_owned(), old, new });
        if self.history.len() > MAX_HISTORY
            && let Some(dropped) = self.history.pop_front()
        {
            self.complete_since = dropped.version;
        }
        if key.starts_with("customresourcedefinitions.apiextensions.k8s.io/") {
            self.read_catalog();
        }
    }

    /// Returns the changes after a version, or `None` if the history no longer has them. A version in the future has no changes yet.
    pub fn since(&self, version: u64) -> Option<Vec<Change>> {
        if version < self.complete_since {
            return None;
        }
        let from = self.history.partition_point(|c| c.version <= version);
        Some(self.history.iter().skip(from).cloned().collect())
    }

    pub fn oldest(&self) -> u64 {
        self.complete_since
    }

    pub fn count(&mut self, what: &str) -> u64 {
        let counter = self.state.counters.entry(what.to_owned()).or_default();
        *counter += 1;
        *counter
    }

    /// Derives a uid from the object's key and from how often it was deleted before.
    pub fn uid(&self, seed: &str, key: &str) -> String {
        let generation = self.state.generations.get(key).copied().unwrap_or_default();
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{seed}/{key}#{generation}").as_bytes()).to_string()
    }

    /// Returns the five letters that the API server appends to a `generateName`.
    pub fn suffix(&mut self, seed: &str, what: &str) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let n = self.count(&format!("name/{what}"));
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{seed}/{what}/{n}").as_bytes());
        id.as_bytes().iter().take(5).map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect()
    }
}

pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_changes_only_when_the_object_was_deleted_before() {
        let mut store = Store::new(State::default());
        let first = store.uid("seed", "pods/ns/a");
        assert_eq!(first, store.uid("seed", "pods/ns/a"));
        store.put("pods/ns/a", json!({"metadata": {}}));
        store.remove("pods/ns/a");
        assert_ne!(first, store.uid("seed", "pods/ns/a"));
    }

    #[test]
    fn a_version_older_than_the_history_is_expired() {
        let mut store = Store::new(State::default());
        for _ in 0..MAX_HISTORY + 5 {
            store.put("pods/ns/a", json!({"metadata": {}}));
        }
        assert!(store.since(4).is_none());
        assert_eq!(store.since(store.state.version - 2).unwrap().len(), 2);
    }
}
