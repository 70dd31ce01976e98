//! Formats documents and objects as YAML like kubectl: block style, strings of several lines in literal blocks, nothing folded.

use super::{Text, clean};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Map, Value};
use serde_saphyr::DoubleQuoted;

/// Formats a document as it is printed, in its own order.
pub fn text(document: &Value) -> Text {
    Text::of_lines(&written(document))
}

/// Double-quotes strings that affect a reader, because YAML has escapes only there.
fn written(document: &Value) -> String {
    if has_acting_name(document) {
        // the YAML library cannot quote only some names; JSON is YAML, and quotes all of them
        return clean::yaml(&format!("{document:#}\n"));
    }
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    // every JSON tree can be written as YAML
    clean::yaml(&serde_saphyr::to_string_with_options(&Quoting(document), options).unwrap_or_default())
}

/// Returns whether a field's name affects a reader, or could make its line look like a header in a diff.
fn has_acting_name(value: &Value) -> bool {
    let acts = |name: &str| clean::acts(name) || name.contains('\n') || name.starts_with(['-', '+', '@', ' ']);
    match value {
        Value::Object(map) => map.iter().any(|(name, inner)| acts(name) || has_acting_name(inner)),
        Value::Array(list) => list.iter().any(has_acting_name),
        _ => false,
    }
}

struct Quoting<'a>(&'a Value);

impl Serialize for Quoting<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if clean::acts(text) => DoubleQuoted(text).serialize(serializer),
            Value::Array(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|item| seq.serialize_element(&Quoting(item)))?;
                seq.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, &Quoting(value)))?;
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// Formats an object with its fields in alphabetical order, so that two objects can be compared line by line.
pub fn sorted(object: &Value) -> String {
    written(&in_order(object))
}

fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            Value::Object(fields.into_iter().map(|(name, inner)| (name.clone(), in_order(inner))).collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.iter().map(in_order).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn harmful_strings_are_quoted_and_escaped_and_keep_their_value() {
        let hostile = ["\u{1b}[31m", "a\n::error::b", "x ##[error]y", "\u{202e}\u{e0041}\u{7f}\u{9b}", "a\tb\nc", "a\r\nb", "\u{2028}"];
        let values = json!({ "list": hostile, "spec": { "text": "a\u{1b}\n::stop-commands::x\n" }, "plain": "a\n  b\n" });
        let names = json!({ "a\u{202e}": 1, "b": hostile });
        let header = json!({ "-- live/x": "y", "::error::": "z" });
        for object in [values, names, header] {
            let told = text(&object).to_string();
            assert!(told.chars().all(|c| c == '\n' || clean::is_visible(c)), "{told}");
            assert!(told.lines().all(|line| clean::commands(line).is_empty() && !line.starts_with("--")), "{told}");
            assert_eq!(serde_saphyr::from_str::<Value>(&told).unwrap(), object, "{told}");
        }
        insta::assert_snapshot!(text(&json!({ "a": "x\n\u{1b}[2K::error::y", "b": "one\ntwo\n" })), @r#"
        a: "x\n\e[2K::error::y"
        b: |
          one
          two
        "#);
    }

    #[test]
    fn strings_stay_strings_and_lines_stay_lines() {
        let long = "x ".repeat(80);
        let object = json!({ "b": { "yes": "true", "number": "0" }, "a": ["one\ntwo\n", long.trim()], "n": null });
        let told = sorted(&object);
        insta::assert_snapshot!(told.replace(long.trim(), "LONG"), @r#"
        a:
        - |
          one
          two
        - LONG
        b:
          number: "0"
          "yes": "true"
        "n": null
        "#);
        assert_eq!(serde_saphyr::from_str::<Value>(&told).unwrap(), object);
    }
}
