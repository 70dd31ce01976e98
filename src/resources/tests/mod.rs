//! What the kinds write, against the definitions that a cluster serves them by; and objects in clusters.

#[cfg(feature = "sandbox")]
mod features;
#[cfg(all(feature = "sandbox", unix))]
mod helm;
mod images;
mod kinds;
mod lab;
mod objects;
#[cfg(feature = "sandbox")]
mod sandboxed;
mod server;

use super::{
    azure_identity::AzureIdentity,
    azure_identity_binding::AzureIdentityBinding,
    manifested::Manifested,
    secret_provider_class::{Object, SecretProviderClass, Synced},
    world::ClusterTarget,
};
use crate::{
    crds::astray,
    engine::input::{DependsOn, Input},
};
use serde_json::Value;

fn target() -> ClusterTarget {
    ClusterTarget { name: "c".into(), context: "c".into(), hosts: Input::Known(Vec::new()) }
}

fn after() -> DependsOn {
    serde_json::from_value(serde_json::json!({"$in": "namespace/c/shop"})).unwrap()
}

fn written(kind: &impl Manifested) -> Value {
    kind.manifest("app", true).unwrap()
}

#[test]
fn every_field_that_podid_writes_is_in_the_schema_of_its_kind() {
    let identity = AzureIdentity {
        target: target(),
        namespace: "shop".into(),
        name: "id".into(),
        resource_id: Input::Known("/subscriptions/s".into()),
        client_id: Input::Known("c".into()),
        counts_everywhere: false,
        within: after(),
        after: Vec::new(),
    };
    let binding = AzureIdentityBinding {
        target: target(),
        namespace: "shop".into(),
        name: "b".into(),
        azure_identity: "id".into(),
        selector: "s".into(),
        within: after(),
        after: Vec::new(),
        identity: after(),
        roles: Vec::new(),
    };
    let object = Object { name: "password".into(), alias: Some("pw".into()), ..Object::default() };
    let synced = Synced { secret: "s".into(), key: "k".into(), file: "pw".into(), of_type: None, env: Some("PW".into()) };
    let class = class(object, synced);
    for manifest in [written(&identity), written(&binding), written(&class)] {
        assert_eq!(astray(&manifest), Vec::<String>::new());
        let root: Vec<&String> = manifest.as_object().unwrap().keys().collect();
        assert_eq!(root, ["apiVersion", "kind", "metadata", "spec"]);
    }
}

fn class(object: Object, synced: Synced) -> SecretProviderClass {
    SecretProviderClass {
        target: target(),
        namespace: "shop".into(),
        name: "spc".into(),
        vault_name: "kv".into(),
        tenant: Input::Known("t".into()),
        identity: [("usePodIdentity".into(), Input::Known("true".into()))].into(),
        objects: vec![object],
        synced: vec![synced],
        subject: Some("s".into()),
        within: after(),
        after: Vec::new(),
    }
}

/// https://azure.github.io/secrets-store-csi-driver-provider-azure/docs/getting-started/usage/
#[test]
fn the_objects_of_a_class_are_laid_out_as_in_the_providers_documentation() {
    let object = Object { name: "secret1".into(), ..Object::default() };
    let synced = Synced { secret: "s".into(), key: "k".into(), file: "secret1".into(), of_type: None, env: None };
    let written = written(&class(object, synced));
    let text = "array:\n  - |\n    objectName: secret1\n    objectType: secret\n    objectVersion: \"\"\n";
    assert_eq!(written["spec"]["parameters"]["objects"], text);
}

#[test]
fn a_class_says_what_is_wanted_of_an_object_in_strings() {
    let object = Object {
        name: "site".into(),
        alias: Some("site.pfx".into()),
        version: Some("12345678901234567890123456789012".into()),
        encoding: Some("base64".into()),
        format: Some("pfx".into()),
        permission: Some("0400".into()),
        ..Object::default()
    };
    let tls = Synced { secret: "s".into(), key: "k".into(), file: "site.pfx".into(), of_type: Some("kubernetes.io/tls".into()), env: None };
    let written = written(&class(object, tls));
    let text: String =
        serde_saphyr::from_str::<serde_json::Value>(written["spec"]["parameters"]["objects"].as_str().unwrap()).unwrap()["array"][0]
            .as_str()
            .unwrap()
            .to_owned();
    // as YAML without quotes these two would be numbers, which the provider refuses
    assert!(text.contains("filePermission: \"0400\"") && text.contains("objectVersion: \"1234"), "{text}");
    let fields: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!((&fields["objectFormat"], &fields["objectEncoding"]), (&"pfx".into(), &"base64".into()));
    assert_eq!(written["spec"]["secretObjects"][0]["type"], "kubernetes.io/tls");
}

#[test]
fn the_dates_of_a_secret_count_only_once_they_mean_something() {
    let now = jiff::Timestamp::from_second(1_000_000).unwrap();
    let dates = super::secret::dates;
    assert_eq!(dates(None, None, now), None);
    assert_eq!(dates(Some(999_999), Some(1_000_001), now), None);
    assert_eq!(dates(None, Some(1_000_000), now).as_deref(), Some("expired on 1970-01-12T13:46:40Z"));
    assert_eq!(dates(Some(1_000_001), None, now).as_deref(), Some("not valid before 1970-01-12T13:46:41Z"));
}

#[test]
fn a_state_with_the_former_field_names_is_read() {
    let entry = serde_json::json!({
        "lies": { "cluster": "aks", "context": "aks", "hosts": [] },
        "name": "shop",
    });
    let namespace: super::namespace::Namespace = serde_json::from_value(entry).unwrap();
    assert_eq!(namespace.target.name, "aks");
}
