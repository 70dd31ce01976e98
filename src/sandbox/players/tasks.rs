//! The tasks of the players of one cluster, and whether they have work.

use super::activity::Activity;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet};

/// Those who play, until they are stopped or dropped.
pub struct Players {
    activities: Vec<Arc<Activity>>,
    tasks: JoinSet<()>,
}

impl Players {
    /// Nothing is in flight and all that was seen is dealt with, or waits for the next try at a broken link.
    pub fn idle(&self) -> bool {
        self.activities.iter().all(|activity| activity.idle())
    }

    pub(super) fn new() -> Self {
        Self { activities: Vec::new(), tasks: JoinSet::new() }
    }

    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    pub(super) fn enter<T>(&mut self, name: &str, start: impl FnOnce(&mut Self) -> Result<T, String>) -> Option<T> {
        start(self).map_err(|e| tracing::error!("{name} cannot play: {e}")).ok()
    }

    pub(super) fn activity(&mut self) -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        self.activities.push(activity.clone());
        activity
    }

    pub(super) fn play(&mut self, what: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(what);
    }
}

/// A task that ends when this is dropped.
pub(super) struct AbortOnDrop(pub(super) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
