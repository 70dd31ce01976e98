//! Compares the values of a release with the wanted ones, and shows them without what may be a secret.

use crate::engine::{
    input::{shown as shown_input, unresolved},
    resource::Change,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Words in the name of a value that is not for everybody's eyes, such as `adminsecret.clientSecret` of aad-pod-identity's chart.
const SECRET_WORDS: [&str; 5] = ["secret", "password", "token", "credential", "privatekey"];
const REDACTED: &str = "(redacted)";

/// The fields that differ: `values.mic.replicas`. While a reference is not known, its field differs in any case.
pub(super) fn changes(actual: &Value, wanted: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("values", actual, wanted, &mut found);
    found
}

/// Whether a value says no more than its absence does.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

fn compare(path: &str, actual: &Value, wanted: &Value, found: &mut Vec<Change>) {
    if is_nothing(actual) && is_nothing(wanted) || is_same(actual, wanted) {
        return;
    }
    let empty = Value::Object(Map::new());
    let or_empty = |value: &Value| if value.is_null() { empty.clone() } else { value.clone() };
    if let (Value::Object(a), Value::Object(b)) = (or_empty(actual), or_empty(wanted))
        && unresolved(wanted).is_none_or(|_| wanted.get("$from").is_none())
    {
        let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names {
            let of = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
            compare(&format!("{path}.{name}"), &of(&a), &of(&b), found);
        }
        return;
    }
    let shown = |value: &Value| if is_secret(path) && !value.is_null() { json!(REDACTED) } else { redacted(value) };
    found.push(Change { field: path.to_owned(), from: shown(actual), to: shown_input(&shown(wanted)) });
}

/// helm stores numbers as JSON has them, where `1` and `1.0` are one.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b))),
        _ => one == other,
    }
}

fn is_secret(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The values for a plan.
pub(super) fn shown(values: &Value) -> Value {
    shown_input(&redacted(values))
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let hidden = is_secret(name) && (value.is_string() || value.is_number());
                (name.clone(), if hidden { json!(REDACTED) } else { redacted(value) })
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(all) => Value::Array(all.iter().map(redacted).collect()),
        other => other.clone(),
    }
}

/// The texts that helm's messages must not repeat.
pub(super) fn secrets(values: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect("", values, &mut found);
    found
}

fn collect(name: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| collect(name, value, found)),
        Value::Array(all) => all.iter().for_each(|value| collect(name, value, found)),
        Value::String(text) if is_secret(name) => found.push(text.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(actual: Value, wanted: Value) -> Vec<String> {
        changes(&actual, &wanted).into_iter().map(|change| format!("{} {} {}", change.field, change.from, change.to)).collect()
    }

    #[test]
    fn values_differ_field_by_field() {
        let actual = json!({ "mic": { "replicas": 2, "tag": "v1" }, "extra": true, "same": [1, { "a": 1.0 }] });
        let wanted = json!({ "mic": { "replicas": 2.0, "tag": "v2" }, "same": [1.0, { "a": 1 }], "new": { "deep": "x" } });
        assert_eq!(fields(actual, wanted), ["values.extra true null", "values.mic.tag \"v1\" \"v2\"", "values.new.deep null \"x\""]);
    }

    #[test]
    fn what_says_nothing_is_no_difference() {
        assert_eq!(fields(json!({}), json!({ "a": null, "b": {} })), Vec::<String>::new());
        assert_eq!(fields(Value::Null, json!({})), Vec::<String>::new());
    }

    #[test]
    fn a_reference_that_is_not_known_differs_in_any_case() {
        let wanted = json!({ "id": { "$from": "identity/claims#client_id" } });
        assert_eq!(fields(json!({ "id": "x" }), wanted), ["values.id \"x\" \"(after identity/claims)\""]);
    }

    #[test]
    fn no_secret_of_a_foreign_release_is_shown() {
        let actual = json!({ "adminsecret": { "clientSecret": "hunter2" }, "list": [{ "password": "hunter2" }] });
        let found = fields(actual.clone(), json!({}));
        assert!(!found.concat().contains("hunter2"), "{found:?}");
        assert_eq!(secrets(&actual), ["hunter2", "hunter2"]);
    }
}
