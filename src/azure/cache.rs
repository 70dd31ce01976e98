//! Sends each request once, however many callers want its response at the same time, and keeps the response. Failures are not kept.

use super::Result;
use futures::{FutureExt, future::BoxFuture, future::Shared};
use std::{collections::HashMap, future::Future, sync::Mutex};

type InFlight<T> = Shared<BoxFuture<'static, Result<T>>>;

pub struct RequestCache<T: Clone> {
    asked: Mutex<HashMap<String, InFlight<T>>>,
}

impl<T: Clone> Default for RequestCache<T> {
    fn default() -> Self {
        Self { asked: Mutex::default() }
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
            let mut asked = self.asked.lock().unwrap_or_else(|poison| poison.into_inner());
            let known = asked.get(&key).filter(|asking| match asking.peek() {
                None => true,
                Some(Ok(answer)) => good(answer),
                Some(Err(_)) => false,
            });
            match known {
                Some(asking) => asking.clone(),
                None => {
                    let asking = ask().boxed().shared();
                    asked.insert(key.clone(), asking.clone());
                    asking
                }
            }
        };
        let answer = asking.clone().await;
        if answer.is_err() {
            let mut asked = self.asked.lock().unwrap_or_else(|poison| poison.into_inner());
            if asked.get(&key).is_some_and(|now| now.ptr_eq(&asking)) {
                asked.remove(&key);
            }
        }
        answer
    }
}
