//! A whole list, page by page, and the resourceVersion at which it was true.

use super::Api;
use super::calls::{Answer, Call, Link, list_path, query};
use super::error::Result;
use serde_json::Value;

const PAGE: &str = "500";

pub(super) struct Listed {
    pub(super) items: Vec<Value>,
    pub(super) version: String,
}

/// Err inside: what the server refused with, for the caller to judge.
pub(super) async fn list_all(
    link: &Link,
    api: &Api,
    namespace: Option<&str>,
    labels: Option<&str>,
    fields: Option<&str>,
) -> Result<Result<Listed, Answer>> {
    let path = list_path(api, namespace)?;
    let mut items: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let parts = [("labelSelector", labels), ("fieldSelector", fields), ("limit", Some(PAGE)), ("continue", next.as_deref())];
        let answer = link.answer(&Call::get(format!("{path}{}", query(&parts)))).await?;
        if answer.code == 410 && next.is_some() {
            // the pages were too old to go on with
            items.clear();
            next = None;
            continue;
        }
        if !answer.ok() {
            return Ok(Err(answer));
        }
        let mut page = link.parse(&answer.body)?;
        if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
            items.extend(more.into_iter().map(without_managers));
        }
        let text = |name: &str| page["metadata"][name].as_str().unwrap_or_default().to_owned();
        let more = text("continue");
        if more.is_empty() {
            let version = text("resourceVersion");
            items.iter_mut().for_each(|item| name_kind(api, item));
            return Ok(Ok(Listed { items, version }));
        }
        next = Some(more);
    }
}

/// Who manages which field is half of an object, and nobody asks it of a list.
fn without_managers(mut item: Value) -> Value {
    if let Some(Value::Object(metadata)) = item.get_mut("metadata") {
        metadata.shift_remove("managedFields");
    }
    item
}

/// The items of a list of a built-in kind come without apiVersion and kind.
fn name_kind(api: &Api, item: &mut Value) {
    if let Value::Object(item) = item {
        item.entry("apiVersion").or_insert_with(|| api.api_version().into());
        item.entry("kind").or_insert_with(|| api.kind.as_str().into());
    }
}
