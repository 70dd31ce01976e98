//! Whether a player has anything to do: the bell that wakes it, and the count of what it has in hand. Knows nothing of what the work is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Desk {
    rung: AtomicBool,
    busy: AtomicUsize,
    bell: Notify,
}

/// Something in hand, until it is dropped.
pub(super) struct Work(Arc<Desk>);

impl Desk {
    pub(super) fn ring(&self) {
        self.rung.store(true, SeqCst);
        self.bell.notify_one();
    }

    pub(super) fn idle(&self) -> bool {
        self.busy.load(SeqCst) == 0 && !self.rung.load(SeqCst)
    }

    pub(super) fn work(self: &Arc<Self>) -> Work {
        self.busy.fetch_add(1, SeqCst);
        Work(self.clone())
    }

    /// As `Work::rest`, for who is called by one that has work in hand here.
    pub(super) async fn away<T>(&self, what: impl Future<Output = T>) -> T {
        struct Back<'a>(&'a Desk);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.busy.fetch_add(1, SeqCst); // also when the waiting is aborted: the work itself is dropped after it
            }
        }
        self.busy.fetch_sub(1, SeqCst);
        let _back = Back(self);
        what.await
    }

    /// Waits for the bell, or for `pause` where something must be tried again.
    pub(super) async fn next(self: &Arc<Self>, pause: Option<Duration>) -> Work {
        match pause {
            Some(pause) => drop(tokio::time::timeout(pause, self.bell.notified()).await),
            None => self.bell.notified().await,
        }
        let work = self.work(); // before the bell is reset, so that nobody sees an idle desk in between
        self.rung.store(false, SeqCst);
        work
    }
}

impl Work {
    /// Waits without counting as busy: for somebody else, or before the next try.
    pub(super) async fn rest<T>(&mut self, what: impl Future<Output = T>) -> T {
        self.0.away(what).await
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

/// Growing pauses between tries, and back to the first after a success. Kubelet's and MIC's own are minutes long; a lab cannot wait.
#[derive(Default)]
pub(super) struct Pauses(u32);

impl Pauses {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(2);

    pub(super) fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.0.min(8)).min(Self::LONGEST);
        self.0 += 1;
        pause
    }

    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}
