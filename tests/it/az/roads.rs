//! The same lab in two ways, by its own az and kubectl steps and by podid: the two exports are equal, apart from the differences of
//! tests/az/NNN.differences.txt, which has a reason for each.

use crate::common::World;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Longer values are reported by their place only.
const SHOWN: usize = 100;

/// `world` has the lab by az; `application` does what the user does in both cases.
pub fn compare_exports(spec: &str, world: &World, application: impl FnOnce(&World)) {
    let other = World::served();
    other.up(spec, &[]).ok();
    application(&other);
    let found = differences(&normalized(world), &normalized(&other));
    let name = format!("tests/az/{}", spec.replace(".yaml", ".differences.txt"));
    let listed = listed(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&name)).unwrap());
    let lines = |of: &BTreeSet<String>, but: &BTreeSet<String>| of.difference(but).map(|line| format!("  {line}\n")).collect::<String>();
    let (more, fewer) = (lines(&found, &listed), lines(&listed, &found));
    assert!(found == listed, "not in {name}:\n{more}in {name}, and not there:\n{fewer}");
}

/// Returns the listed differences; each group has its reason above it, at the margin.
fn listed(text: &str) -> BTreeSet<String> {
    let mut reason = None;
    let mut listed = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("  ") {
            Some(difference) => {
                assert!(reason.is_some(), "{difference} has no reason");
                assert!(listed.insert(difference.to_owned()), "{difference} is there twice");
            }
            None => reason = Some(line),
        }
    }
    listed
}

/// Returns the export with names in place of ids, and with unordered or unnamed entries keyed by their content.
fn normalized(world: &World) -> Value {
    let mut text = world.export();
    let export: Value = serde_json::from_str(&text).unwrap();
    let principals = export["principals"].as_object().unwrap().iter();
    let principals = principals.map(|(id, p)| (id.as_str(), p["appId"].as_str(), p["displayName"].as_str().unwrap()));
    let resources = export["resources"].as_object().unwrap().values().map(|resource| (&resource["properties"], &resource["name"]));
    let identities = resources.filter_map(|(of, name)| Some((of["principalId"].as_str()?, of["clientId"].as_str(), name.as_str()?)));
    for (principal, client, name) in principals.chain(identities.filter(|(_, client, _)| client.is_some())) {
        text = text.replace(principal, name);
        text = client.map_or_else(|| text.clone(), |client| text.replace(client, &format!("client of {name}")));
    }
    text = text.replace(&format!("/subscriptions/{}", world.subscription()), "subscription");
    for (name, value) in world.environment() {
        if ["AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"].contains(&name.as_str()) {
            text = text.replace(&value, &name);
        }
    }
    let mut export: Value = serde_json::from_str(&text).unwrap();
    let resources = std::mem::take(export["resources"].as_object_mut().unwrap());
    export["resources"] = resources.into_iter().map(resource).collect::<Map<_, _>>().into();
    export
}

fn resource((id, mut resource): (String, Value)) -> (String, Value) {
    if let Some((scope, name)) = id.split_once("/providers/Microsoft.Authorization/roleAssignments/") {
        let properties = &resource["properties"];
        let of = |field: &str| properties[field].as_str().unwrap();
        // The version of a UUID: 4 is random, 5 is derived from a name.
        let name = if name.as_bytes()[14] == b'4' { "random" } else { "of its content" };
        let assignment = json!({"name": name, "description": properties["description"], "condition": properties["condition"]});
        return (format!("{} of {} at {scope}", of("roleName"), of("principalName")), assignment);
    }
    if let Some(policies) = resource["properties"]["accessPolicies"].as_array() {
        let policies = policies.iter().map(|entry| {
            let kinds = entry["permissions"].as_object().unwrap().iter().map(|(kind, names)| {
                let mut names: Vec<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                names.sort_unstable();
                (kind.clone(), json!(names.join(" ")))
            });
            (entry["objectId"].as_str().unwrap().to_owned(), kinds.collect::<Map<_, _>>().into())
        });
        resource["properties"]["accessPolicies"] = policies.collect::<Map<_, _>>().into();
    }
    (id, resource)
}

/// Returns the differences: `-` is by az only, `+` by podid only, `~` differs.
fn differences(az: &Value, podid: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    differ("", az, podid, &mut found);
    found
}

fn differ(place: &str, az: &Value, podid: &Value, found: &mut BTreeSet<String>) {
    let (Value::Object(left), Value::Object(right)) = (az, podid) else {
        if az != podid {
            found.insert(format!("~ {place}: {} -> {}", shown(az), shown(podid)));
        }
        return;
    };
    let both: BTreeMap<&String, (Option<&Value>, Option<&Value>)> =
        left.keys().chain(right.keys()).map(|name| (name, (left.get(name), right.get(name)))).collect();
    for (name, sides) in both {
        let place = if place.is_empty() { name.clone() } else { format!("{place} > {name}") };
        match sides {
            (Some(az), Some(podid)) => differ(&place, az, podid, found),
            (Some(az), None) => drop(found.insert(format!("- {place}: {}", shown(az)))),
            (None, Some(podid)) => drop(found.insert(format!("+ {place}: {}", shown(podid)))),
            (None, None) => {}
        }
    }
}

fn shown(value: &Value) -> String {
    Some(value.to_string()).filter(|text| text.len() <= SHOWN).unwrap_or_else(|| "…".to_owned())
}
