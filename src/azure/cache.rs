//! Sends each request once, however many callers want its response at the same time, and keeps the response. Failures are not kept.

use super::Result;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

type Asking<T> = BoxFuture<'static, Result<T>>;

enum Entry<T: Clone> {
    /// Only its callers hold the request. When the last of them goes away the request ends, and lets go of what it holds: nobody would drive
    /// it on, and others may wait for its lock.
    InFlight(WeakShared<Asking<T>>),
    Answered(T),
}

impl<T: Clone> Entry<T> {
    fn is_of(&self, asking: &Shared<Asking<T>>) -> bool {
        matches!(self, Self::InFlight(own) if own.upgrade().is_some_and(|own| own.ptr_eq(asking)))
    }
}

pub struct RequestCache<T: Clone> {
    entries: Mutex<HashMap<String, Entry<T>>>,
}

impl<T: Clone> Default for RequestCache<T> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

impl<T: Clone + Send + Sync + 'static> RequestCache<T> {
    /// Returns the response for `key`; calls `ask` unless it is cached or in flight.
    pub async fn get<F>(&self, key: String, ask: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.get_while(key, |_| true, ask).await
    }

    /// Like `get`, but a response that is no longer `good` is requested again.
    pub async fn get_while<F>(&self, key: String, good: impl Fn(&T) -> bool, ask: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let asking = {
            let mut entries = self.entries();
            let in_flight = match entries.get(&key) {
                Some(Entry::Answered(answer)) if good(answer) => return Ok(answer.clone()),
                Some(Entry::InFlight(asking)) => asking.upgrade(),
                Some(Entry::Answered(_)) | None => None,
            };
            in_flight.unwrap_or_else(|| {
                let asking = ask().boxed().shared();
                if let Some(weak) = asking.downgrade() {
                    entries.insert(key.clone(), Entry::InFlight(weak));
                }
                asking
            })
        };
        let answer = asking.clone().await;
        let mut entries = self.entries();
        if entries.get(&key).is_some_and(|entry| entry.is_of(&asking)) {
            match &answer {
                Ok(answer) => entries.insert(key, Entry::Answered(answer.clone())),
                Err(_) => entries.remove(&key),
            };
        }
        answer
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
