//! The JSON types of what is sent, before any of it is kept: who reads it later may rely on them. A table names the fields that have a type
//! here; what it does not name may be anything. Null stands for a field that was not sent.

use serde_json::{Map, Value};

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    /// A whole number that fits in 64 bits.
    Number,
    Object,
    /// An object whose values are objects.
    Objects,
    /// An object whose values are texts, numbers or flags.
    Words,
    /// A list of texts.
    Texts,
    /// A list of objects.
    List,
}

/// `a.b` is field `b` of `a`, `a[].b` field `b` of each item of `a`, and `a.*.b` that of each value of `a`.
pub type Table = &'static [(&'static str, Kind)];

/// A field of another type than its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// As the table has it.
    pub field: &'static str,
    pub due: Kind,
    /// `string`, `number`, `bool`, `array`, `object`.
    pub is: &'static str,
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Kind {
    /// The part of a value that is of another type.
    fn unfit(self, value: &Value) -> Option<&Value> {
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

    /// As Go names the type.
    pub const fn in_go(self) -> &'static str {
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

/// The first field of the table that is of another type.
pub fn wrong(object: &Map<String, Value>, table: Table) -> Option<Wrong> {
    table.iter().find_map(|(field, due)| {
        let (first, rest) = field.split_once('.').map_or((*field, None), |(first, rest)| (first, Some(rest)));
        let value = object.get(first.trim_end_matches("[]"))?;
        let unfit = if first.ends_with("[]") { each(value, rest, *due) } else { below(value, rest, *due) };
        unfit.map(|value| Wrong { field, due: *due, is: word(value) })
    })
}

/// `rest`: the way on from here. What cannot be gone on from is the fault of another row.
fn below<'a>(value: &'a Value, rest: Option<&str>, due: Kind) -> Option<&'a Value> {
    let Some(rest) = rest else { return due.unfit(value) };
    let (first, rest) = rest.split_once('.').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    match first.strip_suffix("[]") {
        _ if first == "*" => value.as_object()?.values().find_map(|inner| below(inner, rest, due)),
        Some(list) => each(value.get(list)?, rest, due),
        None => below(value.get(first)?, rest, due),
    }
}

fn each<'a>(value: &'a Value, rest: Option<&str>, due: Kind) -> Option<&'a Value> {
    value.as_array()?.iter().find_map(|item| below(item, rest, due))
}

/// What every body of ARM that has these fields has in them.
pub const OF_ARM: Table = &[
    ("properties", Kind::Object),
    ("location", Kind::Text),
    ("tags", Kind::Words),
    ("sku", Kind::Object),
    ("sku.name", Kind::Text),
    ("sku.tier", Kind::Text),
    ("kind", Kind::Text),
    ("managedBy", Kind::Text),
    ("plan", Kind::Object),
    ("zones", Kind::Texts),
    ("identity", Kind::Object),
    ("identity.type", Kind::Text),
    ("identity.userAssignedIdentities", Kind::Objects),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: Table = &[
        ("name", Kind::Text),
        ("pools", Kind::List),
        ("pools[].count", Kind::Number),
        ("pools[].labels", Kind::Words),
        ("addons", Kind::Objects),
        ("addons.*.enabled", Kind::Flag),
        ("deep.list[].names", Kind::Texts),
    ];

    fn found(value: Value) -> Option<(&'static str, &'static str)> {
        wrong(value.as_object().unwrap(), TABLE).map(|wrong| (wrong.field, wrong.is))
    }

    #[test]
    fn a_field_of_another_type_is_found_wherever_it_is() {
        let sound = json!({"name": "n", "pools": [{"count": -1, "labels": {"a": "b", "c": 1}}, {"count": null}], "addons": {"x": {"enabled": true}, "y": null},
            "deep": {"list": [{"names": ["a"]}]}, "other": [[1]]});
        assert_eq!(found(sound), None);
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
