//! SecretProviderClass (secrets-store.csi.x-k8s.io/v1) for the Azure provider. All parameters are strings: the CRD refuses others,
//! and parameters of another spelling are silently not read (azure.md 4.2).

mod serves;

use super::{manifest, manifested::Manifested, secret, world::ClusterTarget};
use crate::{
    azure::ObjectKind,
    cluster::Api,
    crds,
    engine::{
        fault::Fault,
        input::{DependsOn, Input},
        key::Key,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretProviderClass {
    #[serde(alias = "lies")]
    pub target: ClusterTarget,
    pub namespace: String,
    pub name: String,
    pub vault_name: String,
    /// Of the vault.
    pub tenant: Input<String>,
    /// Parameters by which the provider gets a token, as the identity mode says.
    #[serde(default = "of_former_states")]
    pub identity: BTreeMap<String, Input<String>>,
    pub objects: Vec<Object>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub synced: Vec<Synced>,
    /// Which bound pods mount it, by the label or the service account that binds them; None: any of the namespace.
    #[serde(default, rename = "selector", skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub within: DependsOn,
    /// The components that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

/// States that were written before there were modes name none.
fn of_former_states() -> BTreeMap<String, Input<String>> {
    [("usePodIdentity".to_owned(), Input::Known("true".to_owned()))].into()
}

/// A secret, key or certificate as a file of the mount.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "ObjectKind::is_secret")]
    pub kind: ObjectKind,
    /// None: the current one, which rotation follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How the value of a secret is decoded: `utf-8` (the default), `base64` or `hex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Of a certificate: `pem` (the default) or `pfx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Mode of the file in octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

impl Object {
    /// The file's name, by which synced Secrets refer to it.
    pub fn file(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// `secret/sqldbconn`, as the driver's status calls it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.kind.word(), self.name)
    }

    /// `sqldbconn as db.txt`, `cert/site (version 1a2b)`
    fn shown(&self) -> String {
        let name = if self.kind.is_secret() { self.name.clone() } else { self.id() };
        let named = match &self.alias {
            Some(alias) if *alias != self.name => format!("{name} as {alias}"),
            _ => name,
        };
        let details = [("version", &self.version), ("encoding", &self.encoding), ("format", &self.format), ("mode", &self.permission)];
        let details: Vec<String> = details.iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?))).collect();
        if details.is_empty() { named } else { format!("{named} ({})", details.join(", ")) }
    }

    /// As the provider reads it, in the order of its documentation.
    fn fields(&self) -> serde_json::Map<String, Value> {
        let mut fields = serde_json::Map::new();
        let mut set = |name: &str, value: Option<&str>| fields.extend(value.map(|value| (name.to_owned(), json!(value))));
        set("objectName", Some(&self.name));
        set("objectAlias", self.alias.as_deref());
        set("objectType", Some(self.kind.word()));
        set("objectVersion", Some(self.version.as_deref().unwrap_or_default()));
        set("objectFormat", self.format.as_deref());
        set("objectEncoding", self.encoding.as_deref());
        set("filePermission", self.permission.as_deref());
        fields
    }
}

/// The type of a Secret that says nothing else.
pub const OPAQUE: &str = "Opaque";

/// One key of a synced Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Synced {
    pub secret: String,
    pub key: String,
    pub file: String,
    /// Type of the Secret; None: Opaque.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub of_type: Option<String>,
    /// The environment variable in which the app reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

impl Synced {
    /// `db.txt to Secret app-secrets, key conn, variable DB_CONN`
    fn shown(&self) -> String {
        let env = self.env.as_ref().map(|env| format!(", variable {env}")).unwrap_or_default();
        let of_type = self.of_type.as_ref().map(|of_type| format!(" ({of_type})")).unwrap_or_default();
        format!("{} to Secret {}{of_type}, key {}{env}", self.file, self.secret, self.key)
    }
}

