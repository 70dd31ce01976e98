//! Helpers that set or drop one field.

use serde_json::Value;

pub fn set(value: &mut Value, name: &str, default: Value) {
    if let Some(map) = value.as_object_mut() {
        map.entry(name).or_insert(default);
    }
}

/// Drops a field that is null: reading a missing field by index inserts a null.
pub fn drop_null(value: &mut Value, name: &str) {
    if value.get(name).is_some_and(Value::is_null)
        && let Some(map) = value.as_object_mut()
    {
        map.shift_remove(name);
    }
}
