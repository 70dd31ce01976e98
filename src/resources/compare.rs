//! Compares objects field by field. Items of lists that the API server merges by a key (containers, volumes and variables by `name`, mounts by
//! `mountPath`) are compared with the item of the same key; all other lists as a whole.

use crate::engine::resource::Change;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the server keeps for itself.
pub(super) const SERVERS_OWN: &[&str] =
    &["metadata.managedFields", "metadata.resourceVersion", "metadata.generation", "metadata.uid", "metadata.creationTimestamp", "status"];

/// The fields by which Kubernetes merges lists. A mount has a `name`, too, which several mounts may share.
const LIST_KEYS: [&str; 2] = ["mountPath", "name"];

/// Field by field, but for what the server keeps for itself.
pub fn changes(live: &Value, would: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", live, would, &mut found);
    found
}

/// Returns whether all that is wanted is there, whatever else is.
pub fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(name, w)| live.get(name).is_some_and(|l| holds(l, w))),
        (Value::Array(there), Value::Array(items)) => match list_key(there, items) {
            Some(key) => items.iter().all(|item| there.iter().any(|one| one[key] == item[key] && holds(one, item))),
            None => live == wanted,
        },
        _ => live == wanted,
    }
}

/// The field whose values tell the items of both lists apart; None if there is none.
fn list_key(one: &[Value], other: &[Value]) -> Option<&'static str> {
    let tells_apart = |list: &[Value], key: &str| {
        let texts: Vec<&str> = list.iter().filter_map(|item| item.get(key)?.as_str()).collect();
        texts.len() == list.len() && texts.iter().collect::<BTreeSet<_>>().len() == list.len()
    };
    LIST_KEYS.into_iter().find(|key| tells_apart(one, key) && tells_apart(other, key))
}

fn compare(path: &str, live: &Value, would: &Value, found: &mut Vec<Change>) {
    if SERVERS_OWN.contains(&path) || live == would {
        return;
    }
    match (live, would) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&inner, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if list_key(a, b).is_some() => items(path, a, b, found),
        _ => found.push(Change { field: path.to_owned(), from: live.clone(), to: would.clone() }),
    }
}

/// Compares the items of two lists by their key. A new order of the same items is a change of the list.
fn items(path: &str, a: &[Value], b: &[Value], found: &mut Vec<Change>) {
    let Some(key) = list_key(a, b) else { return };
    let before = found.len();
    let name = |item: &Value| item[key].as_str().unwrap_or_default().to_owned();
    let item = |list: &[Value], wanted: &str| list.iter().find(|item| name(item) == wanted).cloned().unwrap_or_default();
    let mut all: Vec<String> = a.iter().map(name).collect();
    all.extend(b.iter().map(name).filter(|name| !a.iter().any(|item| item[key] == name.as_str())));
    for name in all {
        compare(&format!("{path}[{name}]"), &item(a, &name), &item(b, &name), found);
    }
    if found.len() == before {
        found.push(Change { field: path.to_owned(), from: a.into(), to: b.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(live: &Value, would: &Value) -> Vec<String> {
        changes(live, would).into_iter().map(|c| c.field).collect()
    }

    #[test]
    fn only_what_is_not_the_servers_own_differs() {
        let live = json!({"metadata": {"name": "a", "resourceVersion": "1", "labels": {"x": "1"}}, "spec": {"type": 0, "clientID": "old"}});
        let would = json!({"metadata": {"name": "a", "resourceVersion": "2"}, "spec": {"type": 0, "clientID": "new"}});
        assert_eq!(fields(&live, &would), ["metadata.labels", "spec.clientID"]);
    }

    #[test]
    fn items_are_compared_by_the_key_that_the_server_merges_them_by() {
        let mount = |path: &str| json!({ "name": "data", "mountPath": path });
        let live = json!({ "containers": [{ "name": "app", "volumeMounts": [mount("/a")] }, { "name": "log" }], "args": ["a"] });
        let mut would = live.clone();
        would["containers"][0]["volumeMounts"] = json!([mount("/a"), mount("/mnt/secrets")]);
        let found = changes(&live, &would);
        assert_eq!((found.len(), found[0].field.as_str()), (1, "containers[app].volumeMounts[/mnt/secrets]"));
        assert!(found[0].from.is_null(), "an item that is added replaces nothing");
        would["containers"] = json!([would["containers"][1], live["containers"][0]]);
        assert_eq!(fields(&live, &would), ["containers"], "the order is a difference, too");
        would = live.clone();
        would["args"] = json!(["a", "b"]);
        assert_eq!(fields(&live, &would), ["args"]);
    }

    #[test]
    fn a_list_holds_the_items_of_the_wanted_keys() {
        let live =
            json!({ "volumes": [{ "name": "data", "emptyDir": {} }, { "name": "secrets", "csi": { "driver": "d", "readOnly": true } }] });
        assert!(holds(&live, &json!({ "volumes": [{ "name": "secrets", "csi": { "driver": "d" } }] })));
        assert!(!holds(&live, &json!({ "volumes": [{ "name": "secrets", "csi": { "driver": "e" } }] })));
        assert!(!holds(&live, &json!({ "volumes": [{ "name": "other" }] })));
    }
}
