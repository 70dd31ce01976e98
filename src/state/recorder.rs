//! Saves the changes of a run in the journal. Actions that run at once share a write: a change that arrives during a write joins the next.

use super::OpenState;
use crate::engine::ledger::{LedgerChange, LedgerStore};
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The changes that wait to be written.
#[derive(Default)]
pub struct Recorder {
    waiting: Mutex<PendingChanges>,
    /// Held while one write runs.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct PendingChanges {
    changes: Vec<LedgerChange>,
    /// The number of groups of changes that arrived, and of those on the disk.
    came: u64,
    saved: u64,
    failed: Option<String>,
}

impl Recorder {
    fn waiting(&self) -> MutexGuard<'_, PendingChanges> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct StateStore(pub Arc<OpenState>);

impl LedgerStore for StateStore {
    fn record(&self, changes: Vec<LedgerChange>) -> BoxFuture<'static, Result<(), String>> {
        let held = Arc::clone(&self.0);
        let mine = {
            let mut waiting = held.recorder.waiting();
            waiting.changes.extend(changes);
            waiting.came += 1;
            waiting.came
        };
        Box::pin(async move {
            let _turn = held.recorder.turn.lock().await;
            {
                let waiting = held.recorder.waiting();
                if let Some(why) = &waiting.failed {
                    return Err(why.clone());
                }
                if waiting.saved >= mine {
                    return Ok(());
                }
            }
            let writer = Arc::clone(&held);
            in_the_background(move || writer.write_waiting()).await
        })
    }

    fn finish(&self) -> BoxFuture<'static, Result<(), String>> {
        let held = Arc::clone(&self.0);
        Box::pin(async move {
            let _turn = held.recorder.turn.lock().await;
            let writer = Arc::clone(&held);
            let finish = move || writer.lock.check().and_then(|()| writer.content().finish(&writer.path));
            in_the_background(move || finish().map_err(|error| error.to_string())).await
        })
    }
}

/// Runs disk I/O on a thread of its own, so that it does not block the network.
async fn in_the_background(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

impl OpenState {
    fn write_waiting(&self) -> Result<(), String> {
        let (changes, came) = {
            let mut waiting = self.recorder.waiting();
            (std::mem::take(&mut waiting.changes), waiting.came)
        };
        let outcome = self.lock.check().and_then(|()| self.content().record(&self.path, changes)).map_err(|error| error.to_string());
        let mut waiting = self.recorder.waiting();
        match &outcome {
            Ok(()) => waiting.saved = came,
            Err(why) => waiting.failed = Some(why.clone()),
        }
        outcome
    }
}
