//! Checks the JSON types of a request before anything of it is stored, so that later code can rely on them. A table lists the typed fields;
//! other fields may have any type. Null stands for a missing field.

use serde_json::{Map, Value};

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Text,
    Flag,
    /// A whole number that fits in 64 bits.
    Number,
    Object,
    /// An object whose values are objects.
    Objects,
    /// An object whose values are texts, numbers or booleans.
    Words,
    /// A list of texts.
    Texts,
    /// A list of objects.
    List,
}

/// `a.b` is field `b` of `a`, `a[].b` is field `b` of each item of `a`, and `a.*.b` is field `b` of each value of `a`.
pub type FieldTypes = &'static [(&'static str, FieldType)];

/// A field with the wrong type.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The field as the table writes it.
    pub field: &'static str,
    pub expected: FieldType,
    /// The actual type: `string`, `number`, `bool`, `array` or `object`.
    pub actual: &'static str,
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl FieldType {
    /// Returns the part of the value that has the wrong type.
    fn wrong_part(self, value: &Value) -> Option<&Value> {
        let all = |fits: fn(&Value) -> bool| {
            let mut inner: Box<dyn Iterator<Item = &Value>> = match value {
                Value::Object(map) => Box::new(map.values()),
                Value::Array(items) => Box::new(items.iter()),
                _ => Box::new(std::iter::empty()),
            };
            inner.find(|value| !fits(value))
        };
        let fits = match self {
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Number => value.is_i64(),
            Self::Object => value.is_object(),
            Self::Objects if value.is_object() => return all(|v| v.is_object() || v.is_null()),
            Self::Words if value.is_object() => return all(|v| !v.is_object() && !v.is_array()),
            Self::Texts if value.is_array() => return all(Value::is_string),
            Self::List if value.is_array() => return all(Value::is_object),
            Self::Objects | Self::Words | Self::Texts | Self::List => false,
        };
        (!value.is_null() && !fits).then_some(value)
    }

    /// Returns the name of the type in Go.
    pub const fn go_name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Flag => "bool",
            Self::Number => "int32",
            Self::Object => "struct",
            Self::Objects => "map[string]struct",
            Self::Words => "map[string]string",
            Self::Texts => "[]string",
            Self::List => "[]struct",
        }
    }
}

/// Returns the first field of the table that has the wrong type.
pub fn mismatch(object: &Map<String, Value>, table: FieldTypes) -> Option<Mismatch> {
    table.iter().find_map(|(field, expected)| {
        let (first, rest) = field.split_once('.').map_or((*field, None), |(first, rest)| (first, Some(rest)));
        let value = object.get(first.trim_end_matches("[]"))?;
        let wrong_part = if first.ends_with("[]") { each(value, rest, *expected) } else { below(value, rest, *expected) };
        wrong_part.map(|value| Mismatch { field, expected: *expected, actual: type_name(value) })
    })
}

/// `rest` is the remaining path. A value that has no such path is reported by another row.
fn below<'a>(value: &'a Value, rest: Option<&str>, expected: FieldType) -> Option<&'a Value> {
    let Some(rest) = rest else { return expected.wrong_part(value) };
    let (first, rest) = rest.split_once('.').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    match first.strip_suffix("[]") {
        _ if first == "*" => value.as_object()?.values().find_map(|inner| below(inner, rest, expected)),
        Some(list) => each(value.get(list)?, rest, expected),
        None => below(value.get(first)?, rest, expected),
    }
}

fn each<'a>(value: &'a Value, rest: Option<&str>, expected: FieldType) -> Option<&'a Value> {
    value.as_array()?.iter().find_map(|item| below(item, rest, expected))
}

/// The typed fields that all ARM bodies share.
pub const ARM_BODY: FieldTypes = &[
    ("properties", FieldType::Object),
    ("location", FieldType::Text),
    ("tags", FieldType::Words),
    ("sku", FieldType::Object),
    ("sku.name", FieldType::Text),
    ("sku.tier", FieldType::Text),
    ("kind", FieldType::Text),
    ("managedBy", FieldType::Text),
    ("plan", FieldType::Object),
    ("zones", FieldType::Texts),
    ("identity", FieldType::Object),
    ("identity.type", FieldType::Text),
    ("identity.userAssignedIdentities", FieldType::Objects),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: FieldTypes = &[
        ("name", FieldType::Text),
        ("pools", FieldType::List),
        ("pools[].count", FieldType::Number),
        ("pools[].labels", FieldType::Words),
        ("addons", FieldType::Objects),
        ("addons.*.enabled", FieldType::Flag),
        ("deep.list[].names", FieldType::Texts),
    ];

    fn found(value: Value) -> Option<(&'static str, &'static str)> {
        mismatch(value.as_object().unwrap(), TABLE).map(|mismatch| (mismatch.field, mismatch.actual))
    }

    #[test]
    fn a_field_with_a_wrong_type_is_found_at_any_depth() {
        let valid = json!({"name": "n", "pools": [{"count": -1, "labels": {"a": "b", "c": 1}}, {"count": null}], "addons": {"x": {"enabled": true}, "y": null},
            "deep": {"list": [{"names": ["a"]}]}, "other": [[1]]});
        assert_eq!(found(valid), None);
        assert_eq!(found(json!({"name": null, "pools": null, "deep": null})), None);
        for (value, field, is) in [
            (json!({"name": ["n"]}), "name", "array"),
            (json!({"pools": ["x"]}), "pools", "string"),
            (json!({"pools": {"x": {}}}), "pools", "object"),
            (json!({"pools": [{}, {"count": 1.5}]}), "pools[].count", "number"),
            (json!({"pools": [{"count": u64::MAX}]}), "pools[].count", "number"),
            (json!({"pools": [{"labels": {"a": {}}}]}), "pools[].labels", "object"),
            (json!({"addons": {"x": 1}}), "addons", "number"),
            (json!({"addons": {"x": {"enabled": "true"}}}), "addons.*.enabled", "string"),
            (json!({"deep": {"list": [{"names": ["a", 1]}]}}), "deep.list[].names", "number"),
        ] {
            assert_eq!(found(value.clone()), Some((field, is)), "{value}");
        }
    }
}
