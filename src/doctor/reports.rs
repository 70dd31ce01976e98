//! What components report in a cluster, read at most once for all workloads that are examined: the events of a namespace, and the logs of
//! pods. How much is read is bounded, and what could not be read is said.

use crate::{
    chain::texts::field,
    cluster::{Api, Error, LogRange, ObjectRef, Read},
    survey::kinds::POD,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::OnceCell;

/// The last lines and bytes of one container's log.
const LINES: u32 = 500;
const BYTES: u64 = 512 << 10;
/// Logs that are read in one run.
const MOST_LOGS: usize = 60;
/// A log is read from the creation of the oldest pod on, and at most for this time.
const LONGEST: i64 = 24 * 3600;
const SHORTEST: i64 = 10 * 60;

type Cells<T> = Mutex<BTreeMap<(String, String), Arc<OnceCell<Arc<T>>>>>;

pub struct Reports<'a> {
    cluster: &'a Read,
    since: i64,
    events: Cells<Vec<Value>>,
    logs: Cells<String>,
    pods: Cells<Vec<Value>>,
    read: AtomicUsize,
    unseen: Mutex<BTreeSet<String>>,
    /// Namespaces whose logs this login may not read.
    closed: Mutex<BTreeSet<String>>,
}

impl<'a> Reports<'a> {
    /// `age`: of the oldest pod of the workloads that are examined, in seconds.
    pub fn new(cluster: &'a Read, age: Option<i64>) -> Self {
        Self {
            cluster,
            since: age.unwrap_or(SHORTEST).saturating_add(60).clamp(SHORTEST, LONGEST),
            events: Mutex::default(),
            logs: Mutex::default(),
            pods: Mutex::default(),
            read: AtomicUsize::new(0),
            unseen: Mutex::default(),
            closed: Mutex::default(),
        }
    }

    /// What could not be read, as sentences.
    pub fn unseen(&self) -> Vec<String> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn missed(&self, what: String) {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner).insert(what);
    }

    /// The warnings among the events of a namespace.
    pub async fn warnings(&self, namespace: &str) -> Arc<Vec<Value>> {
        let cell = cell(&self.events, (namespace.to_owned(), String::new()));
        let read = async {
            let api = Api::new("", "v1", "Event", "events");
            let listed = self.cluster.selected(&api, Some(namespace), "type=Warning").await;
            Arc::new(listed.unwrap_or_else(|error| {
                self.missed(format!("events of the namespace {namespace}: {error}"));
                Vec::new()
            }))
        };
        cell.get_or_init(|| read).await.clone()
    }

    /// The pods of a namespace.
    pub async fn pods(&self, namespace: &str) -> Arc<Vec<Value>> {
        let cell = cell(&self.pods, (namespace.to_owned(), String::new()));
        let read = async {
            Arc::new(self.cluster.list(&POD.api(), Some(namespace), None).await.unwrap_or_else(|error| {
                self.missed(format!("pods of the namespace {namespace}, and their logs: {error}"));
                Vec::new()
            }))
        };
        cell.get_or_init(|| read).await.clone()
    }

    /// The end of a container's log, or of that before its last restart; empty where it cannot be read.
    pub async fn log(&self, pod: &Value, container: &str, previous: bool) -> Arc<String> {
        let (namespace, name) = (field(pod, "/metadata/namespace"), field(pod, "/metadata/name"));
        let which = if previous { format!("{container}, before") } else { container.to_owned() };
        let cell = cell(&self.logs, (format!("{namespace}/{name}"), which));
        cell.get_or_init(|| async { Arc::new(self.read(namespace, name, container, previous).await) }).await.clone()
    }

    async fn read(&self, namespace: &str, name: &str, container: &str, previous: bool) -> String {
        if self.closed.lock().unwrap_or_else(PoisonError::into_inner).contains(namespace) {
            return String::new();
        }
        if self.read.fetch_add(1, Ordering::Relaxed) >= MOST_LOGS {
            self.missed(format!(
                "logs of further component pods: {MOST_LOGS} are read at most; examine one workload to read those of its nodes"
            ));
            return String::new();
        }
        let at = ObjectRef { api: POD.api(), namespace: Some(namespace.to_owned()), name: name.to_owned() };
        let range = LogRange { lines: LINES, since_seconds: u64::try_from(self.since).ok(), previous, most_bytes: Some(BYTES) };
        match self.cluster.log(&at, container, &range).await {
            Ok(text) => text,
            // the sandbox runs no containers, which it need not say of each
            Err(Error::Failed { status: 501, message, .. }) => {
                let why = message.split(": ").next().unwrap_or_default();
                self.missed(format!("logs of the components in the namespace {namespace}: {why}"));
                String::new()
            }
            Err(Error::Forbidden { message, .. }) => {
                self.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace.to_owned());
                self.missed(format!("logs of the components in the namespace {namespace}: {message}"));
                String::new()
            }
            // the node may have removed it
            Err(_) if previous => String::new(),
            Err(error) => {
                self.missed(format!("the log of {namespace}/{name}: {error}"));
                String::new()
            }
        }
    }
}

fn cell<T>(cells: &Cells<T>, key: (String, String)) -> Arc<OnceCell<Arc<T>>> {
    cells.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
}
