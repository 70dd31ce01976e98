//! JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Does not use the store.

use super::status::{Outcome, Refusal};
use super::typed::equal;
use crate::measure;
use serde_json::{Map, Value};

/// The most operations of one JSON patch.
const MAX_STEPS: usize = 10_000;
/// The most bytes that the copies of one JSON patch may add.
const MAX_COPIED: usize = 3 << 20;

/// Applies a JSON merge patch (RFC 7386).
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            map.shift_remove(name);
        } else {
            merge(map.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies a JSON patch (RFC 6902). A failed step is a 422. What a small patch can produce is limited by the number of its steps (apiserver,
/// `maxJSONPatchOperations`) and by what its copies add (`JSONPatchMaxCopyBytes`).
pub fn json(target: &mut Value, steps: &Value) -> Outcome<()> {
    let Some(steps) = steps.as_array() else {
        return Err(Refusal::bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"));
    };
    if steps.len() > MAX_STEPS {
        let why = format!("The allowed maximum operations in a JSON patch is {MAX_STEPS}, got {}", steps.len());
        return Err(Refusal::too_large(&why));
    }
    let mut copied = 0;
    for step in steps {
        let path = step["path"].as_str().unwrap_or_default();
        let done = match step["op"].as_str().unwrap_or_default() {
            "add" => add(target, path, step["value"].clone()),
            "remove" => take(target, path).map(drop),
            // In a map, the server's library also accepts a replace of a missing field.
            "replace" if at(target, split(path).0).is_ok_and(|parent| parent.is_object()) => add(target, path, step["value"].clone()),
            "replace" => check_depth(path, &step["value"]).and_then(|()| at(target, path)).map(|place| *place = step["value"].clone()),
            "test" => match at(target, path) {
                Ok(value) if equal(value, &step["value"]) => Ok(()),
                _ => Err(format!("testing value {path} failed: test failed")),
            },
            "move" => take(target, step["from"].as_str().unwrap_or_default()).and_then(|value| add(target, path, value)),
            "copy" => match at(target, step["from"].as_str().unwrap_or_default()) {
                Ok(value) => {
                    copied += measure::size(value);
                    if copied > MAX_COPIED {
                        let why = format!(
                            "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
                        );
                        return Err(Refusal { details: serde_json::json!({}), ..Refusal::new(422, "Invalid", why) });
                    }
                    let value = value.clone();
                    add(target, path, value)
                }
                Err(why) => Err(why),
            },
            op => Err(format!("Unexpected kind: {op}")),
        };
        // The server does not report which step failed.
        done.map_err(|_| Refusal {
            details: serde_json::json!({}),
            ..Refusal::new(422, "Invalid", "the server rejected our request due to an error in our request")
        })?;
    }
    Ok(())
}

/// Limits how deep a step may put a value: many steps could nest it without end.
fn check_depth(path: &str, value: &Value) -> Result<(), String> {
    let deep = path.matches('/').count() + measure::depth(value);
    if deep > measure::DEEPEST { Err(format!("{path}: {}", super::call::TOO_DEEP)) } else { Ok(()) }
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn at<'a>(target: &'a mut Value, path: &str) -> Result<&'a mut Value, String> {
    let mut place = target;
    for part in path.split('/').skip(1).map(unescape) {
        let next = match place {
            Value::Object(map) => map.get_mut(&part),
            Value::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get_mut(i)),
            _ => None,
        };
        place = next.ok_or_else(|| format!("{path}: missing value"))?;
    }
    Ok(place)
}

fn split(path: &str) -> (&str, String) {
    path.rsplit_once('/').map_or(("", unescape(path)), |(parent, last)| (parent, unescape(last)))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    check_depth(path, &value)?;
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, last) = split(path);
    match at(target, parent)? {
        Value::Object(map) => {
            map.insert(last, value);
            Ok(())
        }
        Value::Array(items) if last == "-" => {
            items.push(value);
            Ok(())
        }
        Value::Array(items) => match last.parse::<usize>() {
            Ok(i) if i <= items.len() => {
                items.insert(i, value);
                Ok(())
            }
            _ => Err(format!("{path}: invalid index")),
        },
        _ => Err(format!("{path}: no container")),
    }
}

fn take(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = split(path);
    let missing = || format!("{path}: missing value");
    match at(target, parent)? {
        Value::Object(map) => map.shift_remove(&last).ok_or_else(missing),
        Value::Array(items) => match last.parse::<usize>() {
            Ok(i) if i < items.len() => Ok(items.remove(i)),
            _ => Err(missing()),
        },
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_takes_away_what_is_null() {
        let mut it = json!({"a": {"b": 1, "c": 2}});
        merge(&mut it, &json!({"a": {"b": null, "d": [1]}}));
        assert_eq!(it, json!({"a": {"c": 2, "d": [1]}}));
    }

    #[test]
    fn a_json_patch_fails_as_a_whole_when_a_test_fails() {
        let mut it = json!({"l": [1, 2], "m": {"a/b": 1}});
        json(&mut it, &json!([{"op": "add", "path": "/l/-", "value": 3}, {"op": "remove", "path": "/m/a~1b"}])).unwrap();
        assert_eq!(it, json!({"l": [1, 2, 3], "m": {}}));
        assert_eq!(json(&mut it, &json!([{"op": "test", "path": "/l/0", "value": 9}])).unwrap_err().code, 422);
    }

    #[test]
    fn a_patch_that_copies_itself_ends_where_the_api_server_ends_it() {
        let mut it = json!({"data": {"a": "x".repeat(1000)}});
        let steps: Vec<Value> = (0..60).map(|n| json!({"op": "copy", "from": "/data", "path": format!("/data/b{n}")})).collect();
        let refusal = json(&mut it, &json!(steps)).unwrap_err();
        assert_eq!(refusal.code, 422);
        let text = "Unable to complete the copy, the accumulated size increase of copy is ";
        assert!(refusal.message.starts_with(text) && refusal.message.ends_with(", exceeding the limit 3145728"), "{}", refusal.message);
        assert!(measure::size(&it) < 8 << 20, "{}", measure::size(&it));
    }

    #[test]
    fn a_patch_has_ten_thousand_steps_at_most() {
        let steps = |n: usize| json!(vec![json!({"op": "add", "path": "/a", "value": 1}); n]);
        assert!(json(&mut json!({}), &steps(10_000)).is_ok());
        let refusal = json(&mut json!({}), &steps(10_001)).unwrap_err();
        assert_eq!((refusal.code, refusal.reason), (413, "RequestEntityTooLarge"));
        let text = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001";
        assert_eq!(refusal.message, text);
    }

    #[test]
    fn a_patch_nests_nothing_deeper_than_a_body_may() {
        let nested = (0..60).fold(json!({}), |inner, _| json!({"a": inner}));
        let down = "/a".repeat(60);
        for op in [json!({"op": "copy", "from": "", "path": down}), json!({"op": "add", "path": down, "value": nested})] {
            let mut it = nested.clone();
            assert_eq!(json(&mut it, &json!([op])).unwrap_err().code, 422, "{op}");
            assert!(!measure::too_deep(&it));
        }
        let mut it = json!({"a": 1});
        let steps: Vec<Value> = (0..200)
            .flat_map(|_| [json!({"op": "copy", "from": "", "path": "/b"}), json!({"op": "move", "from": "/b", "path": "/a"})])
            .collect();
        assert_eq!(json(&mut it, &json!(steps)).unwrap_err().code, 422);
        assert!(!measure::too_deep(&it));
    }
}
