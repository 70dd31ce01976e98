//! The desired resources as a graph: nodes by key, and edges that are read off their specs.

use super::{
    fault::Fault,
    input::DependsOn,
    key::Key,
    nodes::Nodes,
    resource::{Backend, Kind},
};
pub use super::{
    nodes::Node,
    terms::{Condition, Intent, Requester},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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

    /// Adds a node. If the key exists, both specs must be equal; otherwise two resources would share a name.
    pub fn add<W: Backend, K: Kind<W>>(&mut self, key: Key, kind: &K, intent: Intent) -> Result<&mut Node, Fault> {
        self.add_after::<W, K>(key, kind, intent, &[])
    }

    /// Adds a node that comes after others beside those that its spec refers to.
    pub fn add_after<W: Backend, K: Kind<W>>(&mut self, key: Key, kind: &K, intent: Intent, after: &[Key]) -> Result<&mut Node, Fault> {
        let mut spec = serde_json::to_value(kind)?;
        if let (false, Some(spec)) = (after.is_empty(), spec.as_object_mut()) {
            let after = after.iter().map(|key| serde_json::to_value(DependsOn::of(key))).collect::<Result<Vec<_>, _>>()?;
            match spec.entry("after").or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(known) => known.extend(after),
                other => *other = Value::Array(after),
            }
        }
        let spec = Arc::new(spec);
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

    /// Returns for each key the nodes of the graph that it needs.
    pub fn edges(&self) -> BTreeMap<Key, BTreeSet<Key>> {
        self.nodes.values().map(|n| (n.key.clone(), n.needs().into_iter().filter(|k| self.nodes.contains_key(k)).collect())).collect()
    }

    /// Returns the keys so that each comes after what it needs. A cycle is a bug of whoever built the graph.
    pub fn order(&self) -> Result<Vec<Key>, Fault> {
        order(&self.edges())
    }
}

/// Returns the keys so that each comes after what it needs: those that need nothing first, then those that need only these, and so on.
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
