//! What components report in a cluster, read at most once for all workloads that are examined: the events of a namespace, and the logs of
//! pods. How much is read is bounded, and what could not be read is said.

use crate::{
    chain::texts::field,
    cluster::{Api, Error, LogRange, ObjectRef, Read},
    components,
    resources::running,
    survey::{
        Survey,
        kinds::{DAEMON_SET, DEPLOYMENT, POD},
    },
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::OnceCell;

/// The last lines and bytes of one container's log. MIC writes two warnings every four seconds on Kubernetes 1.33 and later (`v1 Endpoints is
/// deprecated`), and what went wrong only once.
const LINES: u32 = 2500;
const BYTES: u64 = 2 << 20;
/// Logs that are read in one run.
const MOST_LOGS: usize = 60;
/// A log is read from the creation of the oldest pod on, and at most for this time.
const LONGEST: i64 = 24 * 3600;
const SHORTEST: i64 = 10 * 60;

/// A line of a log that reports something wrong.
pub struct LogLine {
    /// When the API server says that it was written.
    pub at: Option<Timestamp>,
    pub text: String,
}

type Cells<T> = Mutex<BTreeMap<(String, String), Arc<OnceCell<Arc<T>>>>>;

pub struct Reports<'a> {
    cluster: &'a Read,
    survey: &'a Survey,
    since: i64,
    is_wide: bool,
    /// By namespace; None where they must be asked for namespace by namespace.
    all_events: OnceCell<Option<BTreeMap<String, Arc<Vec<Value>>>>>,
    events: Cells<Vec<Value>>,
    logs: Cells<Vec<LogLine>>,
    pods: Cells<Vec<Value>>,
    installed: OnceLock<BTreeSet<(&'static str, String)>>,
    names: OnceLock<HashSet<String>>,
    read: AtomicUsize,
    unseen: Mutex<BTreeSet<String>>,
    /// Namespaces whose logs this login may not read.
    closed: Mutex<BTreeSet<String>>,
}

impl<'a> Reports<'a> {
    /// `age`: of the oldest pod of the workloads that are examined, in seconds. `is_wide`: workloads of all namespaces are examined.
    pub fn new(cluster: &'a Read, survey: &'a Survey, age: Option<i64>, is_wide: bool) -> Self {
        Self {
            cluster,
            survey,
            is_wide,
            all_events: OnceCell::new(),
            installed: OnceLock::new(),
            names: OnceLock::new(),
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
        let api = Api::new("", "v1", "Event", "events");
        if let Some(all) = self.all_events.get_or_init(|| self.everywhere(&api)).await {
            return all.get(namespace).cloned().unwrap_or_default();
        }
        let cell = cell(&self.events, (namespace.to_owned(), String::new()));
        let read = async {
            let listed = self.cluster.selected(&api, Some(namespace), "type=Warning").await;
            Arc::new(listed.unwrap_or_else(|error| {
                self.missed(format!("events of the namespace {namespace}: {error}"));
                Vec::new()
            }))
        };
        cell.get_or_init(|| read).await.clone()
    }

    async fn everywhere(&self, api: &Api) -> Option<BTreeMap<String, Arc<Vec<Value>>>> {
        if !self.is_wide {
            return None;
        }
        let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for event in self.cluster.selected(api, None, "type=Warning").await.ok()? {
            found.entry(field(&event, "/metadata/namespace").to_owned()).or_default().push(event);
        }
        Some(found.into_iter().map(|(namespace, events)| (namespace, Arc::new(events))).collect())
    }

    /// The components that run, and in which namespaces.
    pub fn installed(&self) -> &BTreeSet<(&'static str, String)> {
        self.installed.get_or_init(|| {
            let programs: Vec<_> =
                self.survey.cluster.of_kind(&DAEMON_SET).iter().chain(self.survey.cluster.of_kind(&DEPLOYMENT).iter()).collect();
            let of = |component: &'static dyn components::Component| {
                let signs: Vec<_> = component.signs().into_iter().collect();
                let running: Vec<_> = programs.iter().flat_map(|object| running::of(object, &signs)).collect();
                running.into_iter().map(|one| (component.name(), one.namespace))
            };
            components::all().flat_map(of).collect()
        })
    }

    /// What the lines of a log may name; made once, by the first that asks.
    pub fn names(&self, make: impl FnOnce(&Survey) -> HashSet<String>) -> &HashSet<String> {
        self.names.get_or_init(|| make(self.survey))
    }

    /// The pods of a namespace; they are asked for where the survey has none of it.
    pub async fn pods(&self, namespace: &str) -> Arc<Vec<Value>> {
        let cell = cell(&self.pods, (namespace.to_owned(), String::new()));
        let read = async {
            let listed = self.survey.cluster.of_kind(&POD).iter().filter(|pod| field(pod, "/metadata/namespace") == namespace);
            let listed: Vec<Value> = listed.cloned().collect();
            if !listed.is_empty() {
                return Arc::new(listed);
            }
            Arc::new(self.cluster.list(&POD.api(), Some(namespace), None).await.unwrap_or_else(|error| {
                self.missed(format!("pods of the namespace {namespace}, and their logs: {error}"));
                Vec::new()
            }))
        };
        cell.get_or_init(|| read).await.clone()
    }

    /// The errors at the end of a container's log, or of that before its last restart, the newest first; none where it cannot be read.
    pub async fn errors(&self, pod: &Value, container: &str, previous: bool) -> Arc<Vec<LogLine>> {
        let (namespace, name) = (field(pod, "/metadata/namespace"), field(pod, "/metadata/name"));
        let which = if previous { format!("{container}, before") } else { container.to_owned() };
        let cell = cell(&self.logs, (format!("{namespace}/{name}"), which));
        let read = async {
            let text = self.read(namespace, name, container, previous).await;
            Arc::new(text.lines().rev().map(log_line).filter(|line| is_error(&line.text)).collect::<Vec<_>>())
        };
        cell.get_or_init(|| read).await.clone()
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

/// The API server puts the time before each line.
fn log_line(line: &str) -> LogLine {
    let (at, text) =
        line.split_once(' ').and_then(|(time, rest)| Some((time.parse().ok()?, rest))).map_or((None, line), |(at, rest)| (Some(at), rest));
    LogLine { at, text: text.to_owned() }
}

/// Whether a line reports something wrong: klog marks errors, warnings and fatal ends by their first letter.
fn is_error(line: &str) -> bool {
    let mut letters = line.bytes();
    let is_marked = matches!(letters.next(), Some(b'E' | b'W' | b'F')) && letters.next().is_some_and(|letter| letter.is_ascii_digit());
    let words = ["error", "fail", "denied", "refused", "forbidden", "aadsts", "toomanyrequests", "not found", "unauthorized", "timeout"];
    is_marked || words.iter().any(|word| line.to_ascii_lowercase().contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_server_is_no_part_of_a_line() {
        let line = log_line("2026-11-30T12:00:00.123456789Z E1130 mic.go:1] failed");
        assert_eq!((line.at, line.text.as_str()), ("2026-11-30T12:00:00.123456789Z".parse().ok(), "E1130 mic.go:1] failed"));
        let line = log_line("E1130 12:00:00 mic.go:1] failed");
        assert_eq!((line.at, line.text.as_str()), (None, "E1130 12:00:00 mic.go:1] failed"));
    }

    #[test]
    fn only_lines_that_report_something_wrong_count() {
        assert!(is_error("E1130 12:00:00.1 1 server.go:1] it broke"));
        assert!(is_error("{\"level\":\"error\",\"msg\":\"x\"}") && is_error("time=\"…\" level=warning msg=\"Failed to do it\""));
        assert!(!is_error("I1130 12:00:00.1 1 server.go:1] status (200) took 1 ns"));
        assert!(!is_error("Everything runs"), "an E that begins a word marks nothing");
    }
}
