//! Checks objects against the definitions, for the tests of those who write such objects.

use serde_json::Value;

/// Returns the path of each field that the API server would drop, or reject because of its type. For an object of an undefined kind it
/// returns the kind.
pub fn astray(object: &Value) -> Vec<String> {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let Some(schema) = schema(text("apiVersion"), text("kind")) else { return vec![text("kind").to_owned()] };
    let mut found = Vec::new();
    for (name, inner) in object.as_object().into_iter().flatten().filter(|(name, _)| *name != "metadata") {
        walk(inner, &schema["properties"][name], name, &mut found);
    }
    found
}

/// Returns the schema of a version that is served and not deprecated.
fn schema(api_version: &str, kind: &str) -> Option<Value> {
    let (group, version) = api_version.split_once('/')?;
    let crd = super::all::all().into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind && crd["spec"]["group"] == group)?;
    let version = crd["spec"]["versions"].as_array()?.iter().find(|v| v["name"] == version)?;
    (version["served"] == true && version.get("deprecated").is_none()).then(|| version["schema"]["openAPIV3Schema"].clone())
}

fn walk(value: &Value, schema: &Value, place: &str, found: &mut Vec<String>) {
    let fits = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    if !fits {
        found.push(format!("{place}: {value}"));
    }
    // the API server itself knows the metadata of an embedded object
    let known = |name: &str| name == "metadata" && schema["x-kubernetes-embedded-resource"] == true;
    for (name, inner) in value.as_object().into_iter().flatten().filter(|(name, _)| !known(name)) {
        let place = format!("{place}.{name}");
        match schema["properties"].get(name).or(schema.get("additionalProperties")) {
            Some(schema) => walk(inner, schema, &place, found),
            None => found.push(place),
        }
    }
    for inner in value.as_array().into_iter().flatten() {
        walk(inner, &schema["items"], &format!("{place}[]"), found);
    }
}
