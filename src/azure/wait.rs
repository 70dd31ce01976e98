//! Waiting for Azure: with short pauses first, since most delays are short; bounded in time; and reported in a sentence.

use super::{Error, OnWait, Result, deadline::Deadline, pipeline};
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The pauses of one wait.
#[derive(Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

/// A new principal on its way through the directory, a new grant on its way to the vault.
pub const REPLICATION: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
/// A long-running operation of Azure Resource Manager.
pub const OPERATION: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(10) };
/// A new vault on its way into the DNS.
pub const REGISTRATION: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(10) };

pub enum Poll<T> {
    Done(T),
    /// Not yet; the sentence says for what is waited.
    Wait(String),
    /// The same, where the server says after how long to ask again.
    WaitFor(String, Duration),
}

#[derive(Clone)]
pub struct Waiter {
    pub limit: Duration,
    pub on_wait: OnWait,
}

/// The sentence again, with the time that it takes, for those who watch.
const REPEAT_AFTER: Duration = Duration::from_secs(15);

impl Waiter {
    /// Steps until it is done or fails; `NotYet { what }` when the time is up, that of the whole call included.
    pub async fn until<T, F>(&self, what: &str, pace: Backoff, mut step: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<Poll<T>>>,
    {
        let started = Instant::now();
        let deadline = Deadline::within(self.limit);
        let mut pause = pace.first;
        let mut told: Option<(String, Instant)> = None;
        loop {
            let stepped = deadline.bounds(Box::pin(step())).await;
            let waited = started.elapsed();
            let (sentence, asked) = match stepped {
                Ok(Poll::Done(done)) => return Ok(done),
                Ok(Poll::Wait(sentence)) => (sentence, Duration::ZERO),
                Ok(Poll::WaitFor(sentence, pause)) => (sentence, pause),
                // the last look took too long: what was waited for is what is not there
                Err(Error::TimedOut(_)) if told.is_some() && deadline.is_over() => {
                    return Err(Error::NotYet { what: what.to_owned(), waited });
                }
                Err(error) => return Err(error),
            };
            // sooner than the server asks for is in vain
            let now = pause.mul_f64(0.9 + pipeline::chance() * 0.2).max(asked);
            if deadline.comes_within(now) {
                return Err(Error::NotYet { what: what.to_owned(), waited });
            }
            match &told {
                Some((before, at)) if *before == sentence && at.elapsed() < REPEAT_AFTER => {}
                Some((before, _)) if *before == sentence => {
                    (self.on_wait)(format!("{sentence} ({} s so far)", waited.as_secs()));
                    told = Some((sentence, Instant::now()));
                }
                _ => {
                    (self.on_wait)(sentence.clone());
                    told = Some((sentence, Instant::now()));
                }
            }
            tokio::time::sleep(now).await;
            pause = pause.mul_f64(1.6).min(pace.longest);
        }
    }
}
