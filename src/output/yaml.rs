//! Documents and objects as YAML, as kubectl writes it: block style, strings of several lines as they are, nothing folded.

use serde_json::{Map, Value};

/// A document, in its own order.
pub fn text(document: &Value) -> String {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    // a tree of JSON has nothing that YAML cannot hold
    serde_saphyr::to_string_with_options(document, options).unwrap_or_default()
}

/// An object with its fields in the order of the alphabet, so that two of them can be compared line by line.
pub fn sorted(object: &Value) -> String {
    text(&in_order(object))
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
