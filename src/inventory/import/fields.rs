//! Fields of a spec for what was found, and what they are called in comments.

use crate::{
    resources::secret_provider_class::Object,
    spec::request::{Bind, Sync},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// `NAMESPACE/NAME` of what the settings of a binding name.
pub(super) fn words(bind: &Bind) -> BTreeSet<String> {
    bind.settings.iter().map(|(_, value)| format!("{}/{value}", bind.namespace)).collect()
}

/// Whether a setting names an object of the cluster.
pub(super) fn is_object(path: &str) -> bool {
    path.starts_with("names.") || path == "serviceAccount.name"
}

/// `AzureIdentity shop/web` for `names.azureIdentity`, `ServiceAccount shop/web` for `serviceAccount.name`.
pub(super) fn shown(path: &str, namespace: &str, name: &str) -> String {
    let word = path.strip_prefix("names.").or_else(|| path.strip_suffix(".name")).unwrap_or(path);
    let kind: String = word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
    if kind.starts_with("Cluster") { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// A secret as a workload of a spec uses it; only what is not a default.
pub(super) fn used(object: &Object, vault: &str, synced: &[&Sync]) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value));
        }
    };
    add("name", Some(&object.name));
    add("vault", Some(vault));
    add("type", Some(object.kind.word()).filter(|_| !object.kind.is_secret()));
    add("alias", object.alias.as_deref());
    add("version", object.version.as_deref());
    add("encoding", object.encoding.as_deref());
    add("format", object.format.as_deref());
    add("filePermission", object.permission.as_deref());
    if let Some(sync) = synced.first() {
        let mut own = json!({ "secret": sync.secret, "key": sync.key });
        if let Some(of_type) = &sync.of_type {
            own["type"] = json!(of_type);
        }
        fields.insert("sync".to_owned(), own);
    }
    Value::Object(fields)
}

/// Sets a field by its path, such as `names.azureIdentity`.
pub(super) fn set(fields: &mut Map<String, Value>, path: &str, value: &str) {
    match path.split_once('.') {
        None => drop(fields.insert(path.to_owned(), json!(value))),
        Some((head, rest)) => {
            let inner = fields.entry(head.to_owned()).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                set(inner, rest, value);
            }
        }
    }
}