/// Reads the parameter `objects`: a list of strings that hold YAML, inside a string that holds YAML.
pub fn objects_of(parameter: &str) -> Vec<Object> {
    let outer: Value = serde_saphyr::from_str(parameter).unwrap_or_default();
    let items = outer.get("array").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let object = |item: &str| {
        let inner: Value = serde_saphyr::from_str(item).ok()?;
        let text = |field: &str| inner.get(field).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Object {
            name: text("objectName")?,
            alias: text("objectAlias"),
            kind: inner.get("objectType").cloned().and_then(|kind| serde_json::from_value(kind).ok()).unwrap_or_default(),
            version: text("objectVersion"),
            encoding: text("objectEncoding"),
            format: text("objectFormat"),
            permission: text("filePermission"),
        })
    };
    items.filter_map(object).collect()
}

pub fn key(cluster: &str, namespace: &str, name: &str) -> Key {
    Key::of("secretproviderclass", [cluster, namespace, name])
}

impl SecretProviderClass {
    /// The provider wants a string that holds YAML, whose list items are again strings that hold YAML. Both are printed from trees, in the
    /// layout of its documentation: a class that was written by hand from there has the same string.
    fn objects(&self) -> Result<String, Fault> {
        let bug = |e: serde_saphyr::ser::Error| Fault::Bug(e.to_string());
        let mut items = Vec::new();
        for object in &self.objects {
            items.push(serde_saphyr::to_string(&object.fields()).map_err(bug)?);
        }
        let layout = serde_saphyr::ser_options! { compact_list_indent: false };
        serde_saphyr::to_string_with_options(&json!({ "array": items }), layout).map_err(bug)
    }

    /// One entry a Secret, its keys in the order in which they were written.
    fn secret_objects(&self) -> Vec<crds::SecretObject> {
        let mut names: Vec<&str> = Vec::new();
        for synced in &self.synced {
            if !names.contains(&synced.secret.as_str()) {
                names.push(&synced.secret);
            }
        }
        let key = |s: &Synced| crds::SecretObjectData { object_name: Some(s.file.clone()), key: Some(s.key.clone()) };
        let entry = |name: &str| crds::SecretObject {
            secret_name: Some(name.to_owned()),
            of_type: Some(self.synced.iter().filter(|s| s.secret == name).find_map(|s| s.of_type.clone()).unwrap_or_else(|| OPAQUE.into())),
            data: Some(self.synced.iter().filter(|s| s.secret == name).map(key).collect()),
            ..crds::SecretObject::default()
        };
        names.into_iter().map(entry).collect()
    }
}

impl Manifested for SecretProviderClass {
    const KIND: &'static str = "secretproviderclass";

    fn api() -> Api {
        Api::new("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", "secretproviderclasses")
    }
    fn target(&self) -> &ClusterTarget {
        &self.target
    }
    fn namespace(&self) -> Option<&str> {
        Some(&self.namespace)
    }
    fn after(&self) -> &[DependsOn] {
        &self.after
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        let objects = self.objects()?;
        let fixed =
            [("keyvaultName", self.vault_name.as_str()), ("cloudName", ""), ("tenantID", self.tenant.get()?), ("objects", &objects)];
        let mut parameters: BTreeMap<String, String> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for (name, value) in &self.identity {
            parameters.insert(name.clone(), value.get()?.clone());
        }
        let spec = crds::SecretProviderClassSpec {
            provider: Some("azure".to_owned()),
            parameters: Some(parameters),
            secret_objects: Some(self.secret_objects()).filter(|all| !all.is_empty()),
        };
        let at = manifest::at(&Self::api(), Some(&self.namespace), &self.name);
        Ok(manifest::manifest(&at, app, mine, &[], Some(serde_json::to_value(spec)?)))
    }
    /// Whether the provider reads the same from a class that somebody else wrote: the order and layout of its texts, `tenantId` for
    /// `tenantID`, and parameters without an effect do not count.
    fn serves(&self, live: &Value) -> bool {
        serves::serves(self, live)
    }
    fn uses(&self) -> Vec<Key> {
        let secrets = self.objects.iter().filter(|object| object.kind.is_secret());
        secrets.map(|object| secret::key(&self.vault_name, &object.name)).collect()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let objects: Vec<String> = self.objects.iter().map(Object::shown).collect();
        let synced: Vec<String> = self.synced.iter().map(Synced::shown).collect();
        let sync = if synced.is_empty() { Value::Null } else { json!(synced) };
        vec![("vault", json!(self.vault_name)), ("objects", json!(objects)), ("sync", sync)]
    }
}
