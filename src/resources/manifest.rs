//! What the Kubernetes kinds share: a manifest is previewed by the server itself (a dry run of the very apply), so that what would
//! change is what would change, defaults, pruning and other managers' fields included. It knows no kind.

use super::{
    ownership,
    world::{Cloud, Lies, Reader, Writer},
};
use crate::{
    cluster::{Api, At, Preview},
    engine::{
        desired::Intent,
        fault::Fault,
        input::Outputs,
        resource::{Around, Change, Diff, Kind, Owner, Side},
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is there, as far as podid compares it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    /// What an apply would change.
    pub changes: Vec<Change>,
    /// Fields that others own with other values: (path, manager).
    pub conflicts: Vec<(String, String)>,
    pub terminating: bool,
    /// Some of what it is made of was not known when it was looked at: whether it differs is seen when it is written.
    #[serde(default)]
    pub unsure: bool,
    /// Things in it that podid did not make (namespaces).
    #[serde(default)]
    pub foreign: Vec<String>,
}

pub fn at(api: &Api, namespace: Option<&str>, name: &str) -> At {
    At { api: api.clone(), namespace: namespace.map(str::to_owned), name: name.to_owned() }
}

/// A manifest's frame. `mine`: with the labels that say whose it is.
pub fn manifest(at: &At, app: &str, mine: bool, annotations: &[(&str, &str)], spec: Option<Value>) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".into(), json!(at.name));
    if let Some(namespace) = &at.namespace {
        metadata.insert("namespace".into(), json!(namespace));
    }
    if mine {
        metadata.insert("labels".into(), json!(ownership::marks(app)));
    }
    if !annotations.is_empty() {
        let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
        metadata.insert("annotations".into(), json!(annotations));
    }
    let mut manifest = Map::new();
    manifest.insert("apiVersion".into(), json!(at.api.api_version()));
    manifest.insert("kind".into(), json!(at.api.kind));
    manifest.insert("metadata".into(), Value::Object(metadata));
    if let Some(spec) = spec {
        manifest.insert("spec".into(), spec);
    }
    Value::Object(manifest)
}

/// A namespaced object that is nothing but its manifest: it lies in a cluster, and is previewed, applied and removed like any other.
pub trait Manifested: Serialize + DeserializeOwned + Send + Sync + 'static {
    const KIND: &'static str;

    fn lies(&self) -> &Lies;
    fn at(&self) -> At;
    /// Unresolved where a value is not known yet.
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault>;
    fn summary(&self) -> Vec<(&'static str, Value)>;
}

impl<M: Manifested> Kind<Cloud> for M {
    const KIND: &'static str = M::KIND;
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.lies().cluster.clone())
    }
    async fn observe(&self, around: Around<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        observe(self.lies(), &self.at(), around, reader, |mine| self.manifest(around.app, mine)).await
    }
    fn diff(&self, around: Around<'_>, actual: &Actual) -> Diff {
        diff(around, actual)
    }
    fn owner(&self, around: Around<'_>, actual: &Actual) -> Owner {
        owner(around, actual)
    }
    fn same(&self, recorded: &Outputs, actual: &Actual) -> bool {
        same(recorded, actual)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        publish(actual)
    }
    fn summary(&self) -> Vec<(&'static str, Value)> {
        Manifested::summary(self)
    }
    async fn put(&self, around: Around<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let wanted = self.manifest(around.app, around.ours == Some(true))?;
        put(self.lies(), &self.at(), around, before.as_ref(), writer, wanted).await
    }
    async fn remove(&self, _: Around<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        remove(self.lies(), &self.at(), &before, writer).await
    }
    fn commands(&self) -> Vec<String> {
        let at = self.at();
        vec![format!("kubectl apply -n {} -f {}.yaml # {}", at.namespace.as_deref().unwrap_or_default(), at.name, at.api.kind)]
    }
}

/// `make(mine)` builds the manifest.
pub async fn observe(
    lies: &Lies,
    at: &At,
    around: Around<'_>,
    reader: &Reader,
    make: impl Fn(bool) -> Result<Value, Fault>,
) -> Result<Option<Actual>, Fault> {
    let cluster = reader.cluster(lies).await?;
    let found = match cluster.get(at).await {
        // what goes away is gone where its kind is
        Err(crate::cluster::Error::KindMissing { .. }) if around.intent == Intent::Absent => return Ok(None),
        other => other.map_err(Fault::cloud)?,
    };
    let Some(live) = found else { return Ok(None) };
    let labels = labels(&live);
    let mut actual = Actual {
        uid: text(&live, "/metadata/uid"),
        terminating: live.pointer("/metadata/deletionTimestamp").is_some(),
        changes: Vec::new(),
        conflicts: Vec::new(),
        unsure: false,
        foreign: Vec::new(),
        labels,
    };
    if around.intent != Intent::Present || actual.terminating {
        return Ok(Some(actual));
    }
    let mine = around.mine(ownership::owner(around.app, &actual.labels));
    // some of what it is made of is not known yet: the fields that are to come differ in any case
    let wanted = match make(mine) {
        Err(Fault::Unresolved(reference)) => {
            let to = json!({ "$from": reference });
            actual.unsure = true;
            actual.changes.push(Change { field: "spec".into(), from: Value::Null, to: crate::engine::input::shown(&to) });
            return Ok(Some(actual));
        }
        other => other?,
    };
    let force = reader.force_conflicts || (reader.adopt && !mine);
    match cluster.preview(at, &wanted, force).await.map_err(Fault::cloud)? {
        Preview::Would(would) => actual.changes = changes(&live, &would),
        Preview::Conflicts(conflicts) => actual.conflicts = conflicts,
    }
    Ok(Some(actual))
}

