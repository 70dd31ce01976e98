//! The world as a killed sandbox would load it: its file, with the changes that were saved since.

use super::World;
use serde_json::Value;

impl World {
    /// Returns the saved world, also while it is served.
    pub fn saved(&self) -> Value {
        loop {
            let text = self.read(".podid/world.json");
            let changes = self.read(".podid/changes.jsonl");
            // Otherwise the file was rewritten between the two reads.
            if text == self.read(".podid/world.json") {
                return merged(&text, &changes);
            }
        }
    }
}

fn merged(text: &str, changes: &str) -> Value {
    let mut world: Value = serde_json::from_str(text).unwrap();
    let saves = world["saves"].as_u64().unwrap();
    for line in changes.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let change: Value = serde_json::from_str(line).unwrap();
        if change["n"].as_u64().unwrap() > saves {
            apply(&mut world["azure"], &change["azure"]);
            for (name, tables) in change["clusters"].as_object().into_iter().flatten() {
                apply(&mut world["clusters"][name], tables);
            }
        }
    }
    world
}

fn apply(part: &mut Value, tables: &Value) {
    for (name, entries) in tables.as_object().into_iter().flatten() {
        // All other entries are numbers, the versions of a cluster's objects.
        let Some(entries) = entries.as_object() else { continue };
        let table = part[name].as_object_mut().unwrap();
        for (key, value) in entries {
            match value {
                Value::Null => drop(table.remove(key)),
                value => drop(table.insert(key.clone(), value.clone())),
            }
        }
    }
}
