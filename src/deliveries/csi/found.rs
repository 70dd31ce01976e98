//! From the SecretProviderClasses of a cluster back to the requests that would have made them.

use crate::{
    chain::{found::Found, texts::field},
    modes,
    resources::secret_provider_class::{OPAQUE, SecretProviderClass, Synced, objects_of},
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
        let sync = synced_of(class).into_iter().map(|Synced { secret, key, file, of_type, .. }| Sync { of_type, secret, key, alias: file });
        mounts.push(Mount {
            mode: class.pointer("/spec/parameters").and_then(modes::of_class).map(|mode| mode.name().to_owned()),
            namespace: field(class, "/metadata/namespace").to_owned(),
            name: field(class, "/metadata/name").to_owned(),
            vault: Some(NameOrId::Id(vault.id.clone())),
            identity: identity_of(found, field(class, "/spec/parameters/clientID")),
            secrets: objects_of(field(class, "/spec/parameters/objects")),
            sync: sync.collect(),
            ..Mount::default()
        });
    }
    mounts
}

/// The identity that a class names, where its mode names one.
fn identity_of(found: &Found<'_>, client_id: &str) -> Option<NameOrId> {
    let is_it = |client: &str| !client_id.is_empty() && client.eq_ignore_ascii_case(client_id);
    found.identities.iter().find(|identity| is_it(&identity.client_id)).map(|identity| NameOrId::Id(identity.id.clone()))
}

/// The keys of Kubernetes Secrets that a class keeps in step. The type is None where it is `Opaque`.
pub(super) fn synced_of(class: &Value) -> Vec<Synced> {
    let list = |value: &Value, name: &str| value.pointer(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let of_secret = |secret: Value| {
        let of_type = Some(field(&secret, "/type").to_owned()).filter(|of_type| !of_type.is_empty() && of_type != OPAQUE);
        let synced = |key: &Value| Synced {
            secret: field(&secret, "/secretName").to_owned(),
            key: field(key, "/key").to_owned(),
            file: field(key, "/objectName").to_owned(),
            of_type: of_type.clone(),
            env: None,
        };
        list(&secret, "/data").iter().map(synced).collect::<Vec<_>>()
    };
    list(class, "/spec/secretObjects").into_iter().flat_map(of_secret).collect()
}
