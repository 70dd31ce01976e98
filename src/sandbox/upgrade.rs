//! Upgrades worlds of older versions, one step for each version, as JSON, because today's types do not match them.

use serde::de::Error as _;
use serde_json::{Map, Value, json};

/// Upgrades a world of version `found` to the current version.
pub fn from(found: u32, mut world: Value) -> serde_json::Result<Value> {
    const STEPS: [fn(&mut Value) -> Option<()>; 1] = [one];
    let first = usize::try_from(found).unwrap_or_default().saturating_sub(1);
    for step in &STEPS[first.min(STEPS.len())..] {
        step(&mut world).ok_or_else(|| serde_json::Error::custom("a field of its version is missing"))?;
    }
    Ok(world)
}

/// In version 1, role assignments were a list, secrets were inside their vaults, and saves were not counted, because each wrote the whole
/// world.
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
    for (name, deleted_vault) in azure.get_mut("deleted_vaults")?.as_object_mut()? {
        empty(name, deleted_vault.get_mut("vault")?)?;
    }
    azure.insert("secrets".to_owned(), Value::Object(secrets));
    azure.insert("deleted_secrets".to_owned(), Value::Object(deleted));
    world["saves"] = json!(0);
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::{folder::Folder, world::World};
    use serde_json::Value;

    /// Written by podid when version 1 was the newest (labs 000 and 004, then `down`; most objects of the clusters are left out).
    const ONE: &str = include_str!("tests/world-1.json");

    #[test]
    fn a_world_of_version_1_is_read_completely() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.write("world.json", ONE.as_bytes()).unwrap();
        let world = World::open(&folder, false).unwrap();
        // so that the next save writes it in the current version
        assert!(world.new);
        let azure = &world.azure;
        let keys: Vec<&str> = azure.secrets.keys().map(String::as_str).collect();
        assert_eq!(keys, ["claims-api-kv/sqldbconn", "myk8skv/examplepassword"]);
        assert!(azure.vaults.contains_key("myk8skv") && azure.deleted_vaults.contains_key("claims-api-kv"));
        let old: Value = serde_json::from_str(ONE).unwrap();
        let assignments = old["azure"]["assignments"].as_array().unwrap();
        assert_eq!(azure.assignments.iter().count(), assignments.len());
        for a in assignments {
            assert!(azure.assignments.of(a["principal"].as_str().unwrap()).any(|there| there.name == a["name"]));
        }
        assert_eq!(world.clusters.len(), 2);
    }

    #[test]
    fn a_world_without_a_required_part_is_damaged() {
        for part in ["assignments", "vaults", "deleted_vaults"] {
            let mut world: Value = serde_json::from_str(ONE).unwrap();
            world["azure"].as_object_mut().unwrap().remove(part);
            assert!(super::from(1, world).is_err(), "{part}");
        }
    }
}
