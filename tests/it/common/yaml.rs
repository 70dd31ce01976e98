//! Writes JSON as YAML in which only changed values differ: sorted fields, one line per scalar, sets of owned fields on one line.

use serde_json::Value;

/// Each item of this list is JSON on one line.
const FLAT: &str = "managedFields";

pub fn print(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(value, false, 0, &mut out),
        Value::Array(list) if !list.is_empty() => block(value, false, 0, &mut out),
        other => {
            out += &scalar(other);
            out.push('\n');
        }
    }
    out
}

fn block(value: &Value, flat: bool, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            for name in names {
                out.push_str(&pad);
                out.push_str(&text(name));
                out.push(':');
                field(&map[name], name == FLAT, depth, out);
            }
        }
        Value::Array(list) => {
            for item in list {
                out.push_str(&pad);
                out.push('-');
                if flat {
                    out.push(' ');
                    out.push_str(&item.to_string());
                    out.push('\n');
                } else if matches!(item, Value::Object(map) if !map.is_empty()) {
                    let mut inner = String::new();
                    block(item, false, depth + 1, &mut inner);
                    out.push(' ');
                    out.push_str(inner.trim_start_matches(' '));
                } else {
                    field(item, false, depth, out);
                }
            }
        }
        _ => {}
    }
}

fn field(value: &Value, flat: bool, depth: usize, out: &mut String) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        block(value, flat, depth + 1, out);
    } else {
        out.push(' ');
        out.push_str(&scalar(value));
        out.push('\n');
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text_) => text(text_),
        other => other.to_string(),
    }
}

/// Writes a text bare if no reader could take it for something else.
fn text(text: &str) -> String {
    let plain = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || "<./$".contains(c))
        && text.chars().all(|c| !c.is_control())
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([':', ' '])
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off")
        && text != ".inf"
        && text != ".nan";
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}
