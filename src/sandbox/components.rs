//! Who plays on which cluster. Nobody does until there is a pod to play for, so that a plain command pays nothing.

use super::players::{self, Config, Players, Which};
use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Mutex;

const ALL: [Which; 3] = [Which::Mic, Which::Nmi, Which::Csi];

#[derive(Default)]
pub struct ComponentRunner {
    /// By cluster name.
    running: Mutex<BTreeMap<String, Players>>,
    shut: AtomicBool,
    /// Who plays; all, so long as nothing was said.
    enabled: OnceLock<Vec<Which>>,
}

impl ComponentRunner {
    /// Others are in the place of these. Said once, before anybody plays.
    pub fn without(&self, absent: &[Which]) {
        let _ = self.enabled.set(ALL.into_iter().filter(|which| !absent.contains(which)).collect());
    }

    fn enabled(&self) -> &[Which] {
        self.enabled.get().map_or(&ALL, Vec::as_slice)
    }

    /// Nobody plays, and nobody is let in until it is open again.
    pub async fn clear(&self) {
        self.shut.store(true, Ordering::Release);
        let all = std::mem::take(&mut *self.running.lock().await);
        for (_, players) in all {
            players.stop().await;
        }
    }

    pub fn open(&self) {
        self.shut.store(false, Ordering::Release);
    }

    /// Whether nobody has anything left to do.
    pub async fn idle(&self) -> bool {
        self.running.lock().await.values().all(Players::idle)
    }

    /// Starts the components of a cluster unless they run already. `config` is awaited only then; it returns None if there is no work.
    pub async fn start(&self, cluster: &str, config: impl Future<Output = Option<Config>> + Send) {
        let mut running = self.running.lock().await;
        if self.shut.load(Ordering::Acquire) || running.contains_key(cluster) {
            return;
        }
        if let Some(config) = config.await {
            running.insert(cluster.to_owned(), players::start(config, self.enabled()));
        }
    }

    pub async fn is_empty(&self) -> bool {
        self.running.lock().await.is_empty()
    }
}
