//! Reads a whole list, page by page, with its resourceVersion.

use super::Api;
use super::calls::{ApiRequest, ApiResponse, ServerConnection, after};
use super::error::{Error, Result};
use super::limits::{MOST_BYTES, MOST_PAGES, MOST_RESTARTS, size};
use super::paths::{list_path, query};
use serde_json::Value;
use std::collections::HashSet;
use tokio::time::Instant;

/// Objects on a page. A list that is read once, for everything, takes fewer and larger pages.
const PAGE: &str = "500";
const LARGE_PAGE: &str = "1000";

pub(super) struct ObjectList {
    pub(super) items: Vec<Value>,
    pub(super) version: String,
}

/// Returns the list, or the response that refused it, which the caller interprets.
pub(super) async fn list_all(
    connection: &ServerConnection,
    api: &Api,
    namespace: Option<&str>,
    labels: Option<&str>,
    fields: Option<&str>,
    managers: Managers,
) -> Result<Result<ObjectList, ApiResponse>> {
    let path = list_path(api, namespace)?;
    let mut items: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    let end = after(connection.whole);
    let (mut seen, mut bytes, mut restarts) = (HashSet::new(), 0_usize, 0);
    let endless = |why: String| Error::EndlessList { context: connection.context.clone(), server: connection.server.clone(), why };
    loop {
        let parts = [("labelSelector", labels), ("fieldSelector", fields), ("limit", Some(managers.page())), ("continue", next.as_deref())];
        if Instant::now() >= end {
            return Err(Error::TimedOut(connection.whole));
        }
        let answer = match connection.answer_by(&ApiRequest::page(format!("{path}{}", query(&parts))), end).await {
            Err(Error::Unreachable { .. }) if Instant::now() >= end => return Err(Error::TimedOut(connection.whole)),
            answer => answer?,
        };
        if answer.code == 410 && next.is_some() {
            // the pages expired
            if restarts == MOST_RESTARTS {
                return Err(endless(format!("its pages expired while they were read, {} times", restarts + 1)));
            }
            restarts += 1;
            items.clear();
            seen.clear();
            bytes = 0;
            next = None;
            continue;
        }
        if !answer.ok() {
            return Ok(Err(answer));
        }
        bytes = bytes.saturating_add(answer.body.len());
        if bytes > MOST_BYTES {
            return Err(endless(format!("it is larger than {}", size(MOST_BYTES))));
        }
        let mut page = connection.parse(&answer.body)?;
        if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
            items.extend(more.into_iter().map(|item| managers.of(item)));
        }
        let text = |name: &str| page["metadata"][name].as_str().unwrap_or_default().to_owned();
        let more = text("continue");
        if more.is_empty() {
            let version = text("resourceVersion");
            items.iter_mut().for_each(|item| name_kind(api, item));
            return Ok(Ok(ObjectList { items, version }));
        }
        if !seen.insert(more.clone()) {
            return Err(endless(format!("page {} leads back to a page that was read before", seen.len() + 1)));
        }
        if seen.len() >= MOST_PAGES {
            return Err(endless(format!("it has more than {MOST_PAGES} pages")));
        }
        next = Some(more);
    }
}

/// What a list keeps of managedFields, whose sets of fields make up half of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Managers {
    Without,
    /// Who wrote, how and when, but not which fields.
    Names,
}

impl Managers {
    fn page(self) -> &'static str {
        if self == Self::Names { LARGE_PAGE } else { PAGE }
    }

    fn of(self, mut item: Value) -> Value {
        if let Some(Value::Object(metadata)) = item.get_mut("metadata") {
            match self {
                Self::Without => drop(metadata.shift_remove("managedFields")),
                Self::Names => {
                    let all = metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten();
                    all.filter_map(Value::as_object_mut).for_each(|one| drop(one.shift_remove("fieldsV1")));
                }
            }
        }
        item
    }
}

/// Adds apiVersion and kind, which the items in a list of a built-in kind lack.
fn name_kind(api: &Api, item: &mut Value) {
    if let Value::Object(item) = item {
        item.entry("apiVersion").or_insert_with(|| api.api_version().into());
        item.entry("kind").or_insert_with(|| api.kind.as_str().into());
    }
}
