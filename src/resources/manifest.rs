//! What the Kubernetes kinds share: a manifest is previewed by the server itself (a dry run of the very apply), so that what would
//! change is what would change, defaults, pruning and other managers' fields included. It knows no kind.

use super::{
    conflict::{self, Conflict},
    ownership,
    takeover::{self, Takeover},
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    cluster::{self, Api, FIELD_MANAGER, ObjectRef, Preview},
    engine::{
        desired::Intent,
        fault::Fault,
        input::Outputs,
        key::Key,
        ledger::Origin,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
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
    /// Fields that others own with other values.
    pub conflicts: Vec<Conflict>,
    pub terminating: bool,
    /// Some of what it is made of was not known when it was looked at: whether it differs is seen when it is written.
    #[serde(default)]
    pub unsure: bool,
    /// Things in it that podid did not make (namespaces).
    #[serde(default)]
    pub foreign: Vec<String>,
    /// Whose fields an apply takes over first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Takeover>,
}

impl Actual {
    fn of(live: &Value) -> Self {
        Self {
            uid: text(live, "/metadata/uid"),
            labels: labels(live),
            changes: Vec::new(),
            conflicts: Vec::new(),
            terminating: live.pointer("/metadata/deletionTimestamp").is_some(),
            unsure: false,
            foreign: Vec::new(),
            taken: None,
        }
    }
}

/// Where an object lies.
#[derive(Clone, Debug)]
pub struct Place {
    pub target: ClusterTarget,
    pub at: ObjectRef,
    /// Others have fields of their own in it, which are none of podid's business.
    pub shared: bool,
}

impl Place {
    /// Whose fields may be taken over.
    fn from(&self) -> &'static [&'static str] {
        if self.shared { takeover::OF_SHARED } else { takeover::OF_WHOLE }
    }
}

pub fn at(api: &Api, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef { api: api.clone(), namespace: namespace.map(str::to_owned), name: name.to_owned() }
}

/// A manifest's frame. `mine`: with the labels that say whose it is.
pub fn manifest(at: &ObjectRef, app: &str, mine: bool, annotations: &[(&str, &str)], spec: Option<Value>) -> Value {
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

    fn target(&self) -> &ClusterTarget;
    fn at(&self) -> ObjectRef;
    fn site(&self) -> Place {
        Place { target: self.target().clone(), at: self.at(), shared: false }
    }
    /// Unresolved where a value is not known yet.
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault>;
    fn uses(&self) -> Vec<Key> {
        Vec::new()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)>;
}

impl<M: Manifested> Kind<Cloud> for M {
    const KIND: &'static str = M::KIND;
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        let ObjectRef { namespace, name, .. } = self.at();
        Some(format!("{}/{}/{name}", self.target().name.to_ascii_lowercase(), namespace.unwrap_or_default()))
    }
    fn uses(&self) -> Vec<Key> {
        Manifested::uses(self)
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        observe(&self.site(), context, reader, |mine| self.manifest(context.app, mine)).await
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        diff(context, actual)
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        owner(context, actual)
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        same(recorded, actual)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        publish(actual)
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        Manifested::creation_summary(self)
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        change_note(actual)
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let wanted = self.manifest(context.app, context.ours == Some(true))?;
        put(&self.site(), context, before.as_ref(), writer, wanted).await
    }
    async fn remove(&self, _: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        remove(&self.site(), &before, writer).await
    }
    async fn hand_over(&self, context: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        hand_over(&self.site(), writer, &self.manifest(context.app, true)?).await
    }
    fn commands(&self) -> Vec<String> {
        let at = self.at();
        vec![format!("kubectl apply -n {} -f {}.yaml # {}", at.namespace.as_deref().unwrap_or_default(), at.name, at.api.kind)]
    }
}

/// `make(mine)` builds the manifest.
pub async fn observe(
    place: &Place,
    context: NodeContext<'_>,
    reader: &Reader,
    make: impl Fn(bool) -> Result<Value, Fault>,
) -> Result<Option<Actual>, Fault> {
    let cluster = reader.cluster(&place.target).await?;
    let (found, ()) = futures::join!(cluster.get(&place.at), foresee(&cluster, place, context, reader, &make));
    let found = match found {
        // what goes away is gone where its kind is
        Err(cluster::Error::KindMissing { .. }) if context.intent == Intent::Absent => return Ok(None),
        other => other.map_err(Fault::cloud)?,
    };
    let Some(live) = found else { return Ok(None) };
    let mut actual = Actual::of(&live);
    if context.intent != Intent::Present || actual.terminating {
        return Ok(Some(actual));
    }
    if goes_with_its_namespace(&cluster, &place.at).await? {
        return Ok(None);
    }
    let mine = context.mine(ownership::owner(context.app, &actual.labels));
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
    let terms = Terms { adopt: reader.adopt, force_conflicts: reader.force_conflicts, mine };
    match outlook(&cluster, place, &live, &wanted, terms).await? {
        Outlook::Conflicts(conflicts) => actual.conflicts = conflicts,
        Outlook::Would { object, taken } => {
            actual.changes = changes(&live, &object);
            actual.changes.extend(taken.as_ref().map(|t| Change {
                field: "metadata.managedFields".into(),
                from: json!(t.from),
                to: json!(FIELD_MANAGER),
            }));
            actual.taken = taken;
        }
    }
    Ok(Some(actual))
}

