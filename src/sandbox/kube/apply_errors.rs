//! Finds the first error in an applied configuration, with the messages of structured-merge-diff (`typed/validate.go`). Uses types only.

use super::field_set::element_text;
use super::schema::{ListType, Scalar, Shape, Type};
use super::typed::{element, is_associative};
use serde_json::Value;
use std::collections::BTreeSet;

/// Returns the first error of a configuration, in the server's words.
pub fn first_error(ty: &Type, value: &Value) -> Option<String> {
    fn walk(ty: &Type, value: &Value, path: &str) -> Option<String> {
        if value.is_null() {
            return None;
        }
        let wrong = |what: &str| Some(format!("{path}: expected {what}, got {}", shown(value, what)));
        match ty.shape() {
            Shape::Scalar(scalar) => match scalar {
                Scalar::Text | Scalar::Bytes | Scalar::Time | Scalar::MicroTime if !value.is_string() => wrong("string"),
                Scalar::Int32 | Scalar::Int64 | Scalar::Number if !value.is_number() => wrong("numeric (int or float)"),
                Scalar::Bool if !value.is_boolean() => wrong("boolean"),
                _ => None,
            },
            Shape::Any { .. } => None,
            Shape::Struct { of, .. } => {
                let Some(map) = value.as_object() else { return wrong("map") };
                let mut names: Vec<&String> = map.keys().collect();
                names.sort();
                for name in names {
                    let inner = format!("{path}.{name}");
                    match of.fields.get(name) {
                        Some(f) => {
                            if let Some(fault) = walk(&f.of, &map[name], &inner) {
                                return Some(fault);
                            }
                        }
                        None if !of.open => return Some(format!("{inner}: field not declared in schema")),
                        None => {}
                    }
                }
                None
            }
            Shape::Map { of, .. } => {
                let Some(map) = value.as_object() else { return wrong("map") };
                map.iter().find_map(|(name, inner)| walk(of, inner, &format!("{path}.{name}")))
            }
            Shape::List(list) => {
                let Some(all) = value.as_array() else { return wrong("list") };
                let mut seen = BTreeSet::new();
                for (i, item) in all.iter().enumerate() {
                    let at = if is_associative(list) {
                        let Some(element) = element(list, item) else {
                            let keys = match &list.list_type {
                                ListType::Map(keys) => keys.iter().map(|k| format!("\"{k}\"")).collect::<Vec<_>>().join(" "),
                                _ => String::new(),
                            };
                            return Some(format!(
                                "{path}: element {i}: associative list with keys has an element that omits all key fields [{keys}] (and doesn't have default values for any key fields)"
                            ));
                        };
                        let shown = element_text(&element);
                        if !seen.insert(element) {
                            return Some(format!("{path}: duplicate entries for key {shown}"));
                        }
                        shown
                    } else {
                        format!("[{i}]")
                    };
                    if let Some(fault) = walk(&list.of, item, &format!("{path}{at}")) {
                        return Some(fault);
                    }
                }
                None
            }
        }
    }
    walk(ty, value, "")
}

/// Returns what Go prints for a value of a wrong type: `%T` where a number is expected, `%v` of the value's wrapper elsewhere.
fn shown(value: &Value, expected: &str) -> String {
    if expected.starts_with("numeric") {
        return match value {
            Value::String(_) => "string".into(),
            Value::Bool(_) => "bool".into(),
            Value::Array(_) => "[]interface {}".into(),
            Value::Object(_) => "map[string]interface {}".into(),
            Value::Null | Value::Number(_) => "<nil>".into(),
        };
    }
    if expected == "string" {
        return format!("&value.valueUnstructured{{Value:{value}}}");
    }
    format!("&{{{}}}", go_format(value))
}

/// Formats decoded JSON as Go's `%v` does.
pub fn go_format(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            let inner: Vec<String> = names.iter().map(|n| format!("{n}:{}", go_format(&map[*n]))).collect();
            format!("map[{}]", inner.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(go_format).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Type {
        Type::named("Pod")
    }

    #[test]
    fn an_undeclared_field_is_an_error() {
        assert_eq!(first_error(&pod(), &json!({"spec": {"zz": 1}})).unwrap(), ".spec.zz: field not declared in schema");
        assert_eq!(
            first_error(&pod(), &json!({"spec": {"priority": "1"}})).unwrap(),
            ".spec.priority: expected numeric (int or float), got string"
        );
        assert_eq!(first_error(&pod(), &json!({"metadata": {"labels": {"a": "b"}}})), None);
    }
}
