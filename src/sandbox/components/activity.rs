//! Whether a component has work: a wake-up signal, and a count of the tasks in progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Default)]
pub(super) struct Activity {
    woken: AtomicBool,
    busy: AtomicUsize,
    signal: Notify,
}

/// A task in progress, until this is dropped.
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    pub(super) fn wake(&self) {
        self.woken.store(true, SeqCst);
        self.signal.notify_one();
    }

    pub(super) fn idle(&self) -> bool {
        self.busy.load(SeqCst) == 0 && !self.woken.load(SeqCst)
    }

    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, SeqCst);
        Busy(self.clone())
    }

    /// Does the same as `Busy::while_idle`, for a callee of a task that is counted here.
    pub(super) async fn while_idle<T>(&self, what: impl Future<Output = T>) -> T {
        struct BusyAgain<'a>(&'a Activity);
        impl Drop for BusyAgain<'_> {
            fn drop(&mut self) {
                self.0.busy.fetch_add(1, SeqCst); // also if the wait is aborted, because the task itself is dropped after it
            }
        }
        self.busy.fetch_sub(1, SeqCst);
        let _busy_again = BusyAgain(self);
        what.await
    }

    /// Waits for the wake-up signal, or for `pause` before a retry.
    pub(super) async fn next(self: &Arc<Self>, pause: Option<Duration>) -> Busy {
        match pause {
            Some(pause) => drop(tokio::time::timeout(pause, self.signal.notified()).await),
            None => self.signal.notified().await,
        }
        let work = self.busy(); // before the signal is reset, so that the component never looks idle in between
        self.woken.store(false, SeqCst);
        work
    }
}

impl Busy {
    /// Waits without counting as busy: for another component, or before a retry.
    pub(super) async fn while_idle<T>(&mut self, what: impl Future<Output = T>) -> T {
        self.0.while_idle(what).await
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

/// Growing pauses between retries, reset after a success. The real kubelet and MIC wait for minutes, which is too long for a lab.
#[derive(Default)]
pub(super) struct Backoff(u32);

impl Backoff {
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