/// Asks for the preview while the object is read, where the ledger knows the object and so what is wanted of it. The pass remembers the
/// answer for when it is asked for, and nobody else looks at it.
async fn foresee(
    cluster: &cluster::Read,
    place: &Place,
    context: NodeContext<'_>,
    reader: &Reader,
    make: &impl Fn(bool) -> Result<Value, Fault>,
) {
    let mine = match context.origin {
        Some(Origin::Created) => true,
        Some(Origin::Adopted | Origin::Extended) => false,
        Some(Origin::Existing) | None => return,
    };
    if context.intent != Intent::Present || place.shared {
        return;
    }
    let terms = Terms { adopt: reader.adopt, force_conflicts: reader.force_conflicts, mine };
    if let Ok(wanted) = make(mine) {
        cluster.preview_ahead(&place.at, &wanted, terms.force()).await;
    }
}

/// A namespace that is being deleted takes everything in it along, sooner or later: what is still there is as good as gone. It was looked at
/// before what lies in it, so this asks nothing more of the server.
async fn goes_with_its_namespace(cluster: &cluster::Read, at: &ObjectRef) -> Result<bool, Fault> {
    let Some(namespace) = &at.namespace else { return Ok(false) };
    match cluster.get(&super::namespace::at(namespace)).await {
        // who may not look finds out when it is written
        Err(cluster::Error::Forbidden { .. }) => Ok(false),
        other => Ok(other.map_err(Fault::cloud)?.is_some_and(|live| Actual::of(&live).terminating)),
    }
}

/// What was consented to, and whether the object is podid's already.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub adopt: bool,
    pub force_conflicts: bool,
    pub mine: bool,
}

impl Terms {
    /// Whether fields that others own with other values are set all the same.
    pub fn force(self) -> bool {
        self.force_conflicts || (self.adopt && !self.mine)
    }
    fn takes_over(self) -> bool {
        self.mine || self.adopt
    }
}

/// What an apply would make of an object that is there, with all that comes before it.
pub enum Outlook {
    Would {
        object: Value,
        taken: Option<Takeover>,
    },
    /// Fields that others own with other values.
    Conflicts(Vec<Conflict>),
}

pub async fn outlook(cluster: &cluster::Read, place: &Place, live: &Value, wanted: &Value, terms: Terms) -> Result<Outlook, Fault> {
    // of what others share podid wants labels and nothing else, ever: if they are there, the server need not be asked, nor have given
    // the right to be
    if place.shared && holds(live, wanted) && takeover::of(live, place.from()).is_none() {
        return Ok(Outlook::Would { object: live.clone(), taken: None });
    }
    let object = match cluster.preview(&place.at, wanted, terms.force()).await.map_err(Fault::cloud)? {
        Preview::Object(object) => object,
        Preview::Conflicts(fields) => return Ok(Outlook::Conflicts(Conflict::all(fields, live, wanted))),
    };
    Ok(match takeover::of(live, place.from()).filter(|_| terms.takes_over()) {
        // the server's dry run knows nothing of the write before it
        Some(taken) => Outlook::Would { object: takeover::left(live, place.from(), wanted, object), taken: Some(taken) },
        None => Outlook::Would { object, taken: None },
    })
}

pub fn diff(context: NodeContext<'_>, actual: &Actual) -> Diff {
    if actual.terminating {
        return Diff::Update(vec![Change { field: "phase".into(), from: json!("Terminating"), to: json!("made anew") }]);
    }
    if !actual.conflicts.is_empty() {
        let mine = context.mine(ownership::owner(context.app, &actual.labels));
        if !mine {
            return Diff::Update(actual.conflicts.iter().map(Conflict::change).collect());
        }
        return Diff::Refuse { reason: conflict::reason(&actual.conflicts), way_out: conflict::way_out(true) };
    }
    if actual.changes.is_empty() { Diff::Same } else { Diff::Update(actual.changes.clone()) }
}

pub fn owner(context: NodeContext<'_>, actual: &Actual) -> Owner {
    ownership::owner(context.app, &actual.labels)
}

