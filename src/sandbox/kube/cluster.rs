//! The state that a running cluster holds: its store behind a lock, what it was told about itself, and the signals that the store changed.

use super::facts::Facts;
use super::store::{State, Store};
use crate::attempt::attempt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch as channel;

/// The API server of one cluster, with its controllers.
pub struct Kube {
    store: Mutex<Store>,
    pub(super) facts: Facts,
    changed: Arc<dyn Fn() + Send + Sync>,
    /// The last version, for watches and controllers.
    pub(super) version: channel::Sender<u64>,
    /// Whether the store changed since the controllers last ran.
    pub(super) dirty: AtomicBool,
    pub(super) started: AtomicBool,
    pub(super) me: Weak<Kube>,
}

impl Kube {
    pub(super) fn stopped(state: State, facts: Facts, changed: Arc<dyn Fn() + Send + Sync>) -> Arc<Self> {
        let version = state.version;
        Arc::new_cyclic(|me| Self {
            store: Mutex::new(Store::new(state)),
            facts,
            changed,
            version: channel::channel(version).0,
            dirty: AtomicBool::new(true),
            started: AtomicBool::new(false),
            me: me.clone(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the store and signals the change. If `act` panics, the store is as it was before, and the panic continues.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let done = self.hold(|store| attempt(store, act));
        done.unwrap_or_else(|panicked| std::panic::resume_unwind(Box::new(panicked)))
    }

    /// Changes the store and signals the change. `act` undoes what fails of it by itself.
    pub(super) fn hold<T>(&self, act: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.lock();
        let before = store.state.version;
        let out = act(&mut store);
        let (after, touched) = (store.state.version, store.state.touched());
        if after != before {
            self.dirty.store(true, Ordering::SeqCst);
        }
        drop(store);
        if after != before {
            self.version.send_replace(after);
        }
        if touched {
            (self.changed)();
        }
        out
    }
}
