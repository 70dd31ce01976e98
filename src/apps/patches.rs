//! What an existing workload needs, as text for the source that it is deployed from: a patch for kubectl or kustomize, or values for a Helm
//! chart. Nothing is changed by it.

use crate::resources::{pod_patch::PodPatch, workload::WorkloadKind};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchFormat {
    /// A part of a kustomization.yaml.
    Kustomize,
    /// A strategic merge patch, for `kubectl patch --patch-file`.
    Strategic,
    /// Values under the names that most charts have.
    HelmValues,
}

/// A workload, and what its pods need.
pub struct Needs<'a> {
    pub workload: WorkloadKind,
    pub namespace: &'a str,
    pub name: &'a str,
    pub containers: &'a [String],
    pub patch: &'a PodPatch,
}

/// A document, and the comment that goes before it.
pub struct Patch {
    pub comment: Vec<String>,
    pub document: Value,
}

impl Needs<'_> {
    /// `yaml` writes a tree as text: a kustomization holds its patches as text.
    pub fn written(&self, format: PatchFormat, yaml: impl Fn(&Value) -> String) -> Patch {
        let (word, name, namespace) = (self.workload.word(), self.name, self.namespace);
        let strategic = self.workload.manifest(namespace, name, self.patch, self.containers);
        match format {
            PatchFormat::Strategic => {
                Patch { comment: vec![format!("kubectl patch {word} {name} -n {namespace} --patch-file FILE")], document: strategic }
            }
            PatchFormat::Kustomize => {
                let api = self.workload.api();
                let target = json!({ "group": api.group, "version": api.version, "kind": api.kind, "name": name });
                Patch {
                    comment: vec!["for the kustomization.yaml of the overlay".to_owned()],
                    document: json!({ "patches": [{ "target": target, "patch": yaml(&strategic) }] }),
                }
            }
            PatchFormat::HelmValues => Patch { comment: comment_on_values(), document: self.values() },
        }
    }

    fn values(&self) -> Value {
        let patch = self.patch;
        let mut values = Map::new();
        for (field, texts) in [("podLabels", &patch.labels), ("podAnnotations", &patch.annotations)] {
            if !texts.is_empty() {
                values.insert(field.to_owned(), json!(texts));
            }
        }
        if let Some(account) = &patch.service_account {
            values.insert("serviceAccount".to_owned(), json!({ "create": false, "name": account }));
        }
        for (field, list) in [("volumes", &patch.volumes), ("volumeMounts", &patch.volume_mounts), ("extraEnv", &patch.env)] {
            if !list.is_empty() {
                values.insert(field.to_owned(), json!(list));
            }
        }
        Value::Object(values)
    }
}

fn comment_on_values() -> Vec<String> {
    let lines = [
        "Values for a chart: the names are those that `helm create` and most charts have.",
        "Look into the chart's values.yaml. Others call them extraVolumes, extraVolumeMounts, env or extraEnvVars.",
    ];
    lines.map(str::to_owned).into()
}
