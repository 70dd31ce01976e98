//! Compares two objects line by line, in the unified format of `diff -u` and `kubectl diff`.

use super::{Line, Text, clean, yaml};
use serde_json::Value;
use similar::TextDiff;

/// Returns the diff; it is empty if they are equal. `name` follows `live/` and `merged/`. None is an object that does not exist.
pub fn diff(name: &str, live: Option<&Value>, merged: Option<&Value>) -> String {
    let text = |object: Option<&Value>| object.map(yaml::sorted).unwrap_or_default();
    let (live, merged, name) = (text(live), text(merged), clean::line(name));
    TextDiff::from_lines(&live, &merged).unified_diff().header(&format!("live/{name}"), &format!("merged/{name}")).to_string()
}

/// Returns the diff for people.
pub fn shown(diff: &str) -> Text {
    let line = |line: &str| match line.as_bytes() {
        [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => Line::new().bold(line),
        [b'-', ..] => Line::new().red(line),
        [b'+', ..] => Line::new().green(line),
        [b'@', ..] => Line::new().dim(line),
        _ => Line::from(line),
    };
    diff.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_shows_changes_with_their_context() {
        let live = json!({ "kind": "A", "spec": { "z": 1, "a": "x" } });
        let merged = json!({ "spec": { "a": "y", "z": 1 }, "kind": "A" });
        insta::assert_snapshot!(diff("ns/A/name", Some(&live), Some(&merged)), @r#"
        --- live/ns/A/name
        +++ merged/ns/A/name
        @@ -1,4 +1,4 @@
         kind: A
         spec:
        -  a: x
        +  a: "y"
           z: 1
        "#);
        assert_eq!(diff("ns/A/name", Some(&live), Some(&live)), "");
    }

    #[test]
    fn created_and_deleted_objects_are_shown_whole() {
        let object = json!({ "kind": "A" });
        assert_eq!(diff("A/name", None, Some(&object)), "--- live/A/name\n+++ merged/A/name\n@@ -0,0 +1 @@\n+kind: A\n");
        assert_eq!(diff("A/name", Some(&object), None), "--- live/A/name\n+++ merged/A/name\n@@ -1 +0,0 @@\n-kind: A\n");
    }
}
