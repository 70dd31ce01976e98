//! Reads the log of a container: the last lines, as text.

use super::calls::{ApiRequest, ServerConnection};
use super::error::Result;
use super::limits::ResponseKind;
use super::paths::{object_path, query};
use super::status::RequestInfo;
use super::{Api, ObjectRef};

/// Which part of a log.
#[derive(Clone, Debug)]
pub struct LogRange {
    /// The last lines.
    pub lines: u32,
    pub since_seconds: Option<u64>,
    /// None: as many as the lines have.
    pub most_bytes: Option<u64>,
    /// The log of the container that ran before a restart.
    pub previous: bool,
}

pub(super) async fn log(connection: &ServerConnection, pod: &ObjectRef, container: &str, range: &LogRange) -> Result<String> {
    let lines = range.lines.to_string();
    let since = range.since_seconds.map(|seconds| seconds.to_string());
    let bytes = range.most_bytes.map(|bytes| bytes.to_string());
    let parts = [
        ("container", Some(container)),
        ("tailLines", Some(lines.as_str())),
        ("sinceSeconds", since.as_deref()),
        ("limitBytes", bytes.as_deref()),
        ("previous", range.previous.then_some("true")),
        ("timestamps", Some("true")),
    ];
    let path = format!("{}/log{}", object_path(pod)?, query(&parts));
    let api = Api { plural: "pods/log".to_owned(), ..pod.api.clone() };
    let asked = RequestInfo { verb: "get", api: &api, namespace: pod.namespace.as_deref(), name: Some(&pod.name) };
    let text = connection.text(&ApiRequest { kind: ResponseKind::Page, ..ApiRequest::get(path) }, asked).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
