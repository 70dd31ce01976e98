//! Compares the definitions with those that the projects publish (`published.json`: charts/aad-pod-identity/crds of aad-pod-identity
//! 1.8.17, config/crd/bases of secrets-store-csi-driver 1.5, without descriptions).

use super::*;
use serde_json::{Value, json};

fn published() -> Vec<Value> {
    serde_json::from_str(include_str!("tests/published.json")).unwrap()
}

fn name(crd: &Value) -> &str {
    crd["metadata"]["name"].as_str().unwrap()
}

/// Removes the descriptions, which are podid's own. No field of these kinds is called `description`.
fn without_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove("description");
            fields.values_mut().for_each(without_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_descriptions),
        _ => {}
    }
}

#[test]
fn the_typed_definitions_are_those_that_the_projects_publish() {
    let (mut ours, theirs) = (all(), published());
    assert_eq!(ours.iter().map(name).collect::<Vec<_>>(), theirs.iter().map(name).collect::<Vec<_>>());
    for (ours, theirs) in ours.iter_mut().zip(&theirs) {
        without_descriptions(ours);
        assert_eq!(ours["spec"], theirs["spec"], "{}", name(theirs));
        let approval = "api-approved.kubernetes.io";
        assert_eq!(ours["metadata"]["annotations"][approval], theirs["metadata"]["annotations"][approval]);
    }
}

/// Checks that a schema is structural and prunes: every value has a type, and no field outside of the schema is kept.
fn structural(schema: &Value, place: &str) {
    let of_type = schema["type"].as_str().unwrap_or_else(|| panic!("{place} has no type"));
    for word in ["x-kubernetes-preserve-unknown-fields", "required", "enum", "default", "$ref", "oneOf", "anyOf"] {
        assert!(schema.get(word).is_none(), "{place} has {word}");
    }
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        structural(inner, &format!("{place}.{field}"));
    }
    match of_type {
        "array" => structural(&schema["items"], &format!("{place}[]")),
        "object" if schema.get("additionalProperties").is_some() => structural(&schema["additionalProperties"], &format!("{place}.*")),
        _ => {}
    }
}

#[test]
fn every_schema_is_structural_and_prunes() {
    for crd in all() {
        assert!(crd["spec"].get("preserveUnknownFields").is_none());
        for version in crd["spec"]["versions"].as_array().unwrap() {
            structural(&version["schema"]["openAPIV3Schema"], name(&crd));
        }
    }
}

#[test]
fn every_field_that_has_a_meaning_is_described() {
    let crds = all();
    let identity = crds.iter().find(|crd| name(crd).starts_with("azureidentities.")).unwrap();
    let spec = &identity["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    for (field, schema) in spec["properties"].as_object().unwrap() {
        assert!(schema["description"].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
}

#[test]
fn a_value_has_just_the_fields_that_were_set_and_reads_back() {
    let spec = AzureIdentitySpec { of_type: Some(0), client_id: Some("c".into()), ..AzureIdentitySpec::default() };
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(written, json!({"type": 0, "clientID": "c"}));
    assert_eq!(serde_json::from_value::<AzureIdentitySpec>(written).unwrap(), spec);
    let old = serde_json::from_value::<AzureIdentitySpec>(json!({"ClientID": "c"}));
    assert!(old.unwrap_err().to_string().contains("ClientID"), "casing of before 1.6 is no field");
}

#[test]
fn a_field_in_another_casing_is_not_in_the_schema() {
    let object =
        json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity", "metadata": {}, "spec": {"ClientID": "c", "type": "0"}});
    assert_eq!(astray(&object), ["spec.ClientID", "spec.type: \"0\""]);
}
