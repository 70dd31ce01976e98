//! What a manifest says of its place: group, version, kind, namespace and name, the key of its object, and when it is to be applied.

use crate::{
    cluster::Api,
    engine::{fault::Fault, key::Key},
};
use serde_json::Value;

const DEFINITION: (&str, &str) = ("apiextensions.k8s.io", "CustomResourceDefinition");

/// What a manifest says of its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

impl Head<'_> {
    /// `deployment.apps`, `configmap`: stays the same when a new version of the kind comes.
    pub(super) fn word(&self) -> String {
        let kind = self.kind.to_lowercase();
        if self.group.is_empty() { kind } else { format!("{kind}.{}", self.group) }
    }

    pub(super) fn is(&self, (group, kind): (&str, &str)) -> bool {
        (self.group, self.kind) == (group, kind)
    }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(super) fn head(manifest: &Value) -> Result<Head<'_>, Fault> {
    let lacks = |field: &str| Fault::Bug(format!("a manifest has no {field}"));
    let api_version = text(manifest, "/apiVersion").ok_or_else(|| lacks("apiVersion"))?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let head = Head {
        group,
        version,
        kind: text(manifest, "/kind").ok_or_else(|| lacks("kind"))?,
        namespace: text(manifest, "/metadata/namespace"),
        name: text(manifest, "/metadata/name").ok_or_else(|| lacks("metadata.name"))?,
    };
    // a manifest is kept in the state file
    if head.is(("", "Secret")) && (manifest.get("data").is_some() || manifest.get("stringData").is_some()) {
        return Err(Fault::Bug(format!("the manifest of the Secret {} holds values, which must not get into the state", head.name)));
    }
    Ok(head)
}

/// `object/aks/deployment.apps/kube-system/mic`; without a namespace for cluster-scoped kinds.
pub fn key(cluster: &str, manifest: &Value) -> Result<Key, Fault> {
    let head = head(manifest)?;
    let word = head.word();
    let names = [Some(cluster), Some(word.as_str()), head.namespace, Some(head.name)];
    Ok(Key::of("object", names.into_iter().flatten()))
}

/// Whether a group of kinds is not the API server's own. Kubernetes' own groups have no dot, or are below `k8s.io` and served by it.
pub(super) fn is_defined_group(group: &str) -> bool {
    let own = ["rbac.authorization.k8s.io", "storage.k8s.io", "networking.k8s.io", "apiextensions.k8s.io", "coordination.k8s.io"];
    group.contains('.') && !own.contains(&group)
}

pub(super) fn stage(head: &Head<'_>) -> usize {
    match (head.group, head.kind) {
        ("", "Namespace") => 0,
        DEFINITION => 1,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => 3,
        ("apps", _) | ("batch", _) | ("", "Pod") => 4,
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => 5,
        ("" | "rbac.authorization.k8s.io" | "storage.k8s.io" | "scheduling.k8s.io" | "policy" | "networking.k8s.io", _) => 2,
        _ => 6,
    }
}

/// Whether a key is that of a definition of kinds in this group: its name is `PLURAL.GROUP`.
pub(super) fn defines(key: &Key, group: &str) -> bool {
    defined_plural(key, group).is_some()
}

pub(super) fn defined_plural<'a>(key: &'a Key, group: &str) -> Option<&'a str> {
    let name = key.names().split_once("/customresourcedefinition.apiextensions.k8s.io/").map(|(_, name)| name)?;
    name.split_once('.').filter(|(_, of)| *of == group).map(|(plural, _)| plural)
}

/// The kind that a definition defines, in the version that its objects are kept in.
pub(super) fn defined(manifest: &Value) -> Option<Api> {
    if !head(manifest).ok()?.is(DEFINITION) {
        return None;
    }
    let versions = manifest.pointer("/spec/versions")?.as_array()?;
    let version = text(versions.iter().find(|version| version["storage"] == true)?, "/name")?;
    Some(Api::new(text(manifest, "/spec/group")?, version, text(manifest, "/spec/names/kind")?, text(manifest, "/spec/names/plural")?))
}

/// The plural that a kind most likely has, where no server can be asked: as Kubernetes' own code generators build it.
pub(super) fn guessed_plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    let ends = |end: &str| kind.ends_with(end);
    match kind.strip_suffix('y') {
        _ if kind == "endpoints" => kind,
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ends("s") || ends("x") || ends("ch") || ends("sh") => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}
