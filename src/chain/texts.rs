//! Texts of components and fields of their objects, made readable.

pub use crate::resources::texts::{cut, first_lines};
use jiff::Timestamp;
use serde_json::Value;

/// A text field of an object; empty if it has none.
pub fn field<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// When an event was last seen; its writer fills in one of these.
pub fn last_seen(event: &Value) -> Option<Timestamp> {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.iter().find_map(|pointer| field(event, pointer).parse().ok())
}

/// A value of a field, as a message shows it.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".into(),
        other => cut(&other.to_string()),
    }
}

/// The first digits of a version, which tell it apart.
pub fn short(version: &str) -> &str {
    version.get(..8).unwrap_or(version)
}
