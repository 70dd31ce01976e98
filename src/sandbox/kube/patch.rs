//! The three kinds of patch besides apply: JSON merge patch (RFC 7386), JSON patch (RFC 6902), and the strategic merge patch of built-in
//! kinds. Does not use the store.

use super::schema::{List, Shape, Type};
use super::status::{Outcome, Refusal};
use super::typed::{canonical, equal};
use crate::measure;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet, VecDeque};

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

/// Applies a strategic merge patch (apimachinery, `util/strategicpatch`): lists with a merge key are merged by it, and `$patch` is obeyed.
pub fn strategic(ty: &Type, target: &mut Value, patch: &Value) -> Outcome<()> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("replace") => {
            *target = Value::Object(patch.iter().filter(|(name, _)| *name != "$patch").map(|(n, v)| (n.clone(), v.clone())).collect());
            return Ok(());
        }
        _ => {}
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return Ok(()) };
    if let Some(keys) = patch.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|name, _| keys.iter().any(|k| k == name));
    }
    let any = Type::Any { atomic: false };
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(items) = map.get_mut(list).and_then(Value::as_array_mut) {
                let removed: HashSet<String> = value.as_array().into_iter().flatten().map(canonical).collect();
                items.retain(|item| !removed.contains(&canonical(item)));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        if value.is_null() {
            map.shift_remove(name);
            continue;
        }
        let of = match ty.shape() {
            Shape::Struct { of, .. } => of.fields.get(name).map_or(&any, |f| &f.of),
            Shape::Map { of, .. } => of,
            _ => &any,
        };
        let order = patch.get(&format!("$setElementOrder/{name}")).and_then(Value::as_array);
        match (of.shape(), value) {
            (Shape::List(list), Value::Array(items)) if list.patch_key.is_some() => {
                let mut old = map.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
                merge_list(list, &mut old, items, order)?;
                map.insert(name.clone(), Value::Array(old));
            }
            // A new field that holds a directive is left out.
            (_, Value::Object(fresh)) if !map.contains_key(name) && fresh.contains_key("$patch") => {}
            (_, Value::Object(_)) => strategic(of, map.entry(name.clone()).or_insert(Value::Null), value)?,
            _ => {
                map.insert(name.clone(), value.clone());
            }
        }
    }
    // An order may come without items: the list is only sorted then.
    for (name, order) in patch.iter().filter_map(|(name, order)| Some((name.strip_prefix("$setElementOrder/")?, order.as_array()?))) {
        let Shape::Struct { of, .. } = ty.shape() else { continue };
        if !patch.contains_key(name)
            && let Some(Shape::List(list)) = of.fields.get(name).map(|f| f.of.shape())
            && let Some(items) = map.get_mut(name).and_then(Value::as_array_mut)
        {
            let before = items.clone();
            sort(list, items, order, &before);
        }
    }
    Ok(())
}

fn merge_list(list: &List, old: &mut Vec<Value>, patch: &[Value], order: Option<&Vec<Value>>) -> Outcome<()> {
    let key = list.patch_key.as_deref().unwrap_or_default();
    let before = old.clone();
    if patch.iter().any(|item| item["$patch"] == "replace") {
        *old = patch.iter().filter(|item| item["$patch"] != "replace").cloned().collect();
        return Ok(());
    }
    // Items are looked up by key: a list may have tens of thousands.
    let mut all: Vec<Option<Value>> = std::mem::take(old).into_iter().map(Some).collect();
    let mut positions: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, item) in before.iter().enumerate() {
        positions.entry(item_key(list, item)).or_default().push_back(at);
    }
    for item in patch {
        if !key.is_empty() && item.get(key).is_none() {
            let message = format!("map: {} does not contain declared merge key: {key}", super::apply_errors::go_format(item));
            return Err(Refusal::new(500, "", message));
        }
        let found = positions.entry(item_key(list, item)).or_default();
        match (item["$patch"] == "delete", found.front().copied()) {
            _ if key.is_empty() => {
                if found.is_empty() {
                    found.push_back(all.len());
                    all.push(Some(item.clone()));
                }
            }
            (true, Some(at)) => {
                found.pop_front();
                all[at] = None;
            }
            (true, None) => {}
            (false, Some(at)) => {
                if let Some(place) = all.get_mut(at).and_then(Option::as_mut) {
                    strategic(&list.of, place, item)?;
                }
            }
            (false, None) => {
                let mut fresh = Value::Object(Map::new());
                strategic(&list.of, &mut fresh, item)?;
                found.push_back(all.len());
                all.push(Some(fresh));
            }
        }
    }
    *old = all.into_iter().flatten().collect();
    // Without an order, the patch gives one.
    match order {
        Some(order) => sort(list, old, order, &before),
        None => sort(list, old, patch, &before),
    }
    Ok(())
}

