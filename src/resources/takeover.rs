//! What client-side applies left behind. The fields that kubectl wrote down as its updates become podid's own, as of an apply: from then on
//! a field that is no longer wanted goes away (client-go, `util/csaupgrade`). Pure: it reads and writes metadata.managedFields and sends nothing.

use crate::cluster::FIELD_MANAGER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// As `kubectl apply` signs when it merges by itself.
pub const CLIENT_SIDE: &str = "kubectl-client-side-apply";

/// Who wrote what is taken over of an object that is podid's alone, and of one that others share: there kubectl's fields stay the user's.
pub const OF_WHOLE: &[&str] = &[CLIENT_SIDE, FIELD_MANAGER];
pub const OF_SHARED: &[&str] = &[FIELD_MANAGER];

/// One more write: the entries of `from` become podid's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    pub from: Vec<String>,
    /// metadata.managedFields as it is to be.
    entries: Vec<Value>,
    /// Of the object that was looked at; another one is not overwritten.
    version: String,
}

fn entries(live: &Value) -> &[Value] {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is(entry: &Value, manager: &str, operation: &str) -> bool {
    let subresource = entry["subresource"].as_str().unwrap_or_default();
    entry["manager"] == manager && entry["operation"] == operation && subresource.is_empty()
}

fn leaves(entry: &Value, from: &[&str]) -> bool {
    from.iter().any(|manager| is(entry, manager, "Update"))
}

/// None: there is nothing to take over.
///
/// csaupgrade drops entries of another version of the kind than podid's; here they are united with it, since the versions of the kinds that
/// podid writes have the same fields, and a field that nobody owns would stay for ever.
pub fn of(live: &Value, from: &[&str]) -> Option<Takeover> {
    let (taken, mut left): (Vec<Value>, Vec<Value>) = entries(live).iter().cloned().partition(|entry| leaves(entry, from));
    let mut rest = taken.iter();
    if !left.iter().any(|entry| is(entry, FIELD_MANAGER, "Apply")) {
        let mut first = rest.next()?.clone();
        (first["manager"], first["operation"]) = (json!(FIELD_MANAGER), json!("Apply"));
        left.push(first);
    }
    let mine = left.iter_mut().find(|entry| is(entry, FIELD_MANAGER, "Apply")).filter(|_| !taken.is_empty())?;
    for entry in rest {
        if let (Value::Object(mine), Value::Object(theirs)) = (&mut mine["fieldsV1"], &entry["fieldsV1"]) {
            unite(mine, theirs);
        }
    }
    let mut from: Vec<String> = taken.iter().filter_map(|entry| entry["manager"].as_str().map(str::to_owned)).collect();
    from.sort();
    from.dedup();
    let version = live.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Takeover { from, entries: left, version })
}

impl Takeover {
    /// A JSON patch. The version is set, not tested: a server that meets another one answers 409 to the one and 422 to the other.
    pub fn steps(&self) -> Value {
        json!([
            { "op": "replace", "path": "/metadata/managedFields", "value": self.entries },
            { "op": "replace", "path": "/metadata/resourceVersion", "value": self.version },
        ])
    }
}

/// Two sets of fields (FieldsV1: `f:` a field, `k:` and `v:` items of a list, `.` the thing itself; a leaf is the thing itself too).
fn unite(mine: &mut Map<String, Value>, theirs: &Map<String, Value>) {
    for (step, below) in theirs {
        let Some(Value::Object(here)) = mine.get_mut(step) else {
            mine.insert(step.clone(), below.clone());
            continue;
        };
        let Value::Object(below) = below else { continue };
        if here.is_empty() != below.is_empty() {
            here.insert(".".into(), json!({}));
        }
        unite(here, below);
    }
}

