//! The tasks of the components of one cluster, and whether they have work.

use super::activity::Activity;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet};

/// Running components, until they are stopped or dropped.
pub struct RunningComponents {
    activities: Vec<Arc<Activity>>,
    tasks: JoinSet<()>,
}

impl RunningComponents {
    /// Returns whether all components have handled everything that they saw, or wait for a retry.
    pub fn idle(&self) -> bool {
        self.activities.iter().all(|activity| activity.idle())
    }

    pub(super) fn new() -> Self {
        Self { activities: Vec::new(), tasks: JoinSet::new() }
    }

    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    pub(super) fn start_component<T>(&mut self, name: &str, start: impl FnOnce(&mut Self) -> Result<T, String>) -> Option<T> {
        start(self).map_err(|e| tracing::error!("could not start {name}: {e}")).ok()
    }

    pub(super) fn activity(&mut self) -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        self.activities.push(activity.clone());
        activity
    }

    pub(super) fn spawn(&mut self, what: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(what);
    }
}

/// A task that is aborted when this is dropped.
pub(super) struct AbortOnDrop(pub(super) JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
