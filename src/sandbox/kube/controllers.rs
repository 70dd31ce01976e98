//! The controllers of a control plane: one `reconcile` after each burst of changes.
//! `namespaces` and `garbage` delete what has to go · `pods` is the scheduler · `deployments` (with `deployment_sets`, `rollout`, `progress`,
//! `revisions`), `replicas`, `daemon_sets`, `stateful_sets`, `jobs` and `cron_jobs` (with `schedule`) run workloads · `controller_client` writes
//! for all of them · `events` records what they did.

mod conditions;
mod controller_client;
mod cron_jobs;
mod daemon_sets;
mod deployment_sets;
mod deployments;
mod events;
mod garbage;
mod jobs;
mod namespaces;
mod pods;
mod progress;
mod replicas;
mod revisions;
mod rollout;
mod schedule;
mod stateful_sets;

pub use controller_client::RetryState;
pub use pods::bind;
pub use revisions::hash;

use super::facts::Facts;
use super::namespace_defaults;
use super::store::Store;
use crate::attempt::attempt;
use controller_client::ControllerClient;
use std::time::Duration;

/// How often in one round the workload controllers react to each other's writes.
const TURNS: usize = 12;

/// When the controllers run again.
#[derive(Debug, PartialEq)]
pub enum NextRound {
    /// Something changed during this round.
    Now,
    /// After this time, if nothing changes before.
    After(Duration),
    OnChange,
}

/// Runs one round of all controllers.
pub fn reconcile(store: &mut Store, facts: &Facts, retries: &mut RetryState) -> NextRound {
    let before = store.state.version;
    retries.begin();
    // A controller that panics is undone and does not keep the others from running.
    let mut isolated = |work: &dyn Fn(&mut Store)| {
        let _ = attempt(store, work);
    };
    isolated(&pods::remove_deleted);
    isolated(&namespaces::delete_content);
    isolated(&namespaces::delete_custom_objects);
    isolated(&garbage::collect);
    isolated(&|store| namespace_defaults::create_in_all(store, facts));
    let mut client = ControllerClient { store, facts, retries };
    for _ in 0..TURNS {
        let version = client.store.state.version;
        deployments::reconcile(&mut client);
        replicas::reconcile(&mut client);
        daemon_sets::reconcile(&mut client);
        stateful_sets::reconcile(&mut client);
        cron_jobs::reconcile(&mut client);
        jobs::reconcile(&mut client);
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

/// Returns whether a deletion is still in progress.
pub fn pending(store: &Store) -> bool {
    store.state.objects.values().any(|o| !o["metadata"]["deletionTimestamp"].is_null())
}