pub fn diff(around: Around<'_>, actual: &Actual) -> Diff {
    if actual.terminating {
        return Diff::Update(vec![Change { field: "phase".into(), from: json!("Terminating"), to: json!("made anew") }]);
    }
    if !actual.conflicts.is_empty() {
        let mine = around.mine(ownership::owner(around.app, &actual.labels));
        if !mine {
            let changes =
                actual.conflicts.iter().map(|(field, _)| Change { field: field.clone(), from: json!("(another value)"), to: Value::Null });
            return Diff::Update(changes.collect());
        }
        let fields: Vec<String> = actual.conflicts.iter().map(|(field, manager)| format!("{field} is owned by {manager}")).collect();
        return Diff::Refuse {
            reason: format!("others changed what podid set: {}", fields.join(", ")),
            way_out: "Set podid's values again with `--force-conflicts`, or bring the spec to what is there.".into(),
        };
    }
    if actual.changes.is_empty() { Diff::Same } else { Diff::Update(actual.changes.clone()) }
}

pub fn owner(around: Around<'_>, actual: &Actual) -> Owner {
    ownership::owner(around.app, &actual.labels)
}

pub fn same(recorded: &Outputs, actual: &Actual) -> bool {
    recorded.get("uid").and_then(Value::as_str).is_none_or(|uid| uid == actual.uid)
}

pub fn publish(actual: &Actual) -> Outputs {
    [("uid".into(), json!(actual.uid))].into()
}

pub async fn put(
    lies: &Lies,
    at: &At,
    around: Around<'_>,
    before: Option<&Actual>,
    writer: &Writer,
    wanted: Value,
) -> Result<Actual, Fault> {
    let cluster = writer.cluster(lies).await?;
    if before.is_some_and(|b| b.terminating) {
        cluster.delete(at, None, None).await.map_err(Fault::cloud)?;
    }
    let force = writer.force_conflicts || (writer.adopt && around.ours != Some(true));
    let live = match before.filter(|b| b.unsure) {
        Some(_) => unless_equal(lies, at, &wanted, force, writer).await?,
        None => cluster.apply(at, &wanted, force).await.map_err(Fault::cloud)?,
    };
    Ok(Actual {
        uid: text(&live, "/metadata/uid"),
        labels: labels(&live),
        changes: Vec::new(),
        conflicts: Vec::new(),
        terminating: false,
        unsure: false,
        foreign: Vec::new(),
    })
}

/// Now that all is known, the server says whether there is anything to change at all.
async fn unless_equal(lies: &Lies, at: &At, wanted: &Value, force: bool, writer: &Writer) -> Result<Value, Fault> {
    let read = writer.clusters.reader(lies).await?;
    if let (Some(live), Preview::Would(would)) =
        (read.get(at).await.map_err(Fault::cloud)?, read.preview(at, wanted, force).await.map_err(Fault::cloud)?)
        && changes(&live, &would).is_empty()
    {
        return Ok(live);
    }
    writer.cluster(lies).await?.apply(at, wanted, force).await.map_err(Fault::cloud)
}

pub async fn remove(lies: &Lies, at: &At, before: &Actual, writer: &Writer) -> Result<(), Fault> {
    let cluster = writer.cluster(lies).await?;
    cluster.delete(at, Some(&before.uid), None).await.map_err(Fault::cloud)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub fn labels(live: &Value) -> BTreeMap<String, String> {
    let labels = live.pointer("/metadata/labels").and_then(Value::as_object);
    labels.map(|m| m.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()).unwrap_or_default()
}

/// Field by field, but for what the server keeps for itself.
pub fn changes(live: &Value, would: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", live, would, &mut found);
    found
}

const SERVERS_OWN: &[&str] =
    &["metadata.managedFields", "metadata.resourceVersion", "metadata.generation", "metadata.uid", "metadata.creationTimestamp", "status"];

fn compare(path: &str, live: &Value, would: &Value, found: &mut Vec<Change>) {
    if SERVERS_OWN.contains(&path) || live == would {
        return;
    }
    if let (Value::Object(a), Value::Object(b)) = (live, would) {
        let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(&inner, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
        }
        return;
    }
    found.push(Change { field: path.to_owned(), from: live.clone(), to: would.clone() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_the_servers_own_differs() {
        let live = json!({"metadata": {"name": "a", "resourceVersion": "1", "labels": {"x": "1"}}, "spec": {"type": 0, "clientID": "old"}});
        let would = json!({"metadata": {"name": "a", "resourceVersion": "2"}, "spec": {"type": 0, "clientID": "new"}});
        let fields: Vec<String> = changes(&live, &would).into_iter().map(|c| c.field).collect();
        assert_eq!(fields, ["metadata.labels", "spec.clientID"]);
    }
}
