//! Operations on typed values: their fields as a set, merging, removing fields. The rules are those of structured-merge-diff v6
//! (`typed`), on which server-side apply is built. Does not depend on owners.

use super::field_set::{FieldSet, field};
use super::schema::{List, ListType, Shape, Type};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

static DEDUCED: Type = Type::Any { atomic: false };

/// How a value is merged.
pub enum Atom<'a> {
    Leaf,
    Map { of: &'a dyn Fields, atomic: bool },
    List(&'a List),
}

/// The type of a field by its name.
pub trait Fields {
    fn of(&self, name: &str) -> &Type;
    /// Whether the name is a field of a struct, and not a key of a map.
    fn declared(&self, name: &str) -> bool;
}

impl Fields for super::schema::Struct {
    fn of(&self, name: &str) -> &Type {
        self.fields.get(name).map_or(&DEDUCED, |f| &f.of)
    }
    fn declared(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }
}

impl Fields for Type {
    fn of(&self, _: &str) -> &Type {
        self
    }
    fn declared(&self, _: &str) -> bool {
        false
    }
}

/// Returns how a value is merged. `value` decides where the type leaves it open.
pub fn atom<'a>(ty: &'a Type, value: Option<&Value>) -> Atom<'a> {
    match ty.shape() {
        Shape::Scalar(_) => Atom::Leaf,
        Shape::Struct { of, atomic } => Atom::Map { of, atomic },
        Shape::Map { of, atomic } => Atom::Map { of, atomic },
        Shape::List(list) => Atom::List(list),
        Shape::Any { atomic } => match value {
            Some(Value::Object(_)) if !atomic => Atom::Map { of: &DEDUCED, atomic: false },
            _ => Atom::Leaf,
        },
    }
}

pub fn empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    }
}

/// Returns the path element of a list's item; `None` for an item of a keyed list that lacks a key without a default.
pub fn element(list: &List, item: &Value) -> Option<String> {
    match &list.list_type {
        ListType::Set => Some(format!("v:{item}")),
        ListType::Map(keys) => {
            let mut found = BTreeMap::new();
            for key in keys {
                let default = || match list.of.shape() {
                    Shape::Struct { of, .. } => of.fields.get(key).and_then(|f| f.default.clone()),
                    _ => None,
                };
                // An absent key counts as null if another key is present.
                let value = item.get(key).cloned().or_else(default);
                if let Some(value) = value {
                    found.insert(key.clone(), value);
                }
            }
            if found.is_empty() {
                return None;
            }
            serde_json::to_string(&found).ok().map(|keys| format!("k:{keys}"))
        }
        ListType::Atomic => None,
    }
}

pub fn is_associative(list: &List) -> bool {
    list.list_type != ListType::Atomic
}

pub fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns all fields of a value, as a manager owns them after an apply.
pub fn field_set(ty: &Type, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(ty, value, &mut Vec::new(), &mut set);
    set
}

fn collect(ty: &Type, value: &Value, path: &mut Vec<String>, set: &mut FieldSet) {
    match atom(ty, Some(value)) {
        Atom::Map { of, atomic: false } => {
            for (name, inner) in value.as_object().into_iter().flatten() {
                path.push(field(name));
                collect(of.of(name), inner, path, set);
                let hollow = inner.is_null() || inner.as_object().is_some_and(Map::is_empty);
                if hollow || !of.declared(name) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Atom::List(list) if is_associative(list) => {
            for item in items(Some(value)) {
                if let Some(element) = element(list, item) {
                    path.push(element);
                    collect(&list.of, item, path, set);
                    set.insert(path);
                    path.pop();
                }
            }
        }
        _ => set.insert(path),
    }
}

/// Sorts the fields of every map by name, as Go writes maps.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<&String, Value> = map.iter().map(|(name, inner)| (name, sorted(inner))).collect();
            fields.into_iter().map(|(name, inner)| (name.clone(), inner)).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Returns a text that is equal for two values if, and only if, they are the `same`.
pub fn canonical(value: &Value) -> String {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let fields: BTreeMap<&String, Value> = map.iter().map(|(name, inner)| (name, plain(inner))).collect();
                fields.into_iter().map(|(name, inner)| (name.clone(), inner)).collect::<Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
            other => other.clone(),
        }
    }
    plain(value).to_string()
}

