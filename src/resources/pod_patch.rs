//! What a pod template must have so that its pods are bound and get their secrets. Modes and deliveries say it; deployments that podid makes,
//! workloads that it extends and the pods of proofs have it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a pod template must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodPatch {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// For each container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Value>,
}

impl PodPatch {
    /// Adds another patch. Where both bring a volume of one name, or mount at one path, the second one gets a number.
    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        self.keep_apart(&mut other);
        self.labels.extend(other.labels);
        self.annotations.extend(other.annotations);
        self.service_account = self.service_account.or(other.service_account);
        self.env.extend(other.env);
        self.volume_mounts.extend(other.volume_mounts);
        self.volumes.extend(other.volumes);
        self
    }

    fn keep_apart(&self, other: &mut Self) {
        for volume in &mut other.volumes {
            let name = volume["name"].as_str().unwrap_or_default().to_owned();
            if let Some(free) = free(&self.volumes, "name", &name) {
                other.volume_mounts.iter_mut().filter(|mount| mount["name"] == name).for_each(|mount| mount["name"] = json!(free));
                volume["name"] = json!(free);
            }
        }
        for mount in &mut other.volume_mounts {
            let path = mount["mountPath"].as_str().unwrap_or_default().to_owned();
            if let Some(free) = free(&self.volume_mounts, "mountPath", &path) {
                mount["mountPath"] = json!(free);
            }
        }
    }

    /// Returns whether it has something for the containers themselves.
    pub fn is_for_containers(&self) -> bool {
        !self.env.is_empty() || !self.volume_mounts.is_empty()
    }

    /// The fields of a pod template, with those of these containers. `serviceAccount` is the old name of `serviceAccountName`: the server
    /// fills in the one from the other, so who takes the account back must have set both.
    pub fn template(&self, containers: &[String]) -> Value {
        let mut metadata = Map::new();
        for (field, texts) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !texts.is_empty() {
                metadata.insert(field.to_owned(), json!(texts));
            }
        }
        let mut spec = Map::new();
        if let Some(account) = &self.service_account {
            spec.insert("serviceAccountName".to_owned(), json!(account));
            spec.insert("serviceAccount".to_owned(), json!(account));
        }
        if self.is_for_containers() && !containers.is_empty() {
            let each: Vec<Value> = containers.iter().map(|name| self.container(name)).collect();
            spec.insert("containers".to_owned(), Value::Array(each));
        }
        if !self.volumes.is_empty() {
            spec.insert("volumes".to_owned(), json!(self.volumes));
        }
        let mut template = Map::new();
        for (field, value) in [("metadata", metadata), ("spec", spec)] {
            if !value.is_empty() {
                template.insert(field.to_owned(), Value::Object(value));
            }
        }
        Value::Object(template)
    }

    fn container(&self, name: &str) -> Value {
        let mut container = json!({ "name": name });
        if !self.env.is_empty() {
            container["env"] = json!(self.env);
        }
        if !self.volume_mounts.is_empty() {
            container["volumeMounts"] = json!(self.volume_mounts);
        }
        container
    }
}

/// None: no item has this text in its field. Otherwise the text with the first number that is free.
fn free(items: &[Value], field: &str, text: &str) -> Option<String> {
    let taken = |text: &str| items.iter().any(|item| item[field] == text);
    taken(text).then(|| (2..).map(|n| format!("{text}-{n}")).find(|text| !taken(text))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(class: &str) -> PodPatch {
        PodPatch {
            volume_mounts: vec![json!({ "name": "secrets", "mountPath": "/mnt/secrets" })],
            volumes: vec![json!({ "name": "secrets", "csi": { "volumeAttributes": { "secretProviderClass": class } } })],
            ..PodPatch::default()
        }
    }

    #[test]
    fn volumes_of_several_deliveries_are_kept_apart() {
        let both = patch("one").and(patch("two")).and(patch("three"));
        let named = |list: &[Value], field: &str| list.iter().map(|item| item[field].clone()).collect::<Vec<_>>();
        assert_eq!(named(&both.volumes, "name"), ["secrets", "secrets-2", "secrets-3"]);
        assert_eq!(named(&both.volume_mounts, "name"), ["secrets", "secrets-2", "secrets-3"]);
        assert_eq!(named(&both.volume_mounts, "mountPath"), ["/mnt/secrets", "/mnt/secrets-2", "/mnt/secrets-3"]);
    }

    #[test]
    fn a_template_has_only_what_is_needed() {
        let label = PodPatch { labels: [("aadpodidbinding".to_owned(), "web".to_owned())].into(), ..PodPatch::default() };
        assert_eq!(label.template(&["app".to_owned()]), json!({ "metadata": { "labels": { "aadpodidbinding": "web" } } }));
        let template = patch("one").template(&["app".to_owned(), "sidecar".to_owned()]);
        assert_eq!(template["spec"]["containers"].as_array().map(Vec::len), Some(2));
        assert_eq!(template.get("metadata"), None);
        let account = PodPatch { service_account: Some("web".to_owned()), ..PodPatch::default() };
        assert_eq!(account.template(&[])["spec"], json!({ "serviceAccountName": "web", "serviceAccount": "web" }));
    }
}
