//! From the SecretProviderClasses of a cluster back to the requests that would have made them.

use crate::{
    chain::{found::Found, texts::field},
    modes,
    resources::secret_provider_class::{OPAQUE, SecretProviderClass, objects_of},
    spec::{
        reference::NameOrId,
        request::{Mount, Sync},
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
            let of_type = Some(field(secret, "/type")).filter(|of_type| !of_type.is_empty() && *of_type != OPAQUE);
            keys.map(move |key| Sync {
                of_type: of_type.map(str::to_owned),
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
            secrets: objects_of(field(class, "/spec/parameters/objects")),
            sync: sync.collect(),
            ..Mount::default()
        });
    }
    mounts
}
