//! Makes graphs from the ledger: all resources of an app to delete, all as they were, and those that a spec no longer has.

use super::super::{
    desired::{Desired, Intent, Node, Requester},
    fault::Fault,
    key::Key,
    ledger::{Entry, Ledger, Origin},
    resource::{Backend, Kinds},
};
use std::collections::BTreeSet;

/// Returns the graph that deletes an app: all resources in the ledger, and those in `wanted`.
pub fn all_absent<W: Backend>(app: &str, ledger: &Ledger, wanted: Option<Desired>, kinds: Kinds<W>) -> Result<Desired, Fault> {
    let mut desired = wanted.unwrap_or_else(|| Desired::new(app, Requester::Spec));
    for node in desired.nodes.values_mut() {
        if node.intent == Intent::Present {
            node.intent = Intent::Absent;
        }
    }
    for entry in ledger.of_app(app) {
        let node = absent_node(entry);
        let existing = desired.nodes.get_or_insert_with(&entry.key, || node);
        if entry.origin != Origin::Existing {
            existing.spec = entry.spec.clone();
            existing.intent = Intent::Absent;
        }
    }
    // a resource that is only read is kept in the graph only if another one cannot be found without it
    let needed: BTreeSet<Key> =
        closure(&desired, desired.nodes.values().filter(|n| n.intent == Intent::Absent && ledger.get(app, &n.key).is_none()));
    for node in desired.nodes.values_mut() {
        let key = node.key.clone();
        if matches!(node.intent, Intent::Existing | Intent::Optional) {
            node.intent = if ledger.get(app, &key).is_none() && needed.contains(&key) { Intent::Optional } else { Intent::Absent };
        }
        let _ = kinds.of(&node.kind)?;
    }
    Ok(desired)
}

fn closure<'a>(desired: &Desired, from: impl Iterator<Item = &'a Node>) -> BTreeSet<Key> {
    let mut todo: Vec<Key> = from.flat_map(Node::needs).collect();
    let mut found = BTreeSet::new();
    while let Some(key) = todo.pop() {
        if let Some(node) = desired.nodes.get(&key)
            && found.insert(key)
        {
            todo.extend(node.needs());
        }
    }
    found
}

fn absent_node(entry: &Entry) -> Node {
    Node {
        key: entry.key.clone(),
        kind: entry.kind.clone(),
        spec: entry.spec.clone(),
        intent: Intent::Absent,
        cluster: entry.cluster.clone(),
        when: None,
        follows: None,
    }
}

/// Returns the graph of all resources that the ledger has for an app, as they were wanted.
pub fn remembered(app: &str, ledger: &Ledger) -> Desired {
    let mut desired = Desired::new(app, Requester::Command);
    for entry in ledger.of_app(app) {
        let intent = if entry.origin == Origin::Existing { Intent::Existing } else { Intent::Present };
        desired.nodes.insert(entry.key.clone(), Node { intent, ..absent_node(entry) });
    }
    desired
}

/// Adds the resources that an earlier `up` of the same app created and the spec no longer has.
pub fn prune(desired: &mut Desired, ledger: &Ledger) {
    for entry in ledger.of_app(&desired.app.clone()).filter(|e| e.by == Requester::Spec) {
        if !desired.nodes.contains_key(&entry.key) {
            desired.nodes.insert(entry.key.clone(), absent_node(entry));
        }
    }
}
