//! Exports the cluster as one sorted document for comparison with another cluster, without what differs from run to run.

use super::resource::Catalog;
use super::store::parts;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Kinds that change without anybody's request.
const EXCLUDED_KINDS: [&str; 2] = ["events", "leases.coordination.k8s.io"];
/// Metadata that the server writes.
const SERVER_METADATA: [&str; 8] = [
    "uid",
    "resourceVersion",
    "managedFields",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];
/// Fields that hold a time or a counter.
const VOLATILE_FIELDS: [&str; 9] = [
    "lastTransitionTime",
    "lastHeartbeatTime",
    "lastUpdateTime",
    "lastProbeTime",
    "startTime",
    "startedAt",
    "finishedAt",
    "observedGeneration",
    "uid",
];

const AUTHORITIES: [&str; 2] = ["kube-root-ca.crt", "extension-apiserver-authentication"];
const PODS: &str = "/var/lib/kubelet/pods/";

/// A kind that is exported, and the path that lists all of its objects.
pub struct ExportedKind {
    /// The name `plural.group`.
    pub qualified: String,
    pub api_version: String,
    pub kind: String,
    pub path: String,
}

/// Returns the kinds of a cluster that has no CRDs but those that a lab needs.
pub fn kinds() -> Vec<ExportedKind> {
    let crds = podid_crds::all();
    let catalog = Catalog::new(crds.iter());
    // The events of both groups are the same objects, and they are excluded.
    let listed = catalog.resources.iter().filter(|r| r.verbs.contains(&"list") && r.version == r.storage && r.plural != "events");
    let kinds = listed.map(|r| {
        let root = if r.group.is_empty() { "/api" } else { "/apis" };
        let path = format!("{root}/{}/{}", r.api_version(), r.plural);
        ExportedKind { qualified: r.qualified(), api_version: r.api_version(), kind: r.kind.clone(), path }
    });
    kinds.filter(|kind| !EXCLUDED_KINDS.contains(&kind.qualified.as_str())).collect()
}

/// Turns objects by `plural.group/namespace/name` into `{kind: {namespace: {name: object}}}`; cluster-scoped kinds have the namespace "".
pub fn export(objects: &BTreeMap<String, Value>) -> Value {
    let mut out: BTreeMap<&str, BTreeMap<&str, BTreeMap<String, Value>>> = BTreeMap::new();
    for (key, object) in objects {
        let (kind, namespace, name) = parts(key);
        if EXCLUDED_KINDS.contains(&kind) {
            continue;
        }
        let names = out.entry(kind).or_default().entry(namespace).or_default();
        let generated = object["metadata"]["generateName"].as_str().filter(|prefix| name.starts_with(prefix));
        let mut clean = object.clone();
        let mut shown = generated.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}*"));
        if let Some((pod, prefix)) = generated_pod(objects, kind, object) {
            replace(&mut clean, pod, &format!("{prefix}*"));
            shown = shown.replace(pod, &format!("{prefix}*"));
        }
        let first = shown.clone();
        let mut n = 2;
        while names.contains_key(&shown) {
            shown = format!("{first}{n}");
            n += 1;
        }
        if shown != name {
            clean["metadata"]["name"] = json!(shown);
        }
        // Each cluster has certificate authorities of its own.
        if kind == "configmaps" && AUTHORITIES.contains(&name) {
            clean["data"].as_object_mut().into_iter().flatten().for_each(|(_, value)| *value = json!("*"));
        }
        // The port of the API server's own service differs.
        if key == "services/default/kubernetes" {
            clean["spec"]["ports"] = json!("*");
        }
        // The order depends on which controller wrote first.
        if let Some(conditions) = clean["status"]["conditions"].as_array_mut() {
            conditions.sort_by_key(|condition| condition["type"].as_str().map(str::to_owned));
        }
        if kind == "secrets" {
            for value in clean["data"].as_object_mut().into_iter().flatten().map(|(_, value)| value) {
                let digest = Sha256::digest(value.as_str().unwrap_or_default());
                *value = json!(format!("sha256:{}", digest.iter().map(|b| format!("{b:02x}")).collect::<String>()));
            }
        }
        names.insert(shown, sorted(&clean));
    }
    json!(out)
}

/// Returns the generated pod that an object is named after, and the prefix of the pod's name.
fn generated_pod<'a>(objects: &'a BTreeMap<String, Value>, kind: &str, object: &'a Value) -> Option<(&'a str, &'a str)> {
    let (namespace, pod) = match kind {
        "azureassignedidentities.aadpodidentity.k8s.io" => ("/spec/podNamespace", "/spec/pod"),
        "secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io" => ("/metadata/namespace", "/status/podName"),
        _ => return None,
    };
    let (namespace, pod) = (object.pointer(namespace)?.as_str()?, object.pointer(pod)?.as_str()?);
    let prefix = objects.get(&format!("pods/{namespace}/{pod}"))?["metadata"]["generateName"].as_str()?;
    pod.starts_with(prefix).then_some((pod, prefix))
}

/// Removes the fields that the server writes from metadata.
fn desired_metadata(metadata: &Value) -> Value {
    match metadata {
        Value::Object(fields) => {
            let desired_metadata = fields.iter().filter(|(name, _)| !SERVER_METADATA.contains(&name.as_str()));
            Value::Object(desired_metadata.map(|(name, value)| (name.clone(), value.clone())).collect())
        }
        other => other.clone(),
    }
}

fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(_, value)| replace(value, from, to)),
        Value::Array(items) => items.iter_mut().for_each(|value| replace(value, from, to)),
        Value::String(text) if text.contains(from) => *text = text.replace(from, to),
        _ => (),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<&String, &Value> = map.iter().filter(|(name, _)| !VOLATILE_FIELDS.contains(&name.as_str())).collect();
            // This includes metadata of an object within an object: MIC copies the identity and the binding into what it assigns.
            let of = |name: &str, value: &Value| if name == "metadata" { sorted(&desired_metadata(value)) } else { sorted(value) };
            Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), of(name, value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        // The token volume of a pod has a generated name.
        Value::String(text) if text.starts_with("kube-api-access-") => json!("kube-api-access-*"),
        // The path contains the pod's uid.
        Value::String(text) if text.starts_with(PODS) => {
            let rest = text.strip_prefix(PODS).and_then(|rest| rest.split_once('/')).map_or("", |(_, rest)| rest);
            json!(format!("{PODS}*/{rest}"))
        }
        other => other.clone(),
    }
}
