//! How many connections are open at once, and how long one may be open with nothing asked on it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// No process needs more to be served, whatever the system allows.
const MOST: u64 = 4096;
/// For files, the listeners, and what other parts of this process open.
const OTHERS: u64 = 128;
const LEAST: u64 = 16;

/// For the first byte, a TLS handshake, and the head of the first request.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// An idle connection is kept longer than the pools of clients keep theirs.
pub const IDLE: Duration = Duration::from_secs(300);

/// Room for the connections of all listeners.
pub struct Connections {
    free: Arc<Semaphore>,
}

impl Default for Connections {
    fn default() -> Self {
        let most = most(open_files());
        Self { free: Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(LEAST as usize))) }
    }
}

impl Connections {
    /// Waits until one more may be open. None: never again.
    pub async fn one_more(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }
}

/// Half of the files that this process may open: the players' own end of a connection is here as well, and so is that of a command which
/// embeds the sandbox.
fn most(open_files: u64) -> u64 {
    (open_files.saturating_sub(OTHERS) / 2).clamp(LEAST, MOST)
}

#[cfg(unix)]
fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// What systems allow where nobody says what.
#[cfg(not(unix))]
fn open_files() -> u64 {
    1024
}

/// Whether anything is asked on a connection.
pub struct Activity {
    running: AtomicUsize,
    /// When the last request began or ended, and how long nothing may follow.
    last: Mutex<(Instant, Duration)>,
    idle: Duration,
}

/// A request on its way, until this is dropped.
pub struct Asked(Arc<Activity>);

impl Default for Activity {
    fn default() -> Self {
        Self::new(PATIENCE, IDLE)
    }
}

impl Activity {
    fn new(patience: Duration, idle: Duration) -> Self {
        Self { running: AtomicUsize::new(0), last: Mutex::new((Instant::now(), patience)), idle }
    }

    pub fn asked(self: &Arc<Self>) -> Asked {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.now();
        Asked(self.clone())
    }

    fn now(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), self.idle);
    }

    /// Returns when nothing was asked for too long.
    pub async fn over(&self) {
        loop {
            let (last, limit) = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = self.running.load(Ordering::Acquire) == 0;
            if idle && last.elapsed() >= limit {
                return;
            }
            let due = if idle { last + limit } else { Instant::now() + self.idle };
            tokio::time::sleep_until(due).await;
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.now();
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_to_the_rest_of_the_process() {
        assert_eq!((most(1024), most(u64::MAX), most(0)), (448, MOST, LEAST));
    }

    #[tokio::test]
    async fn a_connection_is_over_when_nothing_is_asked_for_too_long() {
        let (patience, idle) = (Duration::from_millis(20), Duration::from_millis(100));
        let (began, activity) = (Instant::now(), Arc::new(Activity::new(patience, idle)));
        activity.over().await;
        assert!(began.elapsed() >= patience);
        let (began, asked) = (Instant::now(), activity.asked());
        let later = async {
            tokio::time::sleep(idle * 3).await;
            drop(asked);
        };
        tokio::join!(activity.over(), later);
        assert!(began.elapsed() >= idle * 4, "{:?}", began.elapsed());
    }
}
