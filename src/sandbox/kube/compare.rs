//! Compares typed values field by field, as structured-merge-diff v6 does (`typed`, `compare`). Does not depend on owners.

use super::field_set::{FieldSet, field};
use super::schema::{List, Type};
use super::typed::{Atom, atom, element, empty, equal, is_associative, items};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    pub added: FieldSet,
    pub removed: FieldSet,
    pub modified: FieldSet,
}

/// Compares two values.
pub fn compare(ty: &Type, old: &Value, new: &Value) -> Comparison {
    let mut out = Comparison::default();
    walk(ty, Some(old), Some(new), &mut Vec::new(), &mut out);
    out
}

fn leaf(old: Option<&Value>, new: Option<&Value>, path: &[String], out: &mut Comparison) {
    match (old, new) {
        (None, Some(_)) => out.added.insert(path),
        (Some(_), None) => out.removed.insert(path),
        (Some(old), Some(new)) if !equal(old, new) => out.modified.insert(path),
        _ => {}
    }
}

fn walk(ty: &Type, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<String>, out: &mut Comparison) {
    let mut in_leaf = false;
    match atom(ty, new.or(old)) {
        Atom::Map { of, atomic: false } if !(empty(old) && empty(new)) => {
            let names: BTreeSet<&String> = [old, new].into_iter().flatten().filter_map(Value::as_object).flat_map(Map::keys).collect();
            for name in names {
                path.push(field(name));
                walk(of.of(name), old.and_then(|v| v.get(name)), new.and_then(|v| v.get(name)), path, out);
                path.pop();
            }
        }
        Atom::List(list) if is_associative(list) && !(empty(old) && empty(new)) => walk_items(list, items(old), items(new), path, out),
        _ => {
            in_leaf = true;
            leaf(old, new, path, out);
        }
    }
    if !in_leaf && !path.is_empty() {
        match (old, new) {
            (None, Some(_)) => out.added.insert(path),
            (Some(_), None) => out.removed.insert(path),
            _ => {}
        }
    }
}

fn walk_items(list: &List, old: &[Value], new: &[Value], path: &mut Vec<String>, out: &mut Comparison) {
    let index = |all: &[Value]| {
        let mut by: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for item in all {
            if let Some(element) = element(list, item) {
                by.entry(element).or_default().push(item.clone());
            }
        }
        by
    };
    let (old, new) = (index(old), index(new));
    let none = Vec::new();
    for element in old.keys().chain(new.keys().filter(|k| !old.contains_key(*k))) {
        let (was, is) = (old.get(element).unwrap_or(&none), new.get(element).unwrap_or(&none));
        path.push(element.clone());
        match (was.len(), is.len()) {
            (0 | 1, 0 | 1) => walk(&list.of, was.first(), is.first(), path, out),
            (2.., 2..) => {
                if was.len() != is.len() || was.iter().zip(is).any(|(a, b)| !equal(a, b)) {
                    out.modified.insert(path);
                }
            }
            (2.., _) => {
                if let Some(is) = is.first() {
                    walk(&list.of, None, Some(is), path, out);
                }
                out.removed.insert(path);
            }
            (_, _) => {
                if let Some(was) = was.first() {
                    walk(&list.of, Some(was), None, path, out);
                }
                out.added.insert(path);
            }
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_atomic_list_is_modified_as_a_whole() {
        let old = json!({"spec": {"tolerations": [{"key": "a"}, {"key": "b"}]}});
        let new = json!({"spec": {"tolerations": [{"key": "c"}]}});
        let diff = compare(&Type::named("Pod"), &old, &new);
        assert_eq!(diff.modified.paths(), vec![vec!["f:spec".to_owned(), "f:tolerations".to_owned()]]);
    }

    #[test]
    fn a_new_map_is_itself_a_member_of_the_field_set() {
        let diff = compare(&Type::named("Pod"), &json!({"metadata": {}}), &json!({"metadata": {"labels": {"a": "b"}}}));
        assert_eq!(diff.added.to_json(), json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}));
    }
}
