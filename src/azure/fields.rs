//! Fields of a resource's document that podid sets: compares them with the document, and merges them into it. Everything else in the
//! document stays as it was read.
//!
//! Names of fields and texts are compared without regard to case: AKS accepts and returns enums (`networkPlugin`) and the names of add-ons
//! in odd spellings. A field that is missing is equal to one that is false or empty, because Azure leaves such fields out of its answers.

use serde_json::{Map, Value};

/// A field whose value is not the wanted one.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The path below the compared object: `addonProfiles.omsagent.enabled`.
    pub path: String,
    pub found: Value,
    pub wanted: Value,
}

/// Returns the field of this name, in whatever spelling it has there.
fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let map = of.as_object()?;
    map.get(name).or_else(|| map.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
    }
}

/// Returns whether `found` is what is wanted. It may have more fields, such as those that only the service sets.
pub fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => found.eq_ignore_ascii_case(wanted),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        (found, Value::Object(wanted)) => {
            let holds = |(name, wanted): (&String, &Value)| holds(field(found, name).unwrap_or(&Value::Null), wanted);
            (found.is_object() || found.is_null()) && wanted.iter().all(holds)
        }
        (found, wanted) => found == wanted || is_empty(found) && is_empty(wanted),
    }
}

/// Returns the wanted fields as `found` has them; missing ones are null.
pub fn seen(found: &Value, wanted: &Value) -> Value {
    match wanted {
        Value::Object(wanted) => {
            let of = |(name, wanted): (&String, &Value)| (name.clone(), seen(field(found, name).unwrap_or(&Value::Null), wanted));
            Value::Object(wanted.iter().map(of).collect())
        }
        _ => found.clone(),
    }
}

/// Returns the fields that differ, each with its path.
pub fn differences(found: &Value, wanted: &Value) -> Vec<Difference> {
    let mut all = Vec::new();
    collect("", found, wanted, &mut all);
    all
}

fn collect(path: &str, found: &Value, wanted: &Value, all: &mut Vec<Difference>) {
    match wanted {
        Value::Object(fields) if found.is_object() || found.is_null() => {
            for (name, wanted) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, field(found, name).unwrap_or(&Value::Null), wanted, all);
            }
        }
        wanted if holds(found, wanted) => {}
        wanted => all.push(Difference { path: path.to_owned(), found: found.clone(), wanted: wanted.clone() }),
    }
}

/// Returns whether somebody uses one of the wanted profiles in another way: an object with values of its own, of which some are as wanted and
/// some are not. Several profiles, such as the OIDC issuer and the webhook of Workload ID, do not depend on each other.
pub fn is_used_otherwise(found: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) if fields.values().all(Value::is_object) => {
            fields.iter().any(|(name, wanted)| is_used_otherwise(field(found, name).unwrap_or(&Value::Null), wanted))
        }
        wanted => is_partly_set(found, wanted) && !holds(found, wanted),
    }
}

/// Returns whether one of the wanted fields is set already, to something that is not its default.
fn is_partly_set(found: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Object(fields) => fields.iter().any(|(name, wanted)| is_partly_set(field(found, name).unwrap_or(&Value::Null), wanted)),
        wanted => !is_empty(wanted) && holds(found, wanted),
    }
}

/// Sets the wanted fields that differ. Lists are replaced whole. Fields keep the spelling that they have there.
pub fn merge(into: &mut Value, wanted: &Value) {
    if holds(into, wanted) {
        return;
    }
    let Value::Object(fields) = wanted else {
        into.clone_from(wanted);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(map) = into else { return };
    for (name, wanted) in fields {
        let known = map.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
        match known.and_then(|known| map.get_mut(&known)) {
            Some(field) => merge(field, wanted),
            // a default that the document does not name stays out of it
            None if holds(&Value::Null, wanted) => {}
            None => {
                let mut field = Value::Null;
                merge(&mut field, wanted);
                map.insert(name.clone(), field);
            }
        }
    }
}

/// Sets all these fields, also those that are false or empty: in a body that creates a resource, they override other defaults.
pub fn overlay(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (name, value) in over {
                overlay(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, over) => into.clone_from(over),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_field_equals_a_false_or_empty_one() {
        assert!(holds(&json!({}), &json!({"a": {"enabled": false, "list": [], "text": "", "map": {}}})));
        assert!(holds(&json!({"a": null}), &json!({"a": {"enabled": false}})));
        assert!(!holds(&json!({}), &json!({"a": {"enabled": true}})));
        assert!(!holds(&json!({"a": {"enabled": true}}), &json!({"a": {"enabled": false}})));
    }

    #[test]
    fn texts_and_names_of_fields_are_compared_without_regard_to_case() {
        assert!(holds(
            &json!({"addonProfiles": {"omsAgent": {"enabled": true}}}),
            &json!({"addonProfiles": {"omsagent": {"enabled": true}}})
        ));
        assert!(holds(&json!({"networkPlugin": "Azure"}), &json!({"networkPlugin": "azure"})));
        let mut document = json!({"addonProfiles": {"omsAgent": {"enabled": true, "config": {"a": "b"}}}});
        merge(&mut document, &json!({"addonProfiles": {"omsagent": {"enabled": false}}}));
        assert_eq!(document, json!({"addonProfiles": {"omsAgent": {"enabled": false, "config": {"a": "b"}}}}));
    }

    #[test]
    fn an_item_of_a_list_may_have_more_fields_than_wanted() {
        let found = json!({"list": [{"name": "a", "provisioningState": "Assigned"}]});
        assert!(holds(&found, &json!({"list": [{"name": "a"}]})));
        assert!(!holds(&found, &json!({"list": [{"name": "b"}]})));
        assert!(!holds(&found, &json!({"list": []})));
    }

    #[test]
    fn differences_have_the_path_of_each_leaf() {
        let found = json!({"a": {"b": 1, "c": "x"}});
        let all = differences(&found, &json!({"a": {"b": 2, "c": "X", "d": true}}));
        let paths: Vec<&str> = all.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["a.b", "a.d"]);
        assert_eq!((&all[0].found, &all[0].wanted, &all[1].found), (&json!(1), &json!(2), &Value::Null));
    }

    #[test]
    fn a_merge_changes_only_the_wanted_fields_and_keeps_the_order_of_all() {
        let mut document: Value = serde_json::from_str(r#"{"z":1,"a":{"y":-1.0,"x":null},"m":[1,2]}"#).unwrap();
        merge(&mut document, &json!({"a": {"new": {"on": true, "off": false}}}));
        assert_eq!(document.to_string(), r#"{"z":1,"a":{"y":-1.0,"x":null,"new":{"on":true}},"m":[1,2]}"#);
        let before = document.to_string();
        merge(&mut document, &json!({"a": {"new": {"on": true}, "x": false}}));
        assert_eq!(document.to_string(), before, "what is as wanted is not touched");
        merge(&mut document, &json!({"a": {"x": false}, "z": 2}));
        assert_eq!(document.to_string(), before.replace("\"z\":1", "\"z\":2"), "a null stays a null");
    }

    #[test]
    fn something_is_partly_set_where_one_field_has_its_wanted_value() {
        let wanted = json!({"addon": {"enabled": true, "config": {"rotation": "true"}}});
        assert!(is_partly_set(&json!({"addon": {"enabled": true}}), &wanted));
        assert!(!is_partly_set(&json!({"addon": {"enabled": false, "config": null}}), &wanted));
        assert!(!is_partly_set(&json!({}), &wanted));
    }
}
