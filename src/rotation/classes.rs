//! The SecretProviderClasses that mount a secret of a vault, and the pods for which the driver reports that.

use super::lists::{everywhere_or, list, text, within};
use crate::{
    cluster::{self, Api, Write},
    resources::{
        manifested::Manifested as _,
        secret_provider_class::{self, Object, SecretProviderClass},
    },
};
use serde_json::Value;
use std::collections::BTreeSet;

/// A class that mounts the secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    pub namespace: String,
    pub name: String,
    /// The version that the class names: its pods never get another one.
    pub pinned: Option<String>,
    /// Names and keys of the Kubernetes Secrets that get it, each with whether the key has the secret's bytes as they are.
    pub synced: Vec<(String, String, bool)>,
}

/// A pod that has it mounted.
#[derive(Clone, Debug, PartialEq)]
pub struct Mounting {
    pub namespace: String,
    pub pod: String,
    pub class: String,
    pub version: String,
}

/// Lists the classes that mount the secret, of all namespaces if this login may list these.
pub async fn classes(cluster: &Write, namespaces: &[String], vault: &str, secret: &str) -> Result<Vec<Class>, cluster::Error> {
    let all = everywhere_or(cluster, &SecretProviderClass::api(), namespaces).await?;
    Ok(all.iter().filter_map(|class| read(class, vault, secret)).collect())
}

fn read(class: &Value, vault: &str, secret: &str) -> Option<Class> {
    if !text(class, "/spec/parameters/keyvaultName").eq_ignore_ascii_case(vault) {
        return None;
    }
    let objects = secret_provider_class::objects_of(text(class, "/spec/parameters/objects"));
    let is_meant = |object: &&Object| object.kind.is_secret() && object.name.eq_ignore_ascii_case(secret);
    let of_it: Vec<&Object> = objects.iter().filter(is_meant).collect();
    let first = of_it.first()?;
    let mut synced = Vec::new();
    for of_secret in list(class, "/spec/secretObjects") {
        let plain = text(of_secret, "/type") != "kubernetes.io/tls";
        for key in list(of_secret, "/data") {
            if let Some(object) = of_it.iter().find(|object| object.file() == text(key, "/objectName")) {
                let same = plain && object.format.is_none() && object.encoding.as_deref().is_none_or(|encoding| encoding == "utf-8");
                synced.push((text(of_secret, "/secretName").to_owned(), text(key, "/key").to_owned(), same));
            }
        }
    }
    Some(Class {
        namespace: text(class, "/metadata/namespace").to_owned(),
        name: text(class, "/metadata/name").to_owned(),
        pinned: first.version.clone(),
        synced,
    })
}

/// Lists the pods of the classes with the version that each has, as the driver reports it. Pods that have ended, such as those of a job, are
/// left out: the driver gives them no new version, and keeps its report until they are deleted.
pub async fn mounting(cluster: &Write, classes: &[Class], secret: &str) -> Result<Vec<Mounting>, cluster::Error> {
    let mut namespaces: Vec<String> = classes.iter().map(|class| class.namespace.clone()).collect();
    namespaces.sort();
    namespaces.dedup();
    let api = Api::new("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClassPodStatus", "secretproviderclasspodstatuses");
    let id = format!("secret/{secret}");
    let mut found = Vec::new();
    let ended = ended(cluster, &namespaces).await?;
    for status in within(cluster, &api, &namespaces).await? {
        let (namespace, class) = (text(&status, "/metadata/namespace"), text(&status, "/status/secretProviderClassName"));
        if !classes.iter().any(|one| one.namespace == namespace && one.name == class) {
            continue;
        }
        if ended.contains(&(namespace.to_owned(), text(&status, "/status/podName").to_owned())) {
            continue;
        }
        let object = list(&status, "/status/objects").find(|object| text(object, "/id").eq_ignore_ascii_case(&id));
        if let Some(object) = object {
            found.push(Mounting {
                namespace: namespace.to_owned(),
                pod: text(&status, "/status/podName").to_owned(),
                class: class.to_owned(),
                version: text(object, "/version").to_owned(),
            });
        }
    }
    Ok(found)
}

/// Namespace and name of the pods whose containers have ended for good. A login that may not list pods sees none.
async fn ended(cluster: &Write, namespaces: &[String]) -> Result<BTreeSet<(String, String)>, cluster::Error> {
    let pods = match within(cluster, &Api::new("", "v1", "Pod", "pods"), namespaces).await {
        Err(cluster::Error::Forbidden { .. }) => return Ok(BTreeSet::new()),
        other => other?,
    };
    let over = pods.iter().filter(|pod| is_over(pod));
    Ok(over.map(|pod| (text(pod, "/metadata/namespace").to_owned(), text(pod, "/metadata/name").to_owned())).collect())
}

/// Whether the containers of a pod have ended for good.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_class_is_found_by_its_vault_and_the_secret_in_it() {
        let objects = "array:\n  - |\n    objectName: conn\n    objectAlias: conn.txt\n    objectType: secret\n  - |\n    objectName: conn\n    objectType: cert\n";
        let class = json!({
            "metadata": { "namespace": "shop", "name": "web" },
            "spec": {
                "parameters": { "keyvaultName": "KV-shop", "objects": objects },
                "secretObjects": [{ "secretName": "app", "type": "Opaque", "data": [{ "objectName": "conn.txt", "key": "CONN" }, { "objectName": "other", "key": "x" }] }],
            },
        });
        let found = read(&class, "kv-shop", "Conn").unwrap();
        assert_eq!((found.name.as_str(), found.pinned), ("web", None));
        assert_eq!(found.synced, [("app".to_owned(), "CONN".to_owned(), true)]);
        assert_eq!(read(&class, "kv-other", "conn"), None);
        assert_eq!(read(&class, "kv-shop", "other"), None);
    }
}
