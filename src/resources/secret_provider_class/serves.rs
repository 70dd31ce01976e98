//! Whether the Azure provider reads the same from a SecretProviderClass that somebody else wrote as from the one that podid would write.

use super::{OPAQUE, Object, SecretProviderClass, Synced, objects_of};
use crate::engine::input::Input;
use serde_json::Value;

/// The parameters by which the provider chooses how it gets a token; each is on or off.
const MODES: [&str; 3] = ["usePodIdentity", "useVMManagedIdentity", "useAzureTokenProxy"];
/// The fields of an object that podid knows. Another one, such as objectVersionHistory, has an effect that a spec does not have.
const FIELDS: [&str; 7] = ["objectName", "objectAlias", "objectType", "objectVersion", "objectFormat", "objectEncoding", "filePermission"];
const PUBLIC: &str = "AzurePublicCloud";

/// Parameters that the provider does not read, such as resourceGroup and subscriptionId, do not count.
pub(super) fn serves(class: &SecretProviderClass, live: &Value) -> bool {
    let parameter = |name: &str| live.pointer("/spec/parameters").and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default();
    let wanted = |name: &str| class.identity.get(name).and_then(Input::known).map(String::as_str).unwrap_or_default();
    let is_on = |value: &str| value.eq_ignore_ascii_case("true");
    // the older spelling is read where the newer one is missing
    let tenant = ["tenantID", "tenantId"].map(parameter).into_iter().find(|value| !value.is_empty()).unwrap_or_default();
    let client_id = parameter("clientID");
    let is_client = if wanted("clientID").is_empty() {
        // NMI chooses by the pod alone
        client_id.is_empty() || is_on(wanted("usePodIdentity"))
    } else {
        client_id.eq_ignore_ascii_case(wanted("clientID"))
    };
    live.pointer("/spec/provider").is_some_and(|provider| provider == "azure")
        && parameter("keyvaultName").eq_ignore_ascii_case(&class.vault_name)
        && class.tenant.known().is_some_and(|wanted| wanted.eq_ignore_ascii_case(tenant))
        && ["", PUBLIC].contains(&parameter("cloudName"))
        && parameter("cloudEnvFileName").is_empty()
        && MODES.into_iter().all(|mode| is_on(parameter(mode)) == is_on(wanted(mode)))
        && is_client
        && objects(parameter("objects")).is_some_and(|there| there == sorted(class.objects.clone()))
        && secrets(live, &class.synced)
}

/// None: it has something that podid does not know, or cannot read.
fn objects(parameter: &str) -> Option<Vec<Object>> {
    let outer: Value = serde_saphyr::from_str(parameter).ok()?;
    let items = outer.get("array")?.as_array()?;
    for item in items {
        let inner: Value = serde_saphyr::from_str(item.as_str()?).ok()?;
        let is_known = |(name, value): (&String, &Value)| FIELDS.contains(&name.as_str()) || value.is_null() || value == "";
        inner.as_object()?.iter().all(is_known).then_some(())?;
    }
    let known = objects_of(parameter);
    (known.len() == items.len()).then(|| sorted(known))
}

/// Without what is a default, in the order of the files.
fn sorted(mut objects: Vec<Object>) -> Vec<Object> {
    for object in &mut objects {
        let is_default = |value: &Option<String>, default: &str| value.as_deref() == Some(default);
        if is_default(&object.alias, &object.name) {
            object.alias = None;
        }
        if is_default(&object.encoding, "utf-8") {
            object.encoding = None;
        }
        if is_default(&object.format, "pem") {
            object.format = None;
        }
    }
    objects.sort_by(|one, other| (one.file(), one.kind.word()).cmp(&(other.file(), other.kind.word())));
    objects
}

