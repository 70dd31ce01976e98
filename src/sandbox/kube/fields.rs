//! Sets of field paths, as managedFields keep them (structured-merge-diff, `fieldpath`). Knows no types and no objects.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A set of paths. An element is written as in fieldsV1: `f:name`, `k:{"name":"x"}`, `v:"x"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    pub members: BTreeSet<String>,
    pub children: BTreeMap<String, Set>,
}

pub fn field(name: &str) -> String {
    format!("f:{name}")
}

impl Set {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
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
    pub fn below(&self, element: &str) -> Option<&Set> {
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
    pub fn union(&self, other: &Set) -> Set {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (element, set) in &other.children {
            let child = out.children.entry(element.clone()).or_default();
            *child = child.union(set);
        }
        out
    }
    #[must_use]
    pub fn difference(&self, other: &Set) -> Set {
        let mut out = Set { members: self.members.difference(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (element, set) in &self.children {
            let left = other.children.get(element).map_or_else(|| set.clone(), |theirs| set.difference(theirs));
            if !left.is_empty() {
                out.children.insert(element.clone(), left);
            }
        }
        out
    }
    #[must_use]
    pub fn intersection(&self, other: &Set) -> Set {
        let mut out = Set { members: self.members.intersection(&other.members).cloned().collect(), children: BTreeMap::new() };
        for (element, set) in &self.children {
            let both = other.children.get(element).map(|theirs| set.intersection(theirs)).unwrap_or_default();
            if !both.is_empty() {
                out.children.insert(element.clone(), both);
            }
        }
        out
    }
    /// Takes a first element away with all below it.
    pub fn forget(&mut self, element: &str) {
        self.members.remove(element);
        self.children.remove(element);
    }
    /// All paths: members of a level before what is below it.
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
    /// fieldsV1.
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let elements: BTreeSet<&String> = self.members.iter().chain(self.children.keys()).collect();
        for element in elements {
            let below = self.below(element).map(Set::to_json);
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
    pub fn from_json(value: &Value) -> Set {
        let mut set = Set::default();
        for (element, below) in value.as_object().into_iter().flatten().filter(|(element, _)| *element != ".") {
            let below = below.as_object();
            if below.is_none_or(|b| b.is_empty() || b.contains_key(".")) {
                set.members.insert(element.clone());
            }
            if let Some(below) = below.filter(|b| !b.is_empty()) {
                let child = Set::from_json(&Value::Object(below.clone()));
                if !child.is_empty() {
                    set.children.insert(element.clone(), child);
                }
            }
        }
        set
    }
}

/// `.spec.containers[name="app"].image`
pub fn show(path: &[String]) -> String {
    path.iter().map(|element| show_element(element)).collect()
}

pub fn show_element(element: &str) -> String {
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

    fn set(paths: &[&[&str]]) -> Set {
        let mut set = Set::default();
        for path in paths {
            set.insert(&path.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>());
        }
        set
    }

    #[test]
    fn a_set_survives_fields_v1() {
        let it =
            set(&[&["f:spec", "f:a"], &["f:metadata", "f:labels"], &["f:metadata", "f:labels", "f:x"], &["f:l", "k:{\"name\":\"a\"}"]]);
        let json = it.to_json();
        assert_eq!(json["f:metadata"]["f:labels"], serde_json::json!({".": {}, "f:x": {}}));
        assert_eq!(Set::from_json(&json), it);
    }

    #[test]
    fn paths_are_shown_as_the_server_shows_them() {
        let path = ["f:spec", "f:containers", "k:{\"containerPort\":80,\"protocol\":\"TCP\"}", "f:image"].map(str::to_owned);
        assert_eq!(show(&path), ".spec.containers[containerPort=80,protocol=\"TCP\"].image");
        assert_eq!(show(&["f:finalizers".to_owned(), "v:\"x/y\"".to_owned()]), ".finalizers[=\"x/y\"]");
    }

    #[test]
    fn difference_leaves_what_only_the_first_has() {
        let a = set(&[&["f:a"], &["f:b", "f:c"], &["f:b", "f:d"]]);
        let b = set(&[&["f:a"], &["f:b", "f:c"]]);
        assert_eq!(a.difference(&b), set(&[&["f:b", "f:d"]]));
        assert_eq!(a.intersection(&b).union(&set(&[&["f:b", "f:d"]])), a);
    }
}
