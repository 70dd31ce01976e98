//! The events of a run, as they happen. The engine does not print them.

use super::{fault::Fault, key::Key, terms::Act};
use std::{sync::Arc, time::Duration};

#[derive(Clone, Debug)]
pub enum Event {
    Observing {
        nodes: usize,
    },
    Observed {
        took: Duration,
    },
    Started {
        key: Key,
        act: Act,
    },
    /// It waits for the cloud; `text` is the reason.
    Waiting {
        key: Option<Key>,
        text: String,
    },
    Done {
        key: Key,
        act: Act,
        took: Duration,
    },
    Failed {
        key: Key,
        act: Act,
        fault: Fault,
    },
    NotStarted {
        key: Key,
        act: Act,
        because: String,
    },
}

pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

tokio::task_local! {
    static AT_WORK: Key;
}

/// Returns the node that the running task works on.
pub fn at_work() -> Option<Key> {
    AT_WORK.try_with(Clone::clone).ok()
}

pub(super) async fn working_on<F: Future>(key: Key, work: F) -> F::Output {
    AT_WORK.scope(key, work).await
}