/// Whether the same keys of the same Secrets are kept in step.
fn secrets(live: &Value, wanted: &[Synced]) -> bool {
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut there = Vec::new();
    for secret in live.get("spec").map(|spec| list(spec, "secretObjects")).unwrap_or_default() {
        let of_type = Some(text(&secret, "type")).filter(|of_type| !of_type.is_empty()).unwrap_or_else(|| OPAQUE.to_owned());
        for key in list(&secret, "data") {
            there.push([text(&secret, "secretName"), of_type.clone(), text(&key, "key"), text(&key, "objectName")]);
        }
    }
    let of_type = |synced: &Synced| synced.of_type.clone().unwrap_or_else(|| OPAQUE.to_owned());
    let mut wanted: Vec<_> = wanted.iter().map(|one| [one.secret.clone(), of_type(one), one.key.clone(), one.file.clone()]).collect();
    there.sort();
    wanted.sort();
    there == wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::{input::DependsOn, key::Key},
        resources::world::ClusterTarget,
    };
    use serde_json::json;

    const OBJECTS: &str =
        "array:\n- |\n  objectName: b\n  objectType: secret\n- |\n  objectType: secret\n  objectName: a\n  objectVersion: \"\"\n";

    fn class() -> SecretProviderClass {
        let named = |name: &str| Object { name: name.to_owned(), ..Object::default() };
        SecretProviderClass {
            target: ClusterTarget { name: "aks".into(), context: "aks".into(), hosts: Input::Known(Vec::new()) },
            namespace: "shop".into(),
            name: "web".into(),
            vault_name: "kv".into(),
            tenant: Input::Known("t".into()),
            identity: [("usePodIdentity".to_owned(), Input::Known("true".to_owned()))].into(),
            objects: vec![named("a"), named("b")],
            synced: vec![Synced { secret: "s".into(), key: "k".into(), file: "a".into(), of_type: None, env: None }],
            subject: None,
            within: DependsOn::of(&Key::of("namespace", ["aks", "shop"])),
            after: Vec::new(),
        }
    }

    /// As people write it, from the provider's documentation or from lab 004.
    fn live() -> Value {
        json!({ "spec": { "provider": "azure",
            "parameters": { "usePodIdentity": "true", "useVMManagedIdentity": "false", "userAssignedIdentityID": "", "keyvaultName": "KV",
                "resourceGroup": "rg", "subscriptionId": "s", "tenantId": "T", "objects": OBJECTS },
            "secretObjects": [{ "secretName": "s", "type": "Opaque", "data": [{ "key": "k", "objectName": "a" }] }] } })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut live = live();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        live.pointer_mut(parent).unwrap()[name] = value;
        live
    }

    #[test]
    fn another_layout_an_older_spelling_and_parameters_without_effect_serve() {
        assert!(serves(&class(), &live()));
        assert!(serves(&class(), &with("/spec/parameters/cloudName", json!("AzurePublicCloud"))));
        assert!(serves(&class(), &with("/spec/parameters/clientID", json!("ignored with pod identity"))));
    }

    #[test]
    fn whatever_the_provider_or_the_driver_would_do_otherwise_does_not_serve() {
        let history =
            "array:\n- |\n  objectName: a\n  objectType: secret\n  objectVersionHistory: 3\n- |\n  objectName: b\n  objectType: secret\n";
        for (pointer, value) in [
            ("/spec/provider", json!("gcp")),
            ("/spec/parameters/keyvaultName", json!("other")),
            ("/spec/parameters/tenantId", json!("other")),
            ("/spec/parameters/cloudName", json!("AzureChinaCloud")),
            ("/spec/parameters/useVMManagedIdentity", json!("true")),
            ("/spec/parameters/usePodIdentity", json!("false")),
            ("/spec/parameters/objects", json!("array:\n- |\n  objectName: a\n  objectType: secret\n")),
            ("/spec/parameters/objects", json!(history)),
            ("/spec/parameters/objects", json!("no yaml: [")),
            ("/spec/secretObjects", json!([])),
            ("/spec/secretObjects/0/type", json!("kubernetes.io/tls")),
        ] {
            assert!(!serves(&class(), &with(pointer, value.clone())), "{pointer} {value}");
        }
    }
}
