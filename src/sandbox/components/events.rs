//! Kubernetes events as the components' recorders write them: one object for each message, with a count of its repetitions. Messages must
//! not contain secrets.

use super::kube::KubeClient;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A repeated message is counted at most this often.
const QUIET: Duration = Duration::from_secs(5);

pub(super) struct Events {
    kube: KubeClient,
    component: &'static str,
    seen: Mutex<HashMap<(String, String, String), WrittenEvent>>,
    serial: AtomicU64,
}

#[derive(Clone)]
struct WrittenEvent {
    name: String,
    count: u64,
    at: Instant,
}

pub(super) enum EventType {
    Normal,
    Warning,
}

pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Events {
    pub(super) fn new(kube: &KubeClient, component: &'static str) -> Self {
        Self { kube: kube.clone(), component, seen: Mutex::default(), serial: AtomicU64::new(0) }
    }

    /// `kind` is shown in `involvedObject`.
    pub(super) async fn record(&self, about: &Value, kind: &str, event_type: EventType, reason: &str, message: &str) {
        let text = |name: &str| about["metadata"][name].as_str().unwrap_or_default();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        let path = format!("/api/v1/namespaces/{namespace}/events");
        let key = (format!("{namespace}/{name}/{uid}"), reason.to_owned(), message.to_owned());
        let before = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(before) = before {
            if before.at.elapsed() < QUIET {
                return;
            }
            let more = json!({ "count": before.count + 1, "lastTimestamp": now() });
            if self.kube.merge(&format!("{path}/{}", before.name), &more).await.is_ok() {
                self.remember(key, WrittenEvent { count: before.count + 1, at: Instant::now(), ..before });
                return;
            }
        }
        // client-go uses the object's name and a time in hexadecimal
        let nanos = jiff::Timestamp::now().as_nanosecond() as u64;
        let event_name = format!("{name}.{:x}", nanos.wrapping_add(self.serial.fetch_add(1, Ordering::Relaxed)));
        let at = now();
        let event = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "name": event_name, "namespace": namespace },
            "involvedObject": {
                "kind": kind,
                "apiVersion": about["apiVersion"],
                "namespace": namespace,
                "name": name,
                "uid": uid,
                "resourceVersion": about["metadata"]["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": match event_type { EventType::Normal => "Normal", EventType::Warning => "Warning" },
            "source": { "component": self.component },
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        });
        match self.kube.post(&path, &event).await {
            Ok(_) => self.remember(key, WrittenEvent { name: event_name, count: 1, at: Instant::now() }),
            Err(e) => tracing::debug!(reason, "could not write an event: {}", e.text),
        }
    }

    fn remember(&self, key: (String, String, String), written: WrittenEvent) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, written);
    }
}