/// What an apply of `wanted` leaves once the fields of `from` are podid's: `would`, which the server foretold of the object as it is now,
/// without those of their fields that are not wanted and that nobody else owns.
pub fn left(live: &Value, from: &[&str], wanted: &Value, mut would: Value) -> Value {
    let others: Vec<&Value> =
        entries(live).iter().filter(|e| !leaves(e, from) && !is(e, FIELD_MANAGER, "Apply")).map(|e| &e["fieldsV1"]).collect();
    for entry in entries(live).iter().filter(|e| leaves(e, from)) {
        if let Value::Object(fields) = &entry["fieldsV1"] {
            strip(&mut would, fields, Some(wanted), &others);
        }
    }
    would
}

fn strip(would: &mut Value, fields: &Map<String, Value>, wanted: Option<&Value>, others: &[&Value]) {
    for (step, below) in fields {
        let Some(place) = find(would, step) else { continue };
        let wanted = wanted.and_then(|w| at(w, &find(w, step)?));
        let others: Vec<&Value> = others.iter().filter_map(|o| o.get(step)).collect();
        let below = below.as_object().filter(|b| !b.is_empty());
        if let (Some(inner), Some(below)) = (at_mut(would, &place), below) {
            strip(inner, below, wanted, &others);
        }
        if wanted.is_some() || !others.is_empty() {
            continue;
        }
        // a map goes with the last of what was in it; what nobody owns in it holds it
        let empty = |v: &Value| v.as_object().is_some_and(Map::is_empty) || v.as_array().is_some_and(Vec::is_empty);
        let goes = match below {
            None => true,
            Some(below) => below.contains_key(".") && (matches!(place, Place::Item(_)) || at(would, &place).is_some_and(empty)),
        };
        if goes {
            match (&mut *would, place) {
                (Value::Object(map), Place::Field(name)) => drop(map.shift_remove(&name)),
                (Value::Array(list), Place::Item(at)) => drop(list.remove(at)),
                _ => {}
            }
        }
    }
}

enum Place {
    Field(String),
    Item(usize),
}

/// Where a step of a set leads in a value: `f:name`, `k:{"uid":"…"}`, `v:"…"`. Lists by position (`i:`) are owned as a whole.
fn find(value: &Value, step: &str) -> Option<Place> {
    let (kind, rest) = step.split_once(':')?;
    match (kind, value) {
        ("f", Value::Object(map)) => map.contains_key(rest).then(|| Place::Field(rest.to_owned())),
        ("k", Value::Array(list)) => {
            let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
            list.iter().position(|item| keys.iter().all(|(name, value)| item.get(name) == Some(value))).map(Place::Item)
        }
        ("v", Value::Array(list)) => {
            let wanted: Value = serde_json::from_str(rest).ok()?;
            list.iter().position(|item| *item == wanted).map(Place::Item)
        }
        _ => None,
    }
}

fn at<'a>(value: &'a Value, place: &Place) -> Option<&'a Value> {
    match place {
        Place::Field(name) => value.get(name),
        Place::Item(at) => value.get(at),
    }
}

