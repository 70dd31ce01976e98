//! Watches: the current objects, then changes, as lines of JSON. Each watch reads the store's history at its own pace.

use super::call::Call;
use super::cluster::Kube;
use super::select::Selector;
use super::status::{Outcome, Refusal};
use super::store::{Change, parts};
use super::view::{View, shape, view};
use super::{prepare, store};
use crate::http::{Body, Request, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// The interval of bookmarks on a watch without changes.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(10);
/// The timeout of a watch that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);
/// The longest timeout that a watch may name.
const MAX_TIMEOUT: Duration = Duration::from_secs(86_400);
const END_OF_INITIAL: &str = "k8s.io/initial-events-end";

struct Watch {
    call: Call,
    selector: Selector,
    view: View,
    include: String,
    bookmarks: bool,
    out: mpsc::Sender<Bytes>,
}

pub fn open(kube: &Arc<Kube>, call: &Call, selector: Selector, request: &Request) -> Outcome<Response> {
    let asked = request.query("resourceVersion").unwrap_or_default();
    let from = match asked.as_str() {
        "" | "0" => None,
        text => Some(text.parse::<u64>().map_err(|_| {
            let why =
                format!("resourceVersion: Invalid value: {}: strconv.ParseUint: parsing {}: invalid syntax", json!(text), json!(text));
            Refusal::new(500, "", why)
        })?),
    };
    let is = |name: &str| request.query(name).is_some_and(|v| v == "true" || v == "1");
    let initial = is("sendInitialEvents");
    let bookmarks = is("allowWatchBookmarks");
    let limit = request.query("timeoutSeconds").and_then(|t| t.parse().ok()).map_or(DEFAULT_TIMEOUT, Duration::from_secs).min(MAX_TIMEOUT);
    let (out, body) = mpsc::channel(256);
    let watch = Watch {
        call: call.clone(),
        selector,
        view: view(request),
        include: request.query("includeObject").unwrap_or_default(),
        bookmarks,
        out,
    };

    let store = kube.lock();
    let mut first = Vec::new();
    let version = match from {
        Some(version) if !initial => version,
        _ => {
            let current = store.state.version;
            for (_, object) in store.list(&call.resource, call.namespace.as_deref()) {
                if watch.selector.matches(object) {
                    first.push(watch.line("ADDED", object));
                }
            }
            if initial && bookmarks {
                first.push(watch.bookmark(current, true));
            }
            current
        }
    };
    drop(store);
    let (weak, mut versions) = (Arc::downgrade(kube), kube.version.subscribe());
    let end = Instant::now() + limit;
    tokio::spawn(async move {
        let mut version = version;
        for line in first {
            if watch.out.send(line).await.is_err() {
                return;
            }
        }
        loop {
            let Some(kube) = weak.upgrade() else { return };
            versions.mark_unchanged();
            let (changes, oldest) = {
                let store = kube.lock();
                (store.since(version), store.oldest())
            };
            drop(kube);
            let Some(changes) = changes else {
                let expired = Refusal::expired(format!("too old resource version: {version} ({oldest})"));
                let line = format!("{}\n", json!({"type": "ERROR", "object": expired.status()}));
                let _ = watch.out.send(line.into()).await;
                return;
            };
            for change in &changes {
                version = change.version;
                if let Some(line) = watch.event_line(change)
                    && watch.out.send(line).await.is_err()
                {
                    return;
                }
            }
            let next = Instant::now() + BOOKMARK_INTERVAL;
            tokio::select! {
                () = watch.out.closed() => return,
                changed = timeout_at(next.min(end), versions.changed()) => match changed {
                    Ok(Err(_)) => return,
                    Ok(Ok(())) => {}
                    Err(_) => {
                        if watch.bookmarks && watch.out.send(watch.bookmark(version, false)).await.is_err() {
                            return;
                        }
                        if Instant::now() >= end {
                            return;
                        }
                    }
                },
            }
        }
    });
    let mut response = Response::new(200).with("content-type", "application/json");
    if let Some(warning) = &call.resource.warning {
        response = response.with("warning", format!("299 - {}", json!(warning)));
    }
    response.body = Body::Stream(body);
    Ok(response)
}

impl Watch {
    fn line(&self, kind: &str, stored: &Value) -> Bytes {
        let object = shape(&self.call.resource, prepare::requested_version(&self.call.resource, stored), self.view, &self.include);
        format!("{}\n", json!({"type": kind, "object": object})).into()
    }

    fn bookmark(&self, version: u64, end_of_initial: bool) -> Bytes {
        let mut object = json!({"kind": self.call.resource.kind, "apiVersion": self.call.resource.api_version(), "metadata": {"resourceVersion": version.to_string()}});
        if end_of_initial {
            object["metadata"]["annotations"] = json!({END_OF_INITIAL: "true"});
        }
        let object = shape(&self.call.resource, object, self.view, "Object");
        format!("{}\n", json!({"type": "BOOKMARK", "object": object})).into()
    }

    /// Returns the event of a change, for a client that sees only what the selector matches.
    fn event_line(&self, change: &Change) -> Option<Bytes> {
        let (qualified, namespace, _) = parts(&change.key);
        let mine = store::key(&self.call.resource, None, "");
        if parts(&mine).0 != qualified || self.call.namespace.as_deref().is_some_and(|wanted| wanted != namespace) {
            return None;
        }
        let sees = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|o| self.selector.matches(o));
        match (sees(&change.old), sees(&change.new), &change.old, &change.new) {
            (true, true, _, Some(new)) => Some(self.line("MODIFIED", new)),
            (false, true, _, Some(new)) => Some(self.line("ADDED", new)),
            (true, false, Some(old), new) => {
                let mut last = Value::clone(old);
                if let Some(new) = new {
                    last["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"].clone();
                }
                Some(self.line("DELETED", &last))
            }
            _ => None,
        }
    }
}
