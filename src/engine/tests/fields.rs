//! References in specs.

use crate::engine::{
    input::{DependsOn, Input, Outputs, needs, resolve, shown},
    key::Key,
};
use serde_json::json;

#[test]
fn a_reference_is_unchanged_after_serialization() {
    let value: Input<String> = Input::Known("green".into());
    let from: Input<String> = Input::Reference("host/a#id".into());
    for input in [value, from] {
        let paper = serde_json::to_value(&input).unwrap();
        assert_eq!(serde_json::from_value::<Input<String>>(paper).unwrap(), input);
    }
    assert_eq!(serde_json::to_value(DependsOn::of(&Key::from("host/a"))).unwrap(), json!({ "$in": "host/a" }));
}

#[test]
fn both_forms_of_a_reference_make_an_edge_wherever_they_stand() {
    let spec = json!({ "a": { "$from": "host/a#id" }, "list": [1, { "deep": { "$in": "host/b" } }], "text": "$from" });
    assert_eq!(needs(&spec).into_iter().collect::<Vec<_>>(), [Key::from("host/a"), Key::from("host/b")]);
}

#[test]
fn known_references_are_resolved_and_unknown_ones_are_shown_as_after() {
    let spec = json!({ "a": { "$from": "host/a#id" }, "b": { "$from": "host/b#id" } });
    let outputs = Outputs::from([("id".to_owned(), json!("1"))]);
    let known = [(Key::from("host/a"), outputs.into())].into();
    let resolved = resolve(&spec, &known);
    assert_eq!(resolved, json!({ "a": "1", "b": { "$from": "host/b#id" } }));
    assert_eq!(shown(&resolved), json!({ "a": "1", "b": "(after host/b)" }));
}

#[test]
fn a_key_is_a_kind_and_names() {
    let key = Key::of("leaf", ["kv", "password"]);
    assert_eq!((key.as_str(), key.kind(), key.names()), ("leaf/kv/password", "leaf", "kv/password"));
}

#[test]
fn a_reference_that_is_not_known_says_which() {
    let fault = Input::<String>::Reference("host/a#id".into()).get().unwrap_err();
    assert_eq!(fault.to_string(), "host/a id is not known");
}
