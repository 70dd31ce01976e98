//! Bodies that nobody would write: a sound one with some part of it replaced by a value of another kind.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that the code looks for, so that a random object is not passed over.
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

/// JSON of any kind, small.
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

/// Where something is replaced: which of the fields or items, level by level.
pub fn any_place() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..6)
}

/// The value at a place is another one; where the way ends before, what is there.
pub fn replace(value: &mut Value, place: &[usize], new: Value) {
    let Some((first, rest)) = place.split_first() else {
        *value = new;
        return;
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let at = first % map.len();
            if let Some(inner) = map.values_mut().nth(at) {
                replace(inner, rest, new);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = first % items.len();
            replace(&mut items[at], rest, new);
        }
        other => *other = new,
    }
}