/// Returns whether two values are equal, apart from the order of fields; 1 equals 1.0.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| equal(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// Merges `new` into `old`: fields that `new` does not name stay.
pub fn merge(ty: &Type, old: &Value, new: &Value) -> Value {
    merge_values(ty, Some(old), Some(new)).unwrap_or(Value::Null)
}

fn merge_values(ty: &Type, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let keep = || new.or(old).cloned();
    match atom(ty, new.or(old)) {
        Atom::Map { of, atomic: false } if !(empty(old) && empty(new)) => {
            let mut out = Map::new();
            let old_map = old.and_then(Value::as_object);
            let new_map = new.and_then(Value::as_object);
            let fresh = new_map.into_iter().flat_map(Map::keys).filter(|k| old_map.is_none_or(|o| !o.contains_key(*k)));
            for name in old_map.into_iter().flat_map(Map::keys).chain(fresh) {
                if let Some(value) = merge_values(of.of(name), old_map.and_then(|m| m.get(name)), new_map.and_then(|m| m.get(name))) {
                    out.insert(name.clone(), value);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        Atom::List(list) if is_associative(list) && !(empty(old) && empty(new)) => {
            let out = merge_items(list, items(old), items(new));
            (!out.is_empty()).then_some(Value::Array(out))
        }
        _ => keep(),
    }
}

/// The order is that of `new`; items that only `old` has keep their place between them.
fn merge_items(list: &List, old: &[Value], new: &[Value]) -> Vec<Value> {
    let (left, right) = (ItemIndex::of(list, old), ItemIndex::of(list, new));
    let mut shared = right.all.iter().filter(|e| left.has(e));
    let mut next = shared.next();
    let mut merged: BTreeSet<&String> = BTreeSet::new();
    let (mut l, mut r) = (0, 0);
    let mut out = Vec::new();
    let join = |wanted: &String| merge_values(&list.of, left.unique_item(old, wanted), right.unique_item(new, wanted));
    while l < left.all.len() || r < right.all.len() {
        if let (Some(of_left), Some(of_right)) = (left.all.get(l), right.all.get(r)) {
            if of_left == of_right {
                merged.insert(of_left);
                out.extend(join(of_left));
                l += 1;
                r += 1;
                next = shared.next();
                continue;
            }
            if right.has(of_left) && next.is_some_and(|n| n != of_left) {
                l += 1;
                continue;
            }
        }
        if let Some(of_left) = left.all.get(l) {
            if !right.has(of_left) {
                out.extend(merge_values(&list.of, old.get(l), None));
                l += 1;
                continue;
            }
            if merged.contains(of_left) {
                l += 1;
            }
        }
        if let Some(of_right) = right.all.get(r) {
            merged.insert(of_right);
            out.extend(join(of_right));
            if next == Some(of_right) {
                next = shared.next();
            }
            r += 1;
        }
    }
    out
}

/// An index of a list's items by path element: a list of a megabyte has tens of thousands.
struct ItemIndex {
    all: Vec<String>,
    /// The first position of each element, and whether there are duplicates.
    positions: BTreeMap<String, (usize, bool)>,
}

impl ItemIndex {
    fn of(list: &List, items: &[Value]) -> Self {
        let all: Vec<String> = items.iter().filter_map(|item| element(list, item)).collect();
        let mut positions: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        for (at, element) in all.iter().enumerate() {
            positions.entry(element.clone()).and_modify(|position| position.1 = true).or_insert((at, false));
        }
        Self { all, positions }
    }

    fn has(&self, element: &str) -> bool {
        self.positions.contains_key(element)
    }

    /// Returns the item of an element; nothing is merged into duplicates.
    fn unique_item<'a>(&self, items: &'a [Value], element: &str) -> Option<&'a Value> {
        self.positions.get(element).filter(|(_, again)| !again).and_then(|(at, _)| items.get(*at))
    }
}

/// Returns the value without the fields of `removed_fields`.
pub fn remove(ty: &Type, value: &Value, removed_fields: &FieldSet) -> Value {
    match (atom(ty, Some(value)), value) {
        (Atom::Map { of, atomic }, Value::Object(map)) => {
            if atomic {
                return Value::Null;
            }
            let mut out = Map::new();
            for (name, inner) in map {
                let element = field(name);
                if removed_fields.has(&element) {
                    continue;
                }
                let left = removed_fields.below(&element).map_or_else(|| inner.clone(), |below| remove(of.of(name), inner, below));
                out.insert(name.clone(), left);
            }
            if out.is_empty() { Value::Null } else { Value::Object(out) }
        }
        (Atom::List(list), Value::Array(all)) => {
            if !is_associative(list) {
                return Value::Null;
            }
            let mut out = Vec::new();
            for item in all {
                let Some(element) = element(list, item) else {
                    out.push(item.clone());
                    continue;
                };
                if removed_fields.has(&element) {
                    continue;
                }
                out.push(removed_fields.below(&element).map_or_else(|| item.clone(), |below| remove(&list.of, item, below)));
            }
            if out.is_empty() { Value::Null } else { Value::Array(out) }
        }
        (_, other) => other.clone(),
    }
}

/// Adds the fields of structs that have something below them as members.
pub fn with_struct_fields(ty: &Type, set: &FieldSet) -> FieldSet {
    let mut out = FieldSet { members: set.members.clone(), children: BTreeMap::new() };
    for (element, below) in &set.children {
        let inner = match (ty.shape(), element.strip_prefix("f:")) {
            (Shape::Struct { of, .. }, Some(name)) => {
                if of.declared(name) {
                    out.members.insert(element.clone());
                }
                Fields::of(of, name)
            }
            (Shape::Map { of, .. }, Some(_)) => of,
            (Shape::List(list), _) => &list.of,
            _ => &DEDUCED,
        };
        out.children.insert(element.clone(), with_struct_fields(inner, below));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Type {
        Type::named("Pod")
    }

    #[test]
    fn items_of_a_keyed_list_are_merged_by_key_in_the_order_of_the_applied_list() {
        let old = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "x", "image": "x"}, {"name": "b", "image": "2"}]}});
        let new = json!({"spec": {"containers": [{"name": "b", "image": "3"}, {"name": "a", "tty": true}]}});
        let merged = merge(&pod(), &old, &new);
        let names: Vec<&str> = merged["spec"]["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["x", "b", "a"]);
        assert_eq!(merged["spec"]["containers"][2], json!({"name": "a", "image": "1", "tty": true}));
    }

    #[test]
    fn an_atomic_list_is_replaced_as_a_whole() {
        let old = json!({"spec": {"tolerations": [{"key": "a"}, {"key": "b"}]}});
        let new = json!({"spec": {"tolerations": [{"key": "c"}]}});
        assert_eq!(merge(&pod(), &old, &new)["spec"]["tolerations"], json!([{"key": "c"}]));
    }

    #[test]
    fn sets_are_merged_by_union() {
        let old = json!({"metadata": {"finalizers": ["a/1"]}});
        let new = json!({"metadata": {"finalizers": ["a/2"]}});
        assert_eq!(merge(&pod(), &old, &new)["metadata"]["finalizers"], json!(["a/1", "a/2"]));
    }

    #[test]
    fn a_port_without_protocol_has_the_default_in_its_key() {
        let value = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}});
        let shown: Vec<String> = field_set(&pod(), &value).paths().iter().map(|p| super::super::field_set::path_text(p)).collect();
        assert!(
            shown.contains(&".spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"].containerPort".to_owned()),
            "{shown:?}"
        );
    }
}
