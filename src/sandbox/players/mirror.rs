//! What there is of one kind in all namespaces, kept by list and watch as the real components' informers do.

use super::desk::{Desk, Work};
use super::kube::{Kube, Refusal};
use crate::attempt::caught_while;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A kind that is not installed, or a server that is away, is looked for again after this.
const ABSENT: Duration = Duration::from_secs(2);
const BROKEN: Duration = Duration::from_millis(300);
const WATCH: Duration = Duration::from_secs(300);

/// Namespace and name.
pub(super) type Key = (String, String);

pub(super) struct Mirror {
    objects: Mutex<BTreeMap<Key, Arc<Value>>>,
    listed: AtomicBool,
    turn: watch::Sender<u64>,
}

pub(super) fn key(object: &Value) -> Key {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

impl Mirror {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { objects: Mutex::default(), listed: AtomicBool::new(false), turn: watch::channel(0).0 })
    }

    pub(super) fn all(&self) -> Vec<Arc<Value>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Whether the server has answered with a list (also: that it does not know the kind).
    pub(super) fn listed(&self) -> bool {
        self.listed.load(SeqCst)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.turn.subscribe()
    }

    /// One object as it is now.
    pub(super) fn see(&self, object: Value) {
        self.change(|objects| drop(objects.insert(key(&object), Arc::new(object))));
    }

    fn change(&self, with: impl FnOnce(&mut BTreeMap<Key, Arc<Value>>)) {
        with(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner));
        self.listed.store(true, SeqCst);
        self.turn.send_modify(|turn| *turn += 1);
    }
}

/// Starts to keep a mirror of `path` (such as `/api/v1/pods`). `rings`: whether a change is work for the player of this desk.
pub(super) fn keep(kube: &Kube, path: &'static str, desk: &Arc<Desk>, rings: bool) -> (Arc<Mirror>, impl Future<Output = ()> + use<>) {
    let mirror = Mirror::new();
    let (kube, desk, kept) = (kube.clone(), desk.clone(), mirror.clone());
    let work = desk.work(); // from the very start: before the first list nothing is known, so nobody is idle
    let keeping = async move {
        let mut work = work;
        loop {
            let ring = || {
                if rings {
                    desk.ring();
                }
            };
            let followed = caught_while(follow(&kube, path, &kept, &mut work, &ring)).await;
            let pause = match followed.unwrap_or(Ok(())) {
                Ok(()) => BROKEN,
                Err(e) if e.is_absent() => {
                    kept.change(BTreeMap::clear);
                    ring();
                    ABSENT
                }
                Err(e) => {
                    tracing::debug!(path, status = e.status, "cannot watch: {}", e.text);
                    if e.status == 0 { BROKEN } else { ABSENT }
                }
            };
            work.rest(tokio::time::sleep(pause)).await;
        }
    };
    (mirror, keeping)
}

/// One list and one watch from it, until that ends or is forgotten by the server.
async fn follow(kube: &Kube, path: &str, mirror: &Mirror, work: &mut Work, ring: &impl Fn()) -> Result<(), Refusal> {
    let mut list = kube.get(path).await?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let items = match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    mirror.change(|objects| *objects = items.into_iter().map(|item| (key(&item), Arc::new(item))).collect());
    ring();
    let query = format!("watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={}", WATCH.as_secs());
    let mut flow = kube.stream(&format!("{path}?{query}")).await?;
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let chunk = work.rest(tokio::time::timeout(WATCH + ABSENT, flow.chunk())).await;
        let Ok(Ok(Some(chunk))) = chunk else { return Ok(()) };
        rest.extend_from_slice(&chunk);
        let Some(last) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let lines: Vec<u8> = rest.drain(..=last).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let Ok(mut event) = serde_json::from_slice::<Value>(line) else { return Ok(()) };
            let object = event["object"].take();
            match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => mirror.see(object),
                Some("DELETED") => mirror.change(|objects| drop(objects.remove(&key(&object)))),
                Some("BOOKMARK") => continue,
                _ => return Ok(()), // mostly 410
            }
            ring();
        }
    }
}
