//! Converts events between `v1` and `events.k8s.io/v1`: the same objects with other field names (kubernetes, `pkg/apis/core/v1/conversion.go`).

use serde_json::{Map, Value, json};

/// Pairs of the path in `v1` and the name in `events.k8s.io/v1`.
const RENAMED: [(&str, &str); 7] = [
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
];

fn rename(event: &Value, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let map: Map<String, Value> = event
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (name(key).map_or_else(|| key.clone(), str::to_owned), value.clone()))
        .collect();
    Value::Object(map)
}

pub fn to_new(core: &Value) -> Value {
    let mut new = rename(core, |key| RENAMED.iter().find(|(old, _)| *old == key).map(|(_, new)| *new));
    if let Some(map) = new.as_object_mut() {
        map.retain(|name, value| !(name.starts_with("reporting") && value == ""));
    }
    new
}

pub fn to_core(new: Value) -> Value {
    let mut core = rename(&new, |key| RENAMED.iter().find(|(_, new)| *new == key).map(|(old, _)| *old));
    core["apiVersion"] = json!("v1");
    core
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_the_message_of_a_core_event() {
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "n", "regarding": {"kind": "Pod"}});
        let core = to_core(new.clone());
        assert_eq!((&core["message"], &core["involvedObject"]["kind"]), (&json!("n"), &json!("Pod")));
        assert_eq!(to_new(&core)["regarding"], new["regarding"]);
    }
}
