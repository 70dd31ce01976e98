//! What is wanted, as a graph: nodes by key, edges read off their specs.

use super::{
    fault::Fault,
    input::needs,
    key::Key,
    nodes::Nodes,
    resource::{Backend, Kind},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Make it so.
    Present,
    /// It must be there; hands off.
    Existing,
    /// It is read if it is there, for what it publishes.
    Optional,
    /// It is not asked for: what it publishes is taken from the ledger, or from the node itself (`--only`).
    Assumed,
    /// Take it away if it is ours.
    Absent,
}

/// Who wished for it: `up` prunes only what a spec brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requester {
    Spec,
    Command,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub ours: Key,
    pub or: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub key: Key,
    pub kind: String,
    /// With its references.
    pub spec: Arc<Value>,
    pub intent: Intent,
    /// The cluster that it lies in, where it lies in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Wanted only if that resource is ours, or publishes true in that field (a right of the caller on a vault that some podid made).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Where things of this kind carry no tags: it is ours if that one is.
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

#[derive(Clone, Debug)]
pub struct Desired {
    pub app: String,
    pub by: Requester,
    pub nodes: Nodes,
}

impl Desired {
    pub fn new(app: &str, by: Requester) -> Self {
        Self { app: app.to_owned(), by, nodes: Nodes::default() }
    }

    /// The same key twice is fine if it says the same; otherwise two things would share a name.
    pub fn add<W: Backend, K: Kind<W>>(&mut self, key: Key, kind: &K, intent: Intent) -> Result<&mut Node, Fault> {
        let spec = Arc::new(serde_json::to_value(kind)?);
        let node = self.nodes.get_or_insert_with(&key, || Node {
            key: key.clone(),
            kind: K::KIND.to_owned(),
            spec: Arc::clone(&spec),
            intent,
            cluster: None,
            when: None,
            follows: None,
        });
        if node.spec != spec {
            return Err(Fault::refused(
                format!("{key} is wanted twice, in two ways"),
                "Give the two different names, or put them into two apps.",
            ));
        }
        if intent == Intent::Present {
            node.intent = intent;
        }
        Ok(node)
    }

    /// Needs that stand in the graph itself, for each key.
    pub fn edges(&self) -> BTreeMap<Key, BTreeSet<Key>> {
        self.nodes.values().map(|n| (n.key.clone(), n.needs().into_iter().filter(|k| self.nodes.contains_key(k)).collect())).collect()
    }

    /// Keys so that each stands after what it needs. A circle is a bug of whoever built the graph.
    pub fn order(&self) -> Result<Vec<Key>, Fault> {
        order(&self.edges())
    }
}

/// Keys so that each stands after what it needs: those that need nothing first, then those that need only these, and so on.
pub fn order(edges: &BTreeMap<Key, BTreeSet<Key>>) -> Result<Vec<Key>, Fault> {
    let mut lacking: BTreeMap<&Key, usize> = edges.iter().map(|(key, needs)| (key, needs.len())).collect();
    let mut dependents: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
    for (key, needs) in edges {
        for need in needs {
            dependents.entry(need).or_default().push(key);
        }
    }
    let mut sorted = Vec::with_capacity(edges.len());
    let mut ready: BTreeSet<&Key> = edges.iter().filter(|(_, needs)| needs.is_empty()).map(|(key, _)| key).collect();
    while !ready.is_empty() {
        let mut next = BTreeSet::new();
        for key in ready {
            sorted.push(key.clone());
            for dependent in dependents.get(key).into_iter().flatten() {
                if let Some(count) = lacking.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        next.insert(*dependent);
                    }
                }
            }
        }
        ready = next;
    }
    if sorted.len() == edges.len() { Ok(sorted) } else { Err(Fault::Bug("the graph of resources has a circle".into())) }
}
