//! A map that remembers which entries were touched, so that a save writes only those. Reads use the map; only the methods here change
//! entries. Between `begin` and `commit` it also keeps the earlier values of touched entries, so that a failed change can be undone.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ops::Deref,
};

#[derive(Clone)]
pub struct Table<V> {
    entries: BTreeMap<String, V>,
    touched: BTreeSet<String>,
    /// The earlier values of the entries that the current change touched; None if there is no change.
    before: Option<BTreeMap<String, Option<V>>>,
}

/// A table of any type, as the file of changes sees it.
pub trait Kept {
    fn touched(&self) -> bool;
    /// Returns the entries touched since the last call, with null for removed ones.
    fn changes(&mut self) -> serde_json::Result<Map<String, Value>>;
    /// Replays what `changes` returned.
    fn apply(&mut self, changes: Map<String, Value>) -> serde_json::Result<()>;
    /// Begins a change that may be undone.
    fn begin(&mut self);
    /// Keeps the change.
    fn commit(&mut self);
    /// Restores all entries as they were at `begin`.
    fn undo(&mut self);
}

/// Returns the changes of each table by its name.
pub fn changes<const N: usize>(tables: [(&'static str, &mut dyn Kept); N]) -> serde_json::Result<Map<String, Value>> {
    let touched = tables.into_iter().filter(|(_, table)| table.touched());
    touched.map(|(name, table)| Ok((name.to_owned(), Value::Object(table.changes()?)))).collect()
}

pub fn apply<const N: usize>(tables: [(&'static str, &mut dyn Kept); N], mut all: Map<String, Value>) -> serde_json::Result<()> {
    for (name, table) in tables {
        if let Some(changes) = all.remove(name) {
            table.apply(serde_json::from_value(changes)?)?;
        }
    }
    match all.keys().next() {
        None => Ok(()),
        Some(name) => Err(serde::de::Error::custom(format_args!("unknown table '{name}'"))),
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), touched: BTreeSet::new(), before: None }
    }
}

impl<V> Deref for Table<V> {
    type Target = BTreeMap<String, V>;
    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

impl<'a, V> IntoIterator for &'a Table<V> {
    type Item = (&'a String, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, String, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter()
    }
}

impl<V: Clone> Table<V> {
    /// Must be called before an entry changes.
    fn touch(&mut self, key: &str) {
        if let Some(before) = &mut self.before
            && !before.contains_key(key)
        {
            before.insert(key.to_owned(), self.entries.get(key).cloned());
        }
        self.touched.insert(key.to_owned());
    }
    pub fn insert(&mut self, key: String, value: V) -> Option<V> {
        self.touch(&key);
        self.entries.insert(key, value)
    }
    pub fn remove(&mut self, key: &str) -> Option<V> {
        if self.entries.contains_key(key) {
            self.touch(key);
        }
        self.entries.remove(key)
    }
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        if self.entries.contains_key(key) {
            self.touch(key);
        }
        self.entries.get_mut(key)
    }
    pub fn entry(&mut self, key: String) -> Entry<'_, String, V> {
        self.touch(&key);
        self.entries.entry(key)
    }
    pub fn retain(&mut self, keep: impl Fn(&str, &V) -> bool) {
        let gone: Vec<String> = self.entries.iter().filter(|(key, value)| !keep(key, value)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.remove(&key);
        }
    }
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let all: Vec<String> = self.entries.keys().cloned().collect();
        all.iter().for_each(|key| self.touch(key));
        self.entries.values_mut()
    }
}

impl<V: Clone + Serialize + DeserializeOwned> Kept for Table<V> {
    fn touched(&self) -> bool {
        !self.touched.is_empty()
    }
    fn changes(&mut self) -> serde_json::Result<Map<String, Value>> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().map(|key| serde_json::to_value(self.entries.get(&key)).map(|value| (key, value))).collect()
    }
    fn apply(&mut self, changes: Map<String, Value>) -> serde_json::Result<()> {
        for (key, value) in changes {
            match serde_json::from_value(value)? {
                Some(value) => self.entries.insert(key, value),
                None => self.entries.remove(&key),
            };
        }
        Ok(())
    }
    fn begin(&mut self) {
        self.before = Some(BTreeMap::new());
    }
    fn commit(&mut self) {
        self.before = None;
    }
    fn undo(&mut self) {
        // undone entries stay touched: the next save writes their restored values
        for (key, value) in self.before.take().into_iter().flatten() {
            match value {
                Some(value) => self.entries.insert(key, value),
                None => self.entries.remove(&key),
            };
        }
    }
}

impl<V: Serialize> Serialize for Table<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(to)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(from).map(|entries| Self { entries, touched: BTreeSet::new(), before: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_returned_once_and_can_be_replayed() {
        let mut table: Table<u64> = serde_json::from_value(json!({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})).unwrap();
        let mut copy = table.clone();
        assert!(!table.touched());
        table.insert("new".to_owned(), 6);
        table.remove("a");
        table.remove("never there");
        *table.get_mut("b").unwrap() += 40;
        *table.entry("c".to_owned()).or_insert(0) += 40;
        table.retain(|key, _| key != "d");
        let changes = table.changes().unwrap();
        assert_eq!(Value::Object(changes.clone()), json!({"a": null, "b": 42, "c": 43, "d": null, "new": 6}));
        assert!(!table.touched());
        copy.apply(changes).unwrap();
        assert_eq!(*copy, *table);
        assert!(!copy.touched());
        table.values_mut().for_each(|n| *n += 1);
        assert_eq!(table.changes().unwrap().len(), 4);
    }

    #[test]
    fn changes_of_an_unknown_table_are_an_error() {
        let mut table: Table<u64> = Table::default();
        let wrong = json!({"table": {"a": 1}, "other": {"b": 2}});
        assert!(apply([("table", &mut table)], serde_json::from_value(wrong).unwrap()).is_err());
    }
    #[test]
    fn undoing_a_change_restores_every_entry() {
        let mut table: Table<u64> = serde_json::from_value(json!({"a": 1, "b": 2, "c": 3, "d": 4})).unwrap();
        let first = (*table).clone();
        let change = |table: &mut Table<u64>| {
            table.insert("new".to_owned(), 6);
            table.insert("a".to_owned(), 7);
            table.insert("a".to_owned(), 8);
            table.remove("b");
            *table.get_mut("c").unwrap() = 0;
            *table.entry("other".to_owned()).or_insert(0) += 1;
            table.values_mut().for_each(|n| *n += 1);
            table.retain(|key, _| key != "d");
        };
        table.begin();
        change(&mut table);
        table.undo();
        assert_eq!(*table, first);
        table.begin();
        change(&mut table);
        table.commit();
        let second = (*table).clone();
        assert_ne!(second, first);
        table.undo();
        assert_eq!(*table, second, "a committed change is not undone");
    }
}
