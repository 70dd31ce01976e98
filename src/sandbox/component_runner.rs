//! Runs the simulated components of each cluster. They start only when there is a pod for them, so that other commands stay fast.

use super::components::{self, Component, Config, RunningComponents};
use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Mutex;

const ALL: [Component; 4] = [Component::Mic, Component::Nmi, Component::Csi, Component::Network];

#[derive(Default)]
pub struct ComponentRunner {
    /// By cluster name.
    running: Mutex<BTreeMap<String, RunningComponents>>,
    shut: AtomicBool,
    /// The components to run; all of them by default.
    enabled: OnceLock<Vec<Component>>,
}

impl ComponentRunner {
    /// Disables components that the user runs. It is called once, before any component starts.
    pub fn without(&self, absent: &[Component]) {
        let _ = self.enabled.set(ALL.into_iter().filter(|which| !absent.contains(which)).collect());
    }

    fn enabled(&self) -> &[Component] {
        self.enabled.get().map_or(&ALL, Vec::as_slice)
    }

    /// Stops all components and prevents new ones until `open` is called.
    pub async fn clear(&self) {
        self.shut.store(true, Ordering::Release);
        let all = std::mem::take(&mut *self.running.lock().await);
        for (_, components) in all {
            components.stop().await;
        }
    }

    pub fn open(&self) {
        self.shut.store(false, Ordering::Release);
    }

    /// Returns whether no component has work.
    pub async fn idle(&self) -> bool {
        self.running.lock().await.values().all(RunningComponents::idle)
    }

    /// Starts the components of a cluster unless they run already. `config` is awaited only then; it returns None if there is no work.
    pub async fn start(&self, cluster: &str, config: impl Future<Output = Option<Config>> + Send) {
        let mut running = self.running.lock().await;
        if self.shut.load(Ordering::Acquire) || running.contains_key(cluster) {
            return;
        }
        if let Some(config) = config.await {
            running.insert(cluster.to_owned(), components::start(config, self.enabled()));
        }
    }

    pub async fn is_empty(&self) -> bool {
        self.running.lock().await.is_empty()
    }
}
