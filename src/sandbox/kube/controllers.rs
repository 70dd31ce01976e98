//! What a control plane does by itself, as against what it is asked: one `settle` after each burst of changes. Answers nobody.
//!
//! `namespaces` furnished and emptied · `garbage` owners and what they own · `pods` scheduler and the end of pods · `deployments` (with `rollout`,
//! `progress`, `revisions`) and `replicas` workloads · `hand` how all of them write · `events` what they say of it.

mod deployments;
mod events;
mod garbage;
mod hand;
mod namespaces;
mod pods;
mod progress;
mod replicas;
mod revisions;
mod rollout;

pub use hand::Memory;
pub use namespaces::furnish;
pub use pods::bind;
pub use revisions::hash;

use super::Facts;
use super::erase::finished;
use super::store::{Store, now, parts};
use crate::attempt::attempt;
use hand::Hand;
use serde_json::{Value, json};
use std::time::Duration;

/// Workloads follow each other's writes this often in one round.
const TURNS: usize = 12;

/// When controllers want to look again.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Something changed just now.
    AtOnce,
    /// If nothing changes before.
    In(Duration),
    OnChange,
}

/// Stores an object that no client made.
pub fn add(store: &mut Store, facts: &Facts, at: &str, mut object: Value) -> Value {
    let (_, namespace, name) = parts(at);
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = json!(name);
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object["metadata"]["uid"] = json!(store.uid(&facts.uid_seed, at));
    object["metadata"]["creationTimestamp"] = json!(now());
    store.put(at, object)
}

/// One round of all controllers.
pub fn settle(store: &mut Store, facts: &Facts, memory: &mut Memory) -> Next {
    let before = store.state.version;
    memory.begin();
    // one that fails is undone and keeps none of the others from its work
    let mut alone = |work: &dyn Fn(&mut Store)| {
        let _ = attempt(store, work);
    };
    alone(&pods::end);
    alone(&namespaces::empty);
    alone(&namespaces::empty_crds);
    alone(&garbage::collect);
    alone(&|store| namespaces::furnish_all(store, facts));
    let mut hand = Hand { store, facts, memory };
    for _ in 0..TURNS {
        let version = hand.store.state.version;
        deployments::settle(&mut hand);
        replicas::settle(&mut hand);
        pods::schedule(&mut hand);
        if hand.store.state.version == version {
            break;
        }
    }
    events::expire(&mut hand);
    if hand.store.state.version != before {
        return Next::AtOnce;
    }
    hand.memory.wake().map_or(Next::OnChange, Next::In)
}

/// Something waits for its end.
pub fn pending(store: &Store) -> bool {
    store.state.objects.values().any(|o| !o["metadata"]["deletionTimestamp"].is_null())
}

/// Marks an object deleted, or takes it away.
fn delete(store: &mut Store, at: &str) {
    let Some(mut object) = store.get(at).cloned() else { return };
    if finished(&object) {
        store.remove(at);
    } else if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = json!(now());
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        store.put(at, object);
    }
}
