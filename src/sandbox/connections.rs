//! Limits for the number of open connections and for idle connections.

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

/// One process needs no more connections, whatever the system allows.
const MOST: u64 = 4096;
/// Reserved for files, listeners, and other parts of this process.
const OTHERS: u64 = 128;
const LEAST: u64 = 16;

/// The time limit for the first byte, a TLS handshake, and the head of the first request.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Idle connections stay open longer than the connection pools of clients keep theirs.
pub const IDLE: Duration = Duration::from_secs(300);

/// A connection of a client.
#[derive(Clone, Copy)]
pub struct Conn {
    /// The number in the log.
    pub number: u64,
    /// Whether the client runs on this machine.
    pub from_here: bool,
}

/// The permits for the connections of all listeners.
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
    /// Waits until another connection may be opened. Returns None if that is never the case again.
    pub async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }
}

/// Half of the files that this process may open, because the components' end of a connection is in this process, too, and so is that of a
/// command that embeds the sandbox.
fn most(open_files: u64) -> u64 {
    (open_files.saturating_sub(OTHERS) / 2).clamp(LEAST, MOST)
}

#[cfg(unix)]
fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A usual default of systems.
#[cfg(not(unix))]
fn open_files() -> u64 {
    1024
}

/// Measures how long a connection has no request.
pub struct IdleTimer {
    running: AtomicUsize,
    /// When the last request began or ended, and how long the connection may be idle after it.
    last: Mutex<(Instant, Duration)>,
    idle: Duration,
}

/// A request in progress, until this is dropped.
pub struct ActiveRequest(Arc<IdleTimer>);

impl Default for IdleTimer {
    fn default() -> Self {
        Self::new(PATIENCE, IDLE)
    }
}

impl IdleTimer {
    fn new(patience: Duration, idle: Duration) -> Self {
        Self { running: AtomicUsize::new(0), last: Mutex::new((Instant::now(), patience)), idle }
    }

    pub fn request(self: &Arc<Self>) -> ActiveRequest {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.now();
        ActiveRequest(self.clone())
    }

    fn now(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), self.idle);
    }

    /// Returns when the connection was idle for too long.
    pub async fn expired(&self) {
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

impl Drop for ActiveRequest {
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
    async fn a_connection_ends_when_it_is_idle_for_too_long() {
        let (patience, idle) = (Duration::from_millis(20), Duration::from_millis(100));
        let (began, timer) = (Instant::now(), Arc::new(IdleTimer::new(patience, idle)));
        timer.expired().await;
        assert!(began.elapsed() >= patience);
        let (began, asked) = (Instant::now(), timer.request());
        let later = async {
            tokio::time::sleep(idle * 3).await;
            drop(asked);
        };
        tokio::join!(timer.expired(), later);
        assert!(began.elapsed() >= idle * 4, "{:?}", began.elapsed());
    }
}
