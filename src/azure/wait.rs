//! Waits for Azure: with short pauses first, since most delays are short; with a time limit; and with a sentence that reports the wait.

use super::{Error, OnWait, Result, deadline::Deadline, pipeline};
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The first and the longest pause of a wait.
#[derive(Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

/// The pauses for the replication of a new principal, and for a new permission to reach a vault.
pub const REPLICATION: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };
/// The pauses for a long-running operation of Azure Resource Manager.
pub const OPERATION: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(10) };
/// The pauses for the DNS name of a new vault.
pub const REGISTRATION: Backoff = Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(10) };

pub enum Poll<T> {
    Done(T),
    /// It is not done yet; the text says what podid waits for.
    Wait(String),
    /// It is not done yet, and the server returned the pause before the next request.
    WaitFor(String, Duration),
}

#[derive(Clone)]
pub struct Waiter {
    pub limit: Duration,
    pub on_wait: OnWait,
}

/// The interval after which the text is repeated, with the time waited so far.
const REPEAT_AFTER: Duration = Duration::from_secs(15);

impl Waiter {
    /// Polls until it is done or fails. Returns `NotYet { what }` when the time is up, which includes that of the whole call.
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
                // the last poll took too long: report what podid was waiting for
                Err(Error::TimedOut(_)) if told.is_some() && deadline.is_over() => {
                    return Err(Error::NotYet { what: what.to_owned(), waited });
                }
                Err(error) => return Err(error),
            };
            // a request before the pause that the server demands would be useless
            let now = pause.mul_f64(0.9 + pipeline::chance() * 0.2).max(asked);
            if deadline.comes_within(now) {
                return Err(Error::NotYet { what: what.to_owned(), waited });
            }
            match &told {
                Some((before, at)) if *before == sentence && at.elapsed() < REPEAT_AFTER => {}
                Some((before, _)) if *before == sentence => {
                    (self.on_wait)(format!("{sentence} ({} s, up to {})", waited.as_secs(), shown(self.limit)));
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

/// Formats a limit: `10 min`, `90 s`.
fn shown(limit: Duration) -> String {
    match limit.as_secs() {
        seconds if seconds >= 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
