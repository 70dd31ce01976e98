//! The nodes of a graph by key. A plan shares them with the graph that it was made from.

use super::{
    input::needs,
    key::Key,
    terms::{Condition, Intent},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    ops::Index,
    sync::Arc,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub key: Key,
    pub kind: String,
    /// The spec with its references.
    pub spec: Arc<Value>,
    pub intent: Intent,
    /// The cluster that contains the object; None for Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The condition under which the node is wanted (a permission of the caller on a vault that some podid created).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// For kinds without tags: the resource whose owner also owns this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Key>,
}

impl Node {
    pub fn needs(&self) -> BTreeSet<Key> {
        let mut keys = needs(&self.spec);
        keys.extend(self.when.as_ref().map(|w| w.ours.clone()));
        keys.extend(self.follows.clone());
        keys
    }
}

#[derive(Clone, Debug, Default)]
pub struct Nodes {
    all: BTreeMap<Key, Arc<Node>>,
    /// The keys in the order in which they were added.
    added: Vec<Key>,
}

impl Nodes {
    pub fn get(&self, key: &Key) -> Option<&Node> {
        self.all.get(key).map(Arc::as_ref)
    }
    /// Returns the node itself, not a copy.
    pub fn shared(&self, key: &Key) -> Option<Arc<Node>> {
        self.all.get(key).cloned()
    }
    pub fn get_mut(&mut self, key: &Key) -> Option<&mut Node> {
        self.all.get_mut(key).map(Arc::make_mut)
    }
    pub fn get_or_insert_with(&mut self, key: &Key, make: impl FnOnce() -> Node) -> &mut Node {
        let node = self.all.entry(key.clone()).or_insert_with(|| {
            self.added.push(key.clone());
            Arc::new(make())
        });
        Arc::make_mut(node)
    }
    pub fn insert(&mut self, key: Key, node: Node) {
        self.added.push(key.clone());
        self.all.insert(key, Arc::new(node));
    }
    pub fn remove(&mut self, key: &Key) {
        self.all.remove(key);
    }
    pub fn contains_key(&self, key: &Key) -> bool {
        self.all.contains_key(key)
    }
    /// Returns a mark for `added_since`.
    pub fn mark(&self) -> usize {
        self.added.len()
    }
    /// Returns the keys that were added since the mark and are still there, sorted.
    pub fn added_since(&self, mark: usize) -> Vec<Key> {
        let added = self.added.get(mark..).unwrap_or_default().iter().filter(|key| self.all.contains_key(*key));
        added.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
    pub fn len(&self) -> usize {
        self.all.len()
    }
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.all.keys()
    }
    pub fn values(&self) -> impl Iterator<Item = &Node> {
        self.all.values().map(Arc::as_ref)
    }
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.all.values_mut().map(Arc::make_mut)
    }
}

impl Index<&Key> for Nodes {
    type Output = Node;
    fn index(&self, key: &Key) -> &Node {
        &self.all[key]
    }
}

impl IntoIterator for Nodes {
    type Item = (Key, Node);
    type IntoIter = std::iter::Map<btree_map::IntoIter<Key, Arc<Node>>, fn((Key, Arc<Node>)) -> (Key, Node)>;
    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter().map(|(key, node)| (key, Arc::unwrap_or_clone(node)))
    }
}