fn at_mut<'a>(value: &'a mut Value, place: &Place) -> Option<&'a mut Value> {
    match place {
        Place::Field(name) => value.get_mut(name),
        Place::Item(at) => value.get_mut(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({ "manager": manager, "operation": operation, "apiVersion": "g/v1", "fieldsType": "FieldsV1", "fieldsV1": fields })
    }

    fn object(entries: Vec<Value>) -> Value {
        json!({
            "metadata": {
                "resourceVersion": "7",
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "claims", "seen": "yes" },
                "finalizers": ["a/b", "c/d"],
                "managedFields": entries,
            },
            "spec": { "type": 0, "old": "x", "parameters": { "a": "1", "b": "2" }, "items": [{ "name": "p", "v": 1 }, { "name": "q", "v": 2 }] },
        })
    }

    fn theirs() -> Value {
        json!({
            "f:metadata": {
                "f:annotations": { ".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}, "f:team": {} },
                "f:finalizers": { ".": {}, "v:\"a/b\"": {} },
            },
            "f:spec": {
                ".": {}, "f:type": {}, "f:old": {}, "f:parameters": { ".": {}, "f:a": {}, "f:b": {} },
                "f:items": { ".": {}, "k:{\"name\":\"p\"}": { ".": {}, "f:name": {}, "f:v": {} } },
            },
        })
    }

    #[test]
    fn what_kubectl_wrote_becomes_podids_and_another_managers_stays() {
        let helm = entry("helm", "Update", json!({ "f:spec": { "f:type": {} } }));
        let live = object(vec![helm.clone(), entry(CLIENT_SIDE, "Update", theirs())]);
        let taken = of(&live, OF_WHOLE).unwrap();
        assert_eq!(taken.from, [CLIENT_SIDE]);
        assert_eq!(taken.entries, [helm, entry("podid", "Apply", theirs())]);
        assert_eq!(taken.steps()[1], json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": "7" }));
        let after = object(taken.entries);
        assert_eq!(of(&after, OF_WHOLE), None, "once is enough");
    }

    #[test]
    fn fields_are_united_with_those_that_podid_has_already() {
        let mine = json!({ "f:spec": { "f:type": {}, "f:parameters": { "f:a": {} }, "f:new": {} } });
        let also = entry("podid", "Update", json!({ "f:spec": { "f:created": {} } }));
        let live = object(vec![entry("podid", "Apply", mine), also, entry(CLIENT_SIDE, "Update", theirs())]);
        let taken = of(&live, OF_WHOLE).unwrap();
        assert_eq!(taken.from, [CLIENT_SIDE, "podid"]);
        let [one] = taken.entries.as_slice() else { panic!("{:#?}", taken.entries) };
        let spec = &one["fieldsV1"]["f:spec"];
        assert_eq!(spec["f:parameters"], json!({ ".": {}, "f:a": {}, "f:b": {} }));
        for field in [".", "f:type", "f:new", "f:old", "f:created"] {
            assert_eq!(spec[field], json!({}), "{field}");
        }
    }

    #[test]
    fn entries_of_others_and_of_subresources_are_not_taken() {
        let mut status = entry(CLIENT_SIDE, "Update", json!({ "f:status": {} }));
        status["subresource"] = json!("status");
        let others = vec![entry("kubectl-create", "Update", theirs()), entry("kubectl-edit", "Update", theirs()), status];
        assert_eq!(of(&object(others), OF_WHOLE), None);
        assert_eq!(of(&object(vec![entry(CLIENT_SIDE, "Update", theirs())]), OF_SHARED), None);
        assert_eq!(of(&object(Vec::new()), OF_WHOLE), None);
    }

    #[test]
    fn what_is_not_wanted_and_nobody_elses_will_go() {
        let helm = entry("helm", "Apply", json!({ "f:spec": { "f:parameters": { "f:b": {} } } }));
        let live = object(vec![helm, entry(CLIENT_SIDE, "Update", theirs())]);
        let wanted = json!({ "metadata": {}, "spec": { "type": 0, "parameters": { "a": "1" } } });
        let after = left(&live, OF_WHOLE, &wanted, live.clone());
        assert_eq!(after["metadata"]["annotations"], json!({ "seen": "yes" }));
        assert_eq!(after["metadata"]["finalizers"], json!(["c/d"]));
        assert_eq!(after["spec"], json!({ "type": 0, "parameters": { "a": "1", "b": "2" }, "items": [{ "name": "q", "v": 2 }] }));
    }

    #[test]
    fn a_map_goes_with_the_last_of_its_fields() {
        let fields = json!({ "f:metadata": { "f:annotations": { ".": {}, "f:team": {} } } });
        let live = json!({ "metadata": { "annotations": { "team": "x" }, "managedFields": [entry(CLIENT_SIDE, "Update", fields)] } });
        assert_eq!(left(&live, OF_WHOLE, &json!({}), live.clone())["metadata"].get("annotations"), None);
    }
}
