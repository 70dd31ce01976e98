//! Validates custom objects against the schema of their CRD: nulls, defaults, and the causes of a 422 (apiextensions-apiserver, structural
//! schemas). Does not use the store.

use super::status::Cause;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Fills in defaults, and drops nulls that the schema does not allow unless `kept` is set.
pub fn fill(schema: &Value, value: &mut Value, kept: bool) {
    match value {
        Value::Object(map) => {
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                let null = map.get(name).is_some_and(Value::is_null);
                if null && !kept && inner["nullable"] != true {
                    map.shift_remove(name);
                }
                if !map.contains_key(name)
                    && let Some(default) = inner.get("default")
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(value) = map.get_mut(name) {
                    fill(inner, value, kept);
                }
            }
            if schema["additionalProperties"].is_object() {
                map.values_mut().for_each(|inner| fill(&schema["additionalProperties"], inner, kept));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(&schema["items"], item, kept)),
        _ => {}
    }
}

/// Returns the causes of a 422, field by field.
pub fn causes(schema: &Value, value: &Value) -> Vec<Cause> {
    let mut out = Vec::new();
    check(schema, value, "", &mut out);
    out
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() && n.as_f64().is_some_and(|f| f.fract() != 0.0) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check(schema: &Value, value: &Value, path: &str, out: &mut Vec<Cause>) {
    let shown = if path.is_empty() { "<nil>" } else { path };
    let is = type_of(value);
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if schema["x-kubernetes-int-or-string"] == true {
        if !matches!(is, "integer" | "string") {
            out.push(wrong_type(path, shown, "integer,string", is));
        }
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && wanted != is
        && !(wanted == "number" && is == "integer")
    {
        out.push(wrong_type(path, shown, wanted, is));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(|a| a.as_str().map_or_else(|| a.to_string(), str::to_owned)).collect();
        out.push(Cause::unsupported(path, value, &allowed));
    }
    match value {
        Value::String(text) => {
            let length = text.chars().count() as u64;
            if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
                let message = format!("Too long: may not be more than {most} bytes");
                out.push(Cause { field: path.into(), reason: "FieldValueTooLong", message });
            }
            if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
                out.push(Cause::invalid(path, value, &format!("{shown} in body should be at least {least} chars long")));
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
                out.push(Cause::invalid(path, value, &format!("{shown} in body should be greater than or equal to {least}")));
            }
            if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
                out.push(Cause::invalid(path, value, &format!("{shown} in body should be less than or equal to {most}")));
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{i}]"), out);
            }
            duplicates(schema, items, path, out);
        }
        Value::Object(map) => {
            let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let mut required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if schema["x-kubernetes-embedded-resource"] == true {
                required.extend(["apiVersion", "kind"].iter().filter(|name| !required.contains(*name)).copied().collect::<Vec<_>>());
            }
            required.sort_unstable();
            out.extend(required.iter().filter(|name| !map.contains_key(**name)).map(|name| Cause::required(&join(name), "")));
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            for name in names {
                if path.is_empty() && name == "metadata" {
                    continue;
                }
                if let Some(inner) = schema["properties"].get(name) {
                    check(inner, &map[name], &join(name), out);
                } else if schema["additionalProperties"].is_object() {
                    check(&schema["additionalProperties"], &map[name], &join(name), out);
                }
            }
        }
        _ => {}
    }
}

/// Finds duplicate items of a set and duplicate keys of a keyed list.
fn duplicates(schema: &Value, items: &[Value], path: &str, out: &mut Vec<Cause>) {
    let key = |item: &Value| match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(item.clone()),
        Some("map") => {
            let names = schema["x-kubernetes-list-map-keys"].as_array()?.iter().filter_map(Value::as_str);
            Some(names.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone()))).collect::<serde_json::Map<_, _>>().into())
        }
        _ => None,
    };
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        if let Some(this) = key(item)
            && !seen.insert(super::typed::sorted(&this).to_string())
        {
            out.push(Cause::duplicate(&format!("{path}[{i}]"), &this));
        }
    }
}

fn wrong_type(path: &str, shown: &str, wanted: &str, is: &str) -> Cause {
    let message = format!("Invalid value: {}: {shown} in body must be of type {wanted}: {}", json!(is), json!(is));
    Cause { field: path.into(), reason: "FieldValueTypeInvalid", message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_for_a_wrong_type_names_both_types() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"type": {"type": "integer"}}}}});
        let causes = causes(&schema, &json!({"spec": {"type": "0"}}));
        assert_eq!(causes[0].field, "spec.type");
        assert_eq!(causes[0].message, "Invalid value: \"string\": spec.type in body must be of type integer: \"string\"");
    }

    #[test]
    fn a_null_is_dropped_unless_the_schema_allows_it() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "nullable": true}}});
        let mut value = json!({"a": null, "b": null});
        fill(&schema, &mut value, false);
        assert_eq!(value, json!({"b": null}));
    }
}
