//! The form in which a client asks for an answer: the whole object, its metadata only, or a table.

use super::resource::Resource;
use super::store::meta;
use super::table;
use crate::http::Request;
use serde_json::{Value, json};

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    Whole,
    Table,
    Metadata,
}

pub fn view(request: &Request) -> View {
    for accepted in request.header("accept").unwrap_or_default().split(',') {
        let has = |wanted: &str| accepted.split(';').any(|p| p.trim() == wanted);
        if !has("application/json") {
            continue;
        }
        if has("as=Table") && has("v=v1") {
            return View::Table;
        }
        if (has("as=PartialObjectMetadata") || has("as=PartialObjectMetadataList")) && has("v=v1") {
            return View::Metadata;
        }
        if !accepted.contains("as=") {
            return View::Whole;
        }
    }
    View::Whole
}

pub fn shape(resource: &Resource, body: Value, view: View, include: &str) -> Value {
    let list = body["items"].is_array() && body["kind"] == resource.list_kind.as_str();
    if body["kind"] == "Scale" && view == View::Table {
        return table::scale(&body);
    }
    if body["kind"] == "Status" || (!list && body["kind"] != resource.kind.as_str()) {
        return body;
    }
    let partial = |object: &Value| json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
    match (view, list) {
        (View::Whole, _) => body,
        (View::Table, true) => {
            let items = body["items"].as_array().cloned().unwrap_or_default();
            let mut metadata = body["metadata"].clone();
            if metadata["continue"] == ""
                && let Some(metadata) = metadata.as_object_mut()
            {
                metadata.shift_remove("continue");
            }
            table::table(resource, &items, metadata, include)
        }
        (View::Table, false) => {
            let version = meta(&body, "resourceVersion");
            let metadata = if version.is_empty() { json!({}) } else { json!({"resourceVersion": version}) };
            table::table(resource, std::slice::from_ref(&body), metadata, include)
        }
        (View::Metadata, true) => {
            let items: Vec<Value> = body["items"].as_array().into_iter().flatten().map(partial).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"], "items": items})
        }
        (View::Metadata, false) => partial(&body),
    }
}

/// Removes kind and apiVersion: items of a built-in list do not repeat them.
pub fn item(resource: &Resource, mut out: Value) -> Value {
    if resource.custom.is_none()
        && let Some(map) = out.as_object_mut()
    {
        map.shift_remove("apiVersion");
        map.shift_remove("kind");
    }
    out
}