/// Returns what identifies an item: its merge key, or the item itself.
fn item_key(list: &List, item: &Value) -> String {
    match list.patch_key.as_deref().unwrap_or_default() {
        "" => canonical(item),
        key => canonical(&item[key]),
    }
}

/// Returns the first position of each item.
fn positions(list: &List, items: &[Value]) -> HashMap<String, usize> {
    let mut positions = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        positions.entry(item_key(list, item)).or_insert(at);
    }
    positions
}

/// Sorts the items of `order` in that order; items that only the server has keep their place between them.
fn sort(list: &List, items: &mut Vec<Value>, order: &[Value], before: &[Value]) {
    let (wanted, was) = (positions(list, order), positions(list, before));
    let known = items.drain(..).map(|item| (item_key(list, &item), item));
    let (mut listed, only): (Vec<_>, Vec<_>) = known.partition(|(id, _)| wanted.contains_key(id));
    listed.sort_by_key(|(id, _)| wanted.get(id).copied());
    let (mut listed, mut only) = (listed.into_iter().peekable(), only.into_iter().peekable());
    loop {
        let server_first = match (only.peek(), listed.peek()) {
            (Some((o, _)), Some((l, _))) => matches!((was.get(o), was.get(l)), (Some(o), Some(l)) if o < l),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        items.extend(if server_first { only.next() } else { listed.next() }.map(|(_, item)| item));
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

    #[test]
    fn a_strategic_patch_merges_containers_by_name_and_replaces_tolerations() {
        let mut pod = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b"}], "tolerations": [{"key": "x"}]}});
        let patch = json!({"spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "a", "tty": true}, {"name": "c", "$patch": "delete"}], "tolerations": [{"key": "y"}],
        }});
        strategic(&Type::named("Pod"), &mut pod, &patch).unwrap();
        assert_eq!(
            pod,
            json!({"spec": {"containers": [{"name": "b"}, {"name": "a", "image": "1", "tty": true}], "tolerations": [{"key": "y"}]}})
        );
    }

    #[test]
    fn a_list_of_many_items_is_merged_as_fast_as_it_is_read() {
        let list = |from: usize, to: usize| json!({"spec": {"containers": (from..to).map(|n| json!({"name": format!("c{n}")})).collect::<Vec<_>>()}});
        let mut pod = list(0, 40_000);
        let began = std::time::Instant::now();
        strategic(&Type::named("Pod"), &mut pod, &list(20_000, 60_000)).unwrap();
        assert_eq!(pod["spec"]["containers"].as_array().unwrap().len(), 60_000);
        let merged = super::super::typed::merge(&Type::named("Pod"), &list(0, 40_000), &list(20_000, 60_000));
        assert_eq!(merged["spec"]["containers"].as_array().unwrap().len(), 60_000);
        assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    }

    #[test]
    fn a_finalizer_is_deleted_from_the_list_by_directive() {
        let mut it = json!({"metadata": {"finalizers": ["a", "b"]}});
        strategic(&Type::named("Pod"), &mut it, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})).unwrap();
        assert_eq!(it["metadata"]["finalizers"], json!(["b"]));
    }
}
