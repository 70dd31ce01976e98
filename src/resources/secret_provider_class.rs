//! SecretProviderClass (secrets-store.csi.x-k8s.io/v1) for the Azure provider. All parameters are strings: the CRD refuses others,
//! and parameters of another spelling are silently not read (azure.md 4.2).

use super::{manifest, manifested::Manifested, secret, world::ClusterTarget};
use crate::{
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

/// A secret as a file of the mount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

impl Object {
    /// The file's name, by which synced Secrets refer to it.
    pub fn file(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// `sqldbconn as db.txt`
    fn shown(&self) -> String {
        match &self.alias {
            Some(alias) if *alias != self.name => format!("{} as {alias}", self.name),
            _ => self.name.clone(),
        }
    }
}

/// One key of a synced Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Synced {
    pub secret: String,
    pub key: String,
    pub file: String,
    /// The environment variable in which the app reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
}

impl Synced {
    /// `db.txt to Secret app-secrets, key conn, variable DB_CONN`
    fn shown(&self) -> String {
        let env = self.env.as_ref().map(|env| format!(", variable {env}")).unwrap_or_default();
        format!("{} to Secret {}, key {}{env}", self.file, self.secret, self.key)
    }
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
            let mut item = serde_json::Map::new();
            item.insert("objectName".into(), json!(object.name));
            if let Some(alias) = &object.alias {
                item.insert("objectAlias".into(), json!(alias));
            }
            item.insert("objectType".into(), json!("secret"));
            item.insert("objectVersion".into(), json!(""));
            items.push(serde_saphyr::to_string(&item).map_err(bug)?);
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
            of_type: Some("Opaque".to_owned()),
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
    fn uses(&self) -> Vec<Key> {
        self.objects.iter().map(|object| secret::key(&self.vault_name, &object.name)).collect()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let objects: Vec<String> = self.objects.iter().map(Object::shown).collect();
        let synced: Vec<String> = self.synced.iter().map(Synced::shown).collect();
        let sync = if synced.is_empty() { Value::Null } else { json!(synced) };
        vec![("vault", json!(self.vault_name)), ("objects", json!(objects)), ("sync", sync)]
    }
}
