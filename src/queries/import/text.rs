//! The text of an imported spec: each part with a comment that says where it was found, and at the end what it does not have. Two imports of the
//! same world give the same text.

use crate::{inventory::import::Imported, output::yaml};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The lists whose items have comments of their own.
const LISTS: [&str; 2] = ["vaults", "workloads"];

pub(super) fn text(imported: &Imported, head: &str) -> String {
    let mut text = String::new();
    comment(&mut text, "", head);
    for (name, value) in imported.spec.as_object().into_iter().flatten() {
        match value {
            Value::Array(items) if LISTS.contains(&name.as_str()) && !items.is_empty() => {
                let _ = writeln!(text, "{name}:");
                for (at, item) in items.iter().enumerate() {
                    origin(&mut text, imported, "  ", &format!("/{name}/{at}"));
                    for line in yaml::text(&json!([item])).to_string().lines() {
                        let _ = writeln!(text, "  {line}");
                    }
                }
            }
            value => {
                origin(&mut text, imported, "", &format!("/{name}"));
                let _ = writeln!(text, "{}", yaml::text(&json!({ name: value })).to_string().trim_end());
            }
        }
    }
    if !imported.left_out.is_empty() {
        text.push('\n');
        comment(&mut text, "", "What is there and not in this file:");
        for one in &imported.left_out {
            comment(&mut text, "", &format!("- {one}"));
        }
    }
    text
}

fn origin(text: &mut String, imported: &Imported, indent: &str, pointer: &str) {
    if let Some(origin) = imported.origins.get(pointer).filter(|origin| !origin.is_empty()) {
        comment(text, indent, origin);
    }
}

/// A comment ends with its line, whatever a name in it holds.
fn comment(text: &mut String, indent: &str, words: &str) {
    let words: String = words.chars().map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c }).collect();
    let _ = writeln!(text, "{indent}# {words}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stand_before_what_they_are_about_and_cannot_be_left() {
        let spec = json!({ "apiVersion": "podid/v1", "cluster": { "name": "aks" }, "workloads": [{ "name": "a", "namespaced": "false" }, { "name": "b" }] });
        let origins = [("/cluster", "csi installed by AKS"), ("/workloads/1", "deployment shop/b\nevil: true")];
        let imported = Imported {
            origins: origins.map(|(at, text)| (at.to_owned(), text.to_owned())).into(),
            left_out: ["a class".to_owned()].into(),
            spec,
        };
        let written = text(&imported, "Imported.");
        insta::assert_snapshot!(written, @r#"
        # Imported.
        apiVersion: podid/v1
        # csi installed by AKS
        cluster:
          name: aks
        workloads:
          - name: a
            namespaced: "false"
          # deployment shop/b evil: true
          - name: b

        # What is there and not in this file:
        # - a class
        "#);
        assert_eq!(serde_saphyr::from_str::<Value>(&written).unwrap(), imported.spec);
    }
}
