//! What the kinds write, against the definitions that a cluster serves them by.

use super::{
    azure_identity::AzureIdentity,
    azure_identity_binding::AzureIdentityBinding,
    manifest::Manifested,
    secret_provider_class::{Object, SecretProviderClass, Synced},
    world::Lies,
};
use crate::{
    crds,
    engine::input::{After, Input},
};
use serde_json::Value;

fn lies() -> Lies {
    Lies { cluster: "c".into(), context: "c".into(), hosts: Input::Known(Vec::new()) }
}

fn after() -> After {
    serde_json::from_value(serde_json::json!({"$in": "namespace/c/shop"})).unwrap()
}

fn schema(api_version: &str, kind: &str) -> Value {
    let crds = crds::all();
    let crd = crds.iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap();
    let (group, version) = api_version.split_once('/').unwrap();
    assert_eq!(crd["spec"]["group"], group);
    let versions = crd["spec"]["versions"].as_array().unwrap();
    let version = versions.iter().find(|v| v["name"] == version).unwrap();
    assert_eq!((&version["served"], version.get("deprecated")), (&Value::Bool(true), None));
    version["schema"]["openAPIV3Schema"].clone()
}

/// What the API server would drop, or refuse for its type.
fn astray(value: &Value, schema: &Value, place: &str, found: &mut Vec<String>) {
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
    for (name, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match schema["properties"].get(name).or(schema.get("additionalProperties")) {
            Some(schema) => astray(inner, schema, &place, found),
            None => found.push(place),
        }
    }
    for inner in value.as_array().into_iter().flatten() {
        astray(inner, &schema["items"], &format!("{place}[]"), found);
    }
}

fn written(kind: &impl Manifested) -> Value {
    kind.manifest("app", true).unwrap()
}

fn astray_of(manifest: &Value) -> Vec<String> {
    let text = |name: &str| manifest[name].as_str().unwrap();
    let schema = schema(text("apiVersion"), text("kind"));
    let mut found = Vec::new();
    astray(&manifest["spec"], &schema["properties"]["spec"], "spec", &mut found);
    let root: Vec<&String> = manifest.as_object().unwrap().keys().collect();
    assert_eq!(root, ["apiVersion", "kind", "metadata", "spec"]);
    found
}

#[test]
fn every_field_that_podid_writes_is_in_the_schema_of_its_kind() {
    let identity = AzureIdentity {
        lies: lies(),
        namespace: "shop".into(),
        name: "id".into(),
        resource_id: Input::Known("/subscriptions/s".into()),
        client_id: Input::Known("c".into()),
        within: after(),
    };
    let binding = AzureIdentityBinding {
        lies: lies(),
        namespace: "shop".into(),
        name: "b".into(),
        azure_identity: "id".into(),
        selector: "s".into(),
        within: after(),
        identity: after(),
        roles: Vec::new(),
    };
    let object = Object { name: "password".into(), alias: Some("pw".into()) };
    let synced = Synced { secret: "s".into(), key: "k".into(), file: "pw".into(), env: Some("PW".into()) };
    let class = class(object, synced);
    for manifest in [written(&identity), written(&binding), written(&class)] {
        assert_eq!(astray_of(&manifest), Vec::<String>::new());
    }
}

fn class(object: Object, synced: Synced) -> SecretProviderClass {
    SecretProviderClass {
        lies: lies(),
        namespace: "shop".into(),
        name: "spc".into(),
        vault_name: "kv".into(),
        tenant: Input::Known("t".into()),
        objects: vec![object],
        synced: vec![synced],
        selector: Some("s".into()),
        within: after(),
    }
}

/// https://azure.github.io/secrets-store-csi-driver-provider-azure/docs/getting-started/usage/
#[test]
fn the_objects_of_a_class_are_laid_out_as_in_the_providers_documentation() {
    let object = Object { name: "secret1".into(), alias: None };
    let synced = Synced { secret: "s".into(), key: "k".into(), file: "secret1".into(), env: None };
    let written = written(&class(object, synced));
    let text = "array:\n  - |\n    objectName: secret1\n    objectType: secret\n    objectVersion: \"\"\n";
    assert_eq!(written["spec"]["parameters"]["objects"], text);
}

#[test]
fn a_field_of_another_casing_is_seen_to_be_in_no_schema() {
    let manifest = serde_json::json!({"apiVersion": "aadpodidentity.k8s.io/v1", "kind": "AzureIdentity", "metadata": {},
        "spec": {"ClientID": "c", "type": "0"}});
    assert_eq!(astray_of(&manifest), ["spec.ClientID", "spec.type: \"0\""]);
}
