//! Worlds of older versions, one step a version, on the JSON as it was written: the types of today are not those of then.

use serde::de::Error as _;
use serde_json::{Map, Value, json};

/// The text of a world of version `found` as one of today.
pub fn from(found: u32, mut world: Value) -> serde_json::Result<Value> {
    const STEPS: [fn(&mut Value) -> Option<()>; 1] = [one];
    let first = usize::try_from(found).unwrap_or_default().saturating_sub(1);
    for step in &STEPS[first.min(STEPS.len())..] {
        step(&mut world).ok_or_else(|| serde_json::Error::custom("something of its version is missing"))?;
    }
    Ok(world)
}

/// Role assignments were a list; secrets lay inside their vaults; saves were not counted, each wrote all.
fn one(world: &mut Value) -> Option<()> {
    let azure = world.get_mut("azure")?.as_object_mut()?;
    let assignments = std::mem::take(azure.get_mut("assignments")?.as_array_mut()?);
    let by_name = assignments.into_iter().map(|a| Some((a["name"].as_str()?.to_ascii_lowercase(), a)));
    let by_name = by_name.collect::<Option<Map<String, Value>>>()?;
    azure.insert("assignments".to_owned(), Value::Object(by_name));
    let (mut secrets, mut deleted) = (Map::new(), Map::new());
    let mut empty = |name: &str, vault: &mut Value| {
        let mut contents = vault.as_object_mut()?.shift_remove("contents")?;
        for (kind, all) in [("secrets", &mut secrets), ("deleted", &mut deleted)] {
            let inside = std::mem::take(contents.get_mut(kind)?.as_object_mut()?);
            all.extend(inside.into_iter().map(|(key, secret)| (format!("{name}/{key}"), secret)));
        }
        Some(())
    };
    for (name, vault) in azure.get_mut("vaults")?.as_object_mut()? {
        empty(name, vault)?;
    }
    for (name, gone) in azure.get_mut("deleted_vaults")?.as_object_mut()? {
        empty(name, gone.get_mut("vault")?)?;
    }
    azure.insert("secrets".to_owned(), Value::Object(secrets));
    azure.insert("deleted_secrets".to_owned(), Value::Object(deleted));
    world["saves"] = json!(0);
    Some(())
}
