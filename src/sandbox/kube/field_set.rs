//! Sets of field paths, as managedFields store them (structured-merge-diff, `fieldpath`). Does not depend on types or objects.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A set of paths. Its elements are written as in fieldsV1: `f:name`, `k:{"name":"x"}`, `v:"x"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    pub members: BTreeSet<String>,
    pub children: BTreeMap<String, FieldSet>,
}

pub fn field(name: &str) -> String {
    format!("f:{name}")
}

impl FieldSet {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(FieldSet::is_empty)
    }
    pub fn insert(&mut self, path: &[String]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }
    pub fn has(&self, element: &str) -> bool {
        self.members.contains(element)
    }
    pub fn below(&self, element: &str) -> Option<&FieldSet> {
        self.children.get(element).filter(|set| !set.is_empty())
    }
    pub fn has_path(&self, path: &[String]) -> bool {
        match path {
            [] => false,
            [last] => self.has(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|set| set.has_path(rest)),
        }
    }
    #[must_use]
    pub fn union(&self, other: &FieldSet) -> FieldSet {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (element, set) in &other.children {
            let child = out.children.entry(element.clone()).or_default();
            *child = child.union(set);
        }
        out
    }
    #[must_use]
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        let mut out = FieldSet { members: self.members.difference(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (element, set) in &self.children {
            let left = other.children.get(element).map_or_else(|| set.clone(), |theirs| set.difference(theirs));
            if !left.is_empty() {
                out.children.insert(element.clone(), left);
            }
        }
        out
    }
    #[must_use]
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        let mut out = FieldSet { members: self.members.intersection(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (element, set) in &self.children {
            let both = other.children.get(element).map(|theirs| set.intersection(theirs)).unwrap_or_default();
            if !both.is_empty() {
                out.children.insert(element.clone(), both);
            }
        }
        out
    }
    /// Removes a first element with all paths below it.
    pub fn remove_element(&mut self, element: &str) {
        self.members.remove(element);
        self.children.remove(element);
    }
    /// Returns all paths: the members of a level before the paths below it.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut out: Vec<Vec<String>> = self.members.iter().map(|m| vec![m.clone()]).collect();
        for (element, set) in &self.children {
            for mut path in set.paths() {
                path.insert(0, element.clone());
                out.push(path);
            }
        }
        out
    }
    /// Writes the set as fieldsV1.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let elements: BTreeSet<&String> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            let below = self.below(element).map(FieldSet::to_json);
            let value = match (below, self.members.contains(element)) {
                (None, true) => json!({}),
                (None, false) => continue,
                (Some(Value::Object(below)), true) => {
                    let mut dotted = Map::new();
                    dotted.insert(".".to_owned(), json!({}));
                    dotted.extend(below);
                    Value::Object(dotted)
                }
                (Some(below), _) => below,
            };
            out.insert(element.clone(), value);
        }
        Value::Object(out)
    }
    pub fn from_json(value: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        for (element, below) in value.as_object().into_iter().flatten().filter(|(element, _)| *element != ".") {
            let below = below.as_object();
            if below.is_none_or(|b| b.is_empty() || b.contains_key(".")) {
                set.members.insert(element.clone());
            }
            if let Some(below) = below.filter(|b| !b.is_empty()) {
                let child = FieldSet::from_json(&Value::Object(below.clone()));
                if !child.is_empty() {
                    set.children.insert(element.clone(), child);
                }
            }
        }
        set
    }
}

/// Formats a path, for example `.spec.containers[name="app"].image`.
pub fn path_text(path: &[String]) -> String {
    path.iter().map(|element| element_text(element)).collect()
}

pub fn element_text(element: &str) -> String {
    if let Some(name) = element.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(keys) = element.strip_prefix("k:") {
        let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
        let keys: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
        return format!("[{}]", keys.join(","));
    }
    format!("[={}]", element.strip_prefix("v:").unwrap_or(element))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::default();
        for path in paths {
            set.insert(&path.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>());
        }
        set
    }

    #[test]
    fn a_set_is_the_same_after_a_round_trip_through_fields_v1() {
        let it =
            set(&[&["f:spec", "f:a"], &["f:metadata", "f:labels"], &["f:metadata", "f:labels", "f:x"], &["f:l", "k:{\"name\":\"a\"}"]]);
        let json = it.to_json();
        assert_eq!(json["f:metadata"]["f:labels"], serde_json::json!({".": {}, "f:x": {}}));
        assert_eq!(FieldSet::from_json(&json), it);
    }

    #[test]
    fn paths_are_formatted_as_the_server_formats_them() {
        let path = ["f:spec", "f:containers", "k:{\"containerPort\":80,\"protocol\":\"TCP\"}", "f:image"].map(str::to_owned);
        assert_eq!(path_text(&path), ".spec.containers[containerPort=80,protocol=\"TCP\"].image");
        assert_eq!(path_text(&["f:finalizers".to_owned(), "v:\"x/y\"".to_owned()]), ".finalizers[=\"x/y\"]");
    }

    #[test]
    fn a_difference_contains_only_paths_of_the_first_set() {
        let a = set(&[&["f:a"], &["f:b", "f:c"], &["f:b", "f:d"]]);
        let b = set(&[&["f:a"], &["f:b", "f:c"]]);
        assert_eq!(a.difference(&b), set(&[&["f:b", "f:d"]]));
        assert_eq!(a.intersection(&b).union(&set(&[&["f:b", "f:d"]])), a);
    }
}
