//! What the columns of several kinds share: the type of a cell, ages, labels and selectors.

use super::super::label_selector::to_text;
use super::age::age;
use serde_json::{Value, json};

pub type Cell = fn(&Value) -> Value;
pub type Columns = Vec<(&'static str, &'static str, i64, Cell)>;

/// The column of nearly every kind.
pub const AGE: (&str, &str, i64, Cell) = ("Age", "string", 0, created);

fn created(object: &Value) -> Value {
    json!(age(&object["metadata"]["creationTimestamp"]))
}

/// Formats a LabelSelector as apimachinery's `FormatLabelSelector` does.
pub fn selector(selector: &Value) -> Value {
    or_none(&json!(to_text(selector)))
}

pub fn labels(value: &Value) -> Value {
    let all: Vec<String> =
        value.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    json!(if all.is_empty() { "<none>".to_owned() } else { all.join(",") })
}

pub fn or_none(value: &Value) -> Value {
    if value.as_str().is_none_or(str::is_empty) { json!("<none>") } else { value.clone() }
}
