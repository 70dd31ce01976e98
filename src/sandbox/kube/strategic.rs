//! The strategic merge patch of built-in kinds. Does not use the store.

use super::schema::{List, Shape, Type};
use super::status::{Outcome, Refusal};
use super::typed::canonical;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet, VecDeque};

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
