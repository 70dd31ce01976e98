//! The words for acts, values and times, shared by plans, reports and progress.

use crate::engine::plan::Act;
use serde_json::Value;
use std::time::Duration;

/// Returns the symbol of an act. It is always shown together with the word.
pub(super) fn symbol(act: Act) -> char {
    match act {
        Act::Create => '+',
        Act::Update | Act::Replace | Act::HandOver => '~',
        Act::Delete | Act::Forget => '-',
        Act::Keep | Act::Adopt => '=',
    }
}

pub(super) fn verb(act: Act) -> &'static str {
    act.word()
}

pub(super) fn doing(act: Act) -> &'static str {
    match act {
        Act::Keep => "keeping",
        Act::Adopt => "adopting",
        Act::Create => "creating",
        Act::Update => "updating",
        Act::Replace => "replacing",
        Act::Delete => "deleting",
        Act::HandOver => "handing over",
        Act::Forget => "forgetting",
    }
}

pub(super) fn done(act: Act) -> &'static str {
    match act {
        Act::Keep => "kept",
        Act::Adopt => "adopted",
        Act::Create => "created",
        Act::Update => "updated",
        Act::Replace => "replaced",
        Act::Delete => "deleted",
        Act::HandOver => "handed over",
        Act::Forget => "forgotten",
    }
}

/// Formats a value: strings as they are, lists with commas, null as `(none)`.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".into(),
        Value::String(text) if text.is_empty() => "\"\"".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "(none)".into(),
        Value::Array(list) if list.iter().all(|v| !v.is_object() && !v.is_array()) => {
            list.iter().map(self::value).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Formats a duration: `0.3 s`, `42 s`, `3 min 5 s`.
pub(super) fn time(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", took.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}
