//! The depth and the size of JSON values. Stored values are limited in both: one that is nested too deeply could be written to the world's
//! file but never read again, and could overflow the stack.

use serde_json::Value;

/// The nesting limit for stored values. The files of the world add a few levels, and the parser reads up to 127.
pub const DEEPEST: usize = 100;

/// Returns 0 for a text or a number, and stops counting at one more than `most`.
fn counted(value: &Value, most: usize) -> usize {
    let below = |inner: &Value| match most.checked_sub(1) {
        Some(most) => counted(inner, most),
        None => 0,
    };
    match value {
        Value::Object(map) => 1 + map.values().map(below).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(below).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Returns the depth, but at most one more than `DEEPEST`.
pub fn depth(value: &Value) -> usize {
    counted(value, DEEPEST)
}

pub fn deeper(value: &Value, most: usize) -> bool {
    counted(value, most) > most
}

pub fn too_deep(value: &Value) -> bool {
    deeper(value, DEEPEST)
}

/// Returns the approximate length of the JSON; escapes are not counted.
pub fn size(value: &Value) -> usize {
    match value {
        Value::Object(map) => 2 + map.iter().map(|(name, inner)| name.len() + 4 + size(inner)).sum::<usize>(),
        Value::Array(items) => 2 + items.iter().map(|inner| 1 + size(inner)).sum::<usize>(),
        Value::String(text) => 2 + text.len(),
        Value::Number(number) => number.to_string().len(),
        Value::Bool(_) | Value::Null => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depth_and_size_are_those_of_the_json() {
        assert_eq!((depth(&json!(1)), depth(&json!([])), depth(&json!({"a": [{}]}))), (0, 1, 3));
        let nested = |n: usize| (0..n).fold(json!(1), |inner, _| json!([inner]));
        assert!(!too_deep(&nested(DEEPEST)) && too_deep(&nested(DEEPEST + 1)) && too_deep(&nested(DEEPEST * 5)));
        let value = json!({"name": "text", "list": [1, 22, true, null], "empty": {}});
        assert!(size(&value).abs_diff(value.to_string().len()) <= 8, "{}", size(&value));
    }
}
