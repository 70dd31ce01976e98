//! One deadline for everything in one call: tries, pages, waits and login. The server decides how many of these there are, so their total
//! time must be limited.

use super::{Error, Result};
use std::{future::Future, time::Duration};
use tokio::time::Instant;

/// Replaces a limit that an `Instant` cannot hold.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The end of a call, and its limit.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    pub at: Instant,
    pub limit: Duration,
}

impl Deadline {
    /// Returns the deadline in `limit` from now, or that of the surrounding call if it is earlier.
    pub fn within(limit: Duration) -> Self {
        let now = Instant::now();
        let own = Self { at: now.checked_add(limit).unwrap_or(now + FAR), limit };
        match CALL.try_with(|call| *call) {
            Ok(call) if call.at <= own.at => call,
            _ => own,
        }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    /// Returns whether the deadline is before the end of a pause of this length.
    pub fn comes_within(&self, pause: Duration) -> bool {
        self.at.saturating_duration_since(Instant::now()) < pause
    }

    /// Ends `work` with `TimedOut` when the time is up.
    pub async fn bounds<T>(self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout_at(self.at, work).await {
            Ok(done) => done,
            Err(_) => Err(Error::TimedOut(self.limit)),
        }
    }
}

tokio::task_local! {
    static CALL: Deadline;
}

/// Runs work that several calls share, such as a login, without the deadline of the call that happens to start it.
pub async fn apart<T>(work: impl Future<Output = T>) -> T {
    CALL.scope(Deadline { at: Instant::now() + FAR, limit: FAR }, Box::pin(work)).await
}

/// Runs one call, with all its requests and waits, within `limit`.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    let deadline = Deadline::within(limit);
    // boxed, because the future of a call is large and this wraps all of it
    deadline.bounds(CALL.scope(deadline, Box::pin(call))).await
}
