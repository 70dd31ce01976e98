//! Asks once, however many want to know at the same time, and keeps the answer. A failed ask is not kept.
//! Knows nothing of what is asked.

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
    /// The answer for `key`, asked for with `ask` unless it is known or just being asked for.
    pub async fn get<F>(&self, key: String, ask: impl FnOnce() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.get_while(key, |_| true, ask).await
    }

    /// As `get`, but an answer that is no longer `good` is asked for anew.
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
