//! From the SecretProviderClasses of a cluster back to the requests that would have made them.

use crate::{
    chain::{found::Found, texts::field},
    modes,
    resources::secret_provider_class::SecretProviderClass,
    spec::{
        reference::NameOrId,
        request::{Mount, Mounted, Sync},
    },
};
use serde_json::Value;

pub(super) fn mounts(found: &Found<'_>) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for class in found.objects.of::<SecretProviderClass>().filter(|class| found.is_ours(class)) {
        let name = field(class, "/spec/parameters/keyvaultName");
        let Some(vault) = found.vaults.iter().find(|v| v.id.name().eq_ignore_ascii_case(name)) else { continue };
        let synced = class.pointer("/spec/secretObjects").and_then(Value::as_array).into_iter().flatten();
        let sync = synced.flat_map(|secret| {
            let keys = secret.get("data").and_then(Value::as_array).into_iter().flatten();
            keys.map(|key| Sync {
                secret: field(secret, "/secretName").to_owned(),
                key: field(key, "/key").to_owned(),
                alias: field(key, "/objectName").to_owned(),
            })
        });
        mounts.push(Mount {
            mode: class.pointer("/spec/parameters").and_then(modes::of_class).map(|mode| mode.name().to_owned()),
            namespace: field(class, "/metadata/namespace").to_owned(),
            name: field(class, "/metadata/name").to_owned(),
            vault: Some(NameOrId::Id(vault.id.clone())),
            secrets: mounted(field(class, "/spec/parameters/objects")),
            sync: sync.collect(),
            ..Mount::default()
        });
    }
    mounts
}

/// The list of strings that hold YAML, inside a string that holds YAML.
fn mounted(objects: &str) -> Vec<Mounted> {
    let outer: Value = serde_saphyr::from_str(objects).unwrap_or_default();
    let items = outer.get("array").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let object = |item: &str| {
        let inner: Value = serde_saphyr::from_str(item).ok()?;
        let name = inner.get("objectName")?.as_str()?.to_owned();
        Some(Mounted { name, alias: inner.get("objectAlias").and_then(Value::as_str).map(str::to_owned) })
    };
    items.filter_map(object).collect()
}
