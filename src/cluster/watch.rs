//! Watches objects: a list, then a watch from its resourceVersion, repeated until the caller has what it needs.

use super::Api;
use super::calls::{ApiRequest, ServerConnection, after};
use super::error::{Error, Result};
use super::limits::ResponseKind;
use super::list::{Managers, list_all};
use super::paths::{list_path, query};
use super::status::RequestInfo;
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The server is asked to end a watch after this time. A connection without data for longer is taken as broken.
const LONGEST: Duration = Duration::from_secs(240);
const GRACE: Duration = Duration::from_secs(5);
/// The pause between two lists, when no watch may be opened or the last one failed.
const PAUSE: Duration = Duration::from_millis(250);

/// The objects to watch.
#[derive(Clone, Copy)]
pub(super) struct WatchTarget<'a> {
    pub(super) api: &'a Api,
    pub(super) namespace: Option<&'a str>,
    pub(super) fields: Option<&'a str>,
}

enum End<T> {
    Found(T),
    /// The watch ended and can go on from this resourceVersion.
    Cut(String),
    /// The server no longer has this resourceVersion, or cannot open a watch now.
    Relist,
}

/// Returns None when the time is up. A temporary error (unreachable, 5xx) is only returned for the first list, where
/// `ServerConnection::answer` has retried already, or if it lasts until the end.
pub(super) async fn follow<T: Send>(
    connection: &ServerConnection,
    view: WatchTarget<'_>,
    limit: Duration,
    mut see: impl FnMut(&Value) -> Option<T> + Send,
) -> Result<Option<T>> {
    let mut trouble = None;
    let all = rounds(connection, view, after(limit), &mut see, &mut trouble);
    match tokio::time::timeout(limit, all).await {
        Ok(found) => found.map(Some),
        Err(_) => trouble.map_or(Ok(None), Err),
    }
}

async fn rounds<T: Send>(
    connection: &ServerConnection,
    view: WatchTarget<'_>,
    end: Instant,
    see: &mut (impl FnMut(&Value) -> Option<T> + Send),
    trouble: &mut Option<Error>,
) -> Result<T> {
    let mut first = true;
    loop {
        let asked = RequestInfo { verb: "list", api: view.api, namespace: view.namespace, name: None };
        let listed = match list_all(connection, view.api, view.namespace, None, view.fields, Managers::Without).await {
            Ok(Ok(listed)) => Ok(listed),
            Ok(Err(answer)) => Err(connection.refusal(asked, &answer).await),
            Err(e) => Err(e),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(e) if first || !passes(&e) => return Err(e),
            Err(e) => {
                *trouble = Some(e);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        (first, *trouble) = (false, None);
        for item in &listed.items {
            if let Some(found) = see(item) {
                return Ok(found);
            }
        }
        let mut version = listed.version;
        loop {
            match one_watch(connection, view, &version, end, see).await {
                Ok(End::Found(found)) => return Ok(found),
                Ok(End::Cut(later)) if later != version => version = later,
                // no event arrived: pause, because the server may be shutting down
                Ok(End::Cut(_)) => tokio::time::sleep(PAUSE).await,
                Ok(End::Relist) => break,
                Err(e) if passes(&e) => {
                    *trouble = Some(e);
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns whether the same request may succeed later.
pub(super) fn passes(e: &Error) -> bool {
    matches!(e, Error::Unreachable { .. } | Error::Failed { .. })
}

async fn one_watch<T>(
    connection: &ServerConnection,
    view: WatchTarget<'_>,
    version: &str,
    end: Instant,
    see: &mut (impl FnMut(&Value) -> Option<T> + Send),
) -> Result<End<T>> {
    let span = end.saturating_duration_since(Instant::now()).clamp(Duration::from_secs(1), LONGEST);
    let seconds = span.as_secs().to_string();
    let parts = [
        ("watch", Some("true")),
        ("resourceVersion", Some(version)),
        ("allowWatchBookmarks", Some("true")),
        ("timeoutSeconds", Some(seconds.as_str())),
        ("fieldSelector", view.fields),
    ];
    let call = ApiRequest::get(format!("{}{}", list_path(view.api, view.namespace)?, query(&parts)));
    let mut flow = match connection.stream(&call).await? {
        None => return Ok(End::Relist),
        Some(Ok(flow)) => flow,
        Some(Err(answer)) if answer.code == 410 => return Ok(End::Relist),
        Some(Err(answer)) => {
            let asked = RequestInfo { verb: "watch", api: view.api, namespace: view.namespace, name: None };
            return Err(connection.refusal(asked, &answer).await);
        }
    };
    let mut version = version.to_owned();
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let frame = match tokio::time::timeout(span + GRACE, flow.body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            // the stream ended, broke, or was silent for too long
            Ok(Some(Err(_)) | None) | Err(_) => return Ok(End::Cut(version)),
        };
        rest.extend_from_slice(frame.data_ref().map(|data| data.as_ref()).unwrap_or_default());
        let Some(last) = rest.iter().rposition(|byte| *byte == b'\n') else {
            if rest.len() > ResponseKind::Event.most() {
                return Err(connection.too_large(ResponseKind::Event));
            }
            continue;
        };
        let lines: Vec<u8> = rest.drain(..=last).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let Ok(event) = serde_json::from_slice::<Value>(line) else { return Ok(End::Relist) };
            let object = &event["object"];
            let found = match event["type"].as_str() {
                Some("ADDED" | "MODIFIED") => see(object),
                Some("DELETED" | "BOOKMARK") => None,
                // mostly a 410, because the resourceVersion is too old
                _ => {
                    tracing::debug!(code = object["code"].as_u64(), "the server ended the watch");
                    return Ok(End::Relist);
                }
            };
            if let Some(found) = found {
                return Ok(End::Found(found));
            }
            if let Some(later) = object["metadata"]["resourceVersion"].as_str() {
                version = later.to_owned();
            }
        }
    }
}
