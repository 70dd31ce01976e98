//! Generated bodies: a valid one with some part replaced by a value of another type.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that the code looks for, so that random objects are not ignored.
const NAMES: &[&str] = &[
    "name",
    "metadata",
    "spec",
    "status",
    "labels",
    "properties",
    "count",
    "items",
    "type",
    "template",
    "conditions",
    "replicas",
    "id",
    "value",
    "enabled",
    "tags",
    "apiVersion",
    "kind",
    "ä/~0~1",
];

/// Generates small JSON values of any type.
pub fn any_json() -> impl Strategy<Value = Value> {
    let numbers =
        [json!(0), json!(-1), json!(i64::MIN), json!(i64::MAX), json!(u64::MAX), json!(1.5), json!(1e308), json!(2_147_483_648_u64)];
    let texts = ["", "x", "é", "ü€😀", "\u{0}", "100%", "-1", "9223372036854775807", "9999-12-31T23:59:59Z", "../..", "a'b\"c", "$(x)"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(numbers.to_vec()),
        prop::sample::select(texts.to_vec()).prop_map(|text| json!(text)),
        Just(json!("é".repeat(300))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(NAMES), inner), 0..3)
                .prop_map(|all| Value::Object(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())),
        ]
    })
}

/// Returns a value of each type, and extreme values.
pub fn kinds() -> Vec<Value> {
    vec![Value::Null, json!(true), json!(-1), json!(u64::MAX), json!(1.5), json!("é"), json!([]), json!(["x"]), json!({}), json!({"a": 1})]
}

/// Returns the paths of all parts of a value: fields, items, and the value as a whole.
pub fn places(value: &Value) -> Vec<Vec<usize>> {
    let inner: Vec<&Value> = match value {
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let below = inner.into_iter().enumerate().flat_map(|(at, value)| places(value).into_iter().map(move |way| [vec![at], way].concat()));
    std::iter::once(Vec::new()).chain(below).collect()
}

/// Generates a place and a value; a value of each type is more frequent than a random one.
pub fn any_change() -> impl Strategy<Value = (prop::sample::Index, Value)> {
    (any::<prop::sample::Index>(), prop_oneof![3 => prop::sample::select(kinds()), 1 => any_json()])
}

/// Returns the value with one part replaced.
pub fn replaced(value: &Value, place: &[usize], new: Value) -> Value {
    fn at<'a>(value: &'a mut Value, place: &[usize]) -> Option<&'a mut Value> {
        let Some((first, rest)) = place.split_first() else { return Some(value) };
        match value {
            Value::Object(map) => at(map.values_mut().nth(*first)?, rest),
            Value::Array(items) => at(items.get_mut(*first)?, rest),
            _ => None,
        }
    }
    let mut value = value.clone();
    if let Some(place) = at(&mut value, place) {
        *place = new;
    }
    value
}