pub fn same(recorded: &Outputs, actual: &Actual) -> bool {
    recorded.get("uid").and_then(Value::as_str).is_none_or(|uid| uid == actual.uid)
}

pub fn publish(actual: &Actual) -> Outputs {
    [("uid".into(), json!(actual.uid))].into()
}

pub async fn put(
    place: &Place,
    context: NodeContext<'_>,
    before: Option<&Actual>,
    writer: &Writer,
    wanted: Value,
) -> Result<Actual, Fault> {
    let cluster = writer.cluster(&place.target).await?;
    if before.is_some_and(|b| b.terminating) {
        cluster.delete(&place.at, None, None).await.map_err(Fault::cloud)?;
    }
    let terms = Terms { adopt: writer.adopt, force_conflicts: writer.force_conflicts, mine: context.ours == Some(true) };
    let mut taken = before.and_then(|b| b.taken.clone());
    if before.is_some_and(|b| b.unsure) {
        // now that all is known, the server says whether there is anything to change at all
        let read = writer.clusters.reader(&place.target).await?;
        if let Some(live) = read.get(&place.at).await.map_err(Fault::cloud)? {
            match outlook(&read, place, &live, &wanted, terms).await? {
                Outlook::Would { object, taken: None } if changes(&live, &object).is_empty() => return Ok(Actual::of(&live)),
                Outlook::Would { taken: found, .. } => taken = found,
                Outlook::Conflicts(conflicts) => return Err(conflict::fault(&conflicts, terms.mine)),
            }
        }
    }
    if let Some(taken) = taken {
        take(&cluster, place, taken).await?;
    }
    match cluster.apply(&place.at, &wanted, terms.force()).await {
        // somebody was quicker between plan and write
        Err(cluster::Error::Conflicts(fields)) => {
            let live = writer.clusters.reader(&place.target).await?.get(&place.at).await.map_err(Fault::cloud)?.unwrap_or_default();
            Err(conflict::fault(&Conflict::all(fields, &live, &wanted), terms.mine))
        }
        applied => Ok(Actual::of(&applied.map_err(Fault::cloud)?)),
    }
}

/// How often somebody else may come in between.
const TRIES: usize = 5;

async fn take(cluster: &cluster::Write, place: &Place, mut taken: Takeover) -> Result<(), Fault> {
    for _ in 1..TRIES {
        match cluster.patch(&place.at, &taken.steps()).await {
            Err(cluster::Error::Changed { .. }) => {}
            other => return other.map(drop).map_err(Fault::cloud),
        }
        let live = cluster.get(&place.at).await.map_err(Fault::cloud)?;
        match live.and_then(|live| takeover::of(&live, place.from())) {
            Some(again) => taken = again,
            None => return Ok(()),
        }
    }
    cluster.patch(&place.at, &taken.steps()).await.map(drop).map_err(Fault::cloud)
}

pub async fn remove(place: &Place, before: &Actual, writer: &Writer) -> Result<(), Fault> {
    let cluster = writer.cluster(&place.target).await?;
    cluster.delete(&place.at, Some(&before.uid), None).await.map_err(Fault::cloud)
}

/// Gives an object the labels of the app that gets it. Where that is refused the object keeps its labels, and the other app's next run
/// writes them.
pub async fn hand_over(place: &Place, writer: &Writer, wanted: &Value) -> Result<(), Fault> {
    let cluster = writer.cluster(&place.target).await?;
    match cluster.apply(&place.at, wanted, false).await {
        Ok(_) | Err(cluster::Error::Conflicts(_) | cluster::Error::Forbidden { .. }) => Ok(()),
        Err(error) => Err(Fault::cloud(error)),
    }
}

/// What the plan says beside a change.
pub fn change_note(actual: &Actual) -> Option<String> {
    actual.taken.as_ref().map(|taken| format!("takes over the fields of {}", taken.from.join(" and ")))
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

/// Whether all that is wanted is there, whatever else is.
fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(name, w)| live.get(name).is_some_and(|l| holds(l, w))),
        _ => live == wanted,
    }
}

const SERVERS_OWN: &[&str] =
    &["metadata.managedFields", "metadata.resourceVersion", "metadata.generation", "metadata.uid", "metadata.creationTimestamp", "status"];

/// An object as people compare it: without what the server keeps for itself.
pub fn shown(object: &Value) -> Value {
    let mut shown = object.clone();
    for path in SERVERS_OWN {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parent = if parent.is_empty() { Some(&mut shown) } else { shown.get_mut(parent) };
        if let Some(Value::Object(map)) = parent {
            map.shift_remove(name);
        }
    }
    shown
}

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
