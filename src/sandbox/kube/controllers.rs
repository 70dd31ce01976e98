//! What a control plane does by itself, as against what it is asked: one `settle` after each burst of changes. Answers nobody.
//!
//! `namespaces` furnished and emptied · `garbage` owners and what they own · `pods` scheduler and the end of pods · `deployments` (with `rollout`,
//! `progress`, `revisions`) and `replicas` workloads · `hand` how all of them write · `events` what they say of it.

mod conditions;
mod controller_client;
mod deployment_sets;
mod deployments;
mod events;
mod garbage;
mod namespaces;
mod pods;
mod progress;
mod replicas;
mod revisions;
mod rollout;

pub use controller_client::RetryState;
pub use pods::bind;
pub use revisions::hash;

use super::facts::Facts;
use super::namespace_defaults;
use super::store::Store;
use crate::attempt::attempt;
use controller_client::ControllerClient;
use std::time::Duration;

/// Workloads follow each other's writes this often in one round.
const TURNS: usize = 12;

/// When controllers want to look again.
#[derive(Debug, PartialEq)]
pub enum NextRound {
    /// Something changed just now.
    Now,
    /// If nothing changes before.
    After(Duration),
    OnChange,
}

/// One round of all controllers.
pub fn reconcile(store: &mut Store, facts: &Facts, retries: &mut RetryState) -> NextRound {
    let before = store.state.version;
    retries.begin();
    // one that fails is undone and keeps none of the others from its work
    let mut isolated = |work: &dyn Fn(&mut Store)| {
        let _ = attempt(store, work);
    };
    isolated(&pods::finish_deleted);
    isolated(&namespaces::empty);
    isolated(&namespaces::empty_crds);
    isolated(&garbage::collect);
    isolated(&|store| namespace_defaults::create_in_all(store, facts));
    let mut client = ControllerClient { store, facts, retries };
    for _ in 0..TURNS {
        let version = client.store.state.version;
        deployments::reconcile(&mut client);
        replicas::reconcile(&mut client);
        pods::schedule(&mut client);
        if client.store.state.version == version {
            break;
        }
    }
    events::delete_expired(&mut client);
    if client.store.state.version != before {
        return NextRound::Now;
    }
    client.retries.next_run().map_or(NextRound::OnChange, NextRound::After)
}

/// Something waits for its end.
pub fn pending(store: &Store) -> bool {
    store.state.objects.values().any(|o| !o["metadata"]["deletionTimestamp"].is_null())
}
