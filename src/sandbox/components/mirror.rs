//! All objects of one kind in all namespaces, kept by list and watch as the informers of the real components do.

use super::activity::{Activity, Busy};
use super::definition::established;
use super::flow::Flow;
use super::kube::{KubeClient, KubeError};
use crate::attempt::caught_while;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The pause before a kind that is not served, or a server that refuses, is tried again.
const ABSENT: Duration = Duration::from_secs(2);
const BROKEN: Duration = Duration::from_millis(300);
const WATCH: Duration = Duration::from_secs(300);

/// Namespace and name.
pub(super) type ObjectKey = (String, String);

pub(super) struct Mirror {
    objects: Mutex<BTreeMap<ObjectKey, Arc<Value>>>,
    listed: AtomicBool,
    turn: watch::Sender<u64>,
}

pub(super) fn key(object: &Value) -> ObjectKey {
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

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Arc<Value>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Returns whether the server has answered the list, also if it does not know the kind.
    pub(super) fn listed(&self) -> bool {
        self.listed.load(SeqCst)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.turn.subscribe()
    }

    /// Stores the current version of an object.
    pub(super) fn store(&self, object: Value) {
        self.change(|objects| drop(objects.insert(key(&object), Arc::new(object))));
    }

    fn change(&self, with: impl FnOnce(&mut BTreeMap<ObjectKey, Arc<Value>>)) {
        with(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner));
        self.listed.store(true, SeqCst);
        self.turn.send_modify(|turn| *turn += 1);
    }
}

/// Starts to mirror `path` (such as `/api/v1/pods`). `rings` means that a change is work for the component.
pub(super) fn keep(
    kube: &KubeClient,
    path: &'static str,
    activity: &Arc<Activity>,
    rings: bool,
) -> (Arc<Mirror>, impl Future<Output = ()> + use<>) {
    let mirror = Mirror::new();
    let (kube, activity, kept) = (kube.clone(), activity.clone(), mirror.clone());
    let work = activity.busy(); // busy from the start: before the first list nothing is known, so the component is not idle
    let keeping = async move {
        let mut work = work;
        let mut waited = false;
        loop {
            let wake = || {
                if rings {
                    activity.wake();
                }
            };
            let followed = caught_while(list_and_watch(&kube, path, &kept, &mut work, &wake)).await;
            let pause = match followed.unwrap_or(Ok(())) {
                Ok(()) => BROKEN,
                Err(e) if e.is_absent() => {
                    kept.change(BTreeMap::clear);
                    wake();
                    // where it is established and nothing is served, only time helps
                    match !waited && work.while_idle(established(&kube, path)).await {
                        true => {
                            waited = true;
                            continue;
                        }
                        false => ABSENT,
                    }
                }
                Err(e) => {
                    tracing::debug!(path, status = e.status, "could not watch: {}", e.text);
                    if e.status == 0 { BROKEN } else { ABSENT }
                }
            };
            waited = false;
            work.while_idle(tokio::time::sleep(pause)).await;
        }
    };
    (mirror, keeping)
}

/// Lists and then watches, until the watch ends or expires.
async fn list_and_watch(kube: &KubeClient, path: &str, mirror: &Mirror, work: &mut Busy, wake: &impl Fn()) -> Result<(), KubeError> {
    let mut list = kube.get(path).await?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let items = match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    mirror.change(|objects| *objects = items.into_iter().map(|item| (key(&item), Arc::new(item))).collect());
    wake();
    let query = format!("watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={}", WATCH.as_secs());
    let mut flow = Flow::start(kube, &format!("{path}?{query}")).await?;
    while let Ok(Some(events)) = work.while_idle(tokio::time::timeout(WATCH + ABSENT, flow.next())).await {
        for mut event in events {
            let object = event["object"].take();
            match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => mirror.store(object),
                Some("DELETED") => mirror.change(|objects| drop(objects.remove(&key(&object)))),
                Some("BOOKMARK") => continue,
                _ => return Ok(()), // usually 410
            }
            wake();
        }
    }
    Ok(())
}
