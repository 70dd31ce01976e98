//! What the Kubernetes kinds share when they look: the server itself previews a manifest (a dry run of the very apply), so that a plan shows
//! what will really change, with defaults, pruning and other managers' fields. It knows no kind. `apply` writes.

use super::{
    compare::{SERVERS_OWN, changes, holds},
    conflict::{self, Conflict},
    local_preview, ownership,
    takeover::{self, Takeover},
    world::{ClusterTarget, Reader},
};
use crate::{
    cluster::{self, Api, FIELD_MANAGER, ObjectRef},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Outputs, shown as shown_input},
        ledger::Origin,
        resource::{Change, Diff, NodeContext, Owner},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is there, and what the server would make of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub uid: String,
    pub labels: BTreeMap<String, String>,
    pub terminating: bool,
    pub preview: Preview,
    /// Whose fields an apply takes over first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Takeover>,
    /// Things in it that podid did not make (namespaces).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
}

pub use super::outlook::{Outlook, Terms};

/// What an apply would make of an object.
#[derive(Debug, Serialize, Deserialize)]
pub enum Preview {
    /// Nobody asked: the object is only read, or is about to go.
    Unasked,
    /// Some of what it is made of was not known when it was looked at: whether it differs is seen when it is written.
    Unknown { reference: String },
    /// The server would leave it as it is.
    Same,
    /// The object before and after, without what the server keeps for itself.
    Changed { live: Value, would: Value },
    /// Fields that others own with other values.
    Conflicts(Vec<Conflict>),
}

impl Actual {
    pub(super) fn of(live: &Value) -> Self {
        Self {
            uid: text(live, "/metadata/uid"),
            labels: labels(live),
            terminating: live.pointer("/metadata/deletionTimestamp").is_some(),
            preview: Preview::Unasked,
            taken: None,
            foreign: Vec::new(),
        }
    }
}

/// Whether others own fields of an object with other values. `actual`: as the engine keeps it.
pub fn has_conflicts(actual: &Value) -> bool {
    Actual::deserialize(actual).is_ok_and(|actual| matches!(actual.preview, Preview::Conflicts(_)))
}

/// Whether it could not be seen yet how an object differs.
pub fn is_unknown(actual: &Value) -> bool {
    Actual::deserialize(actual).is_ok_and(|actual| matches!(actual.preview, Preview::Unknown { .. }))
}

/// Where an object is.
#[derive(Clone, Debug)]
pub struct Place {
    pub target: ClusterTarget,
    pub at: ObjectRef,
    /// Others have fields of their own in it, which podid leaves alone.
    pub shared: bool,
}

impl Place {
    /// The place that distinguishes it from objects of the same kind elsewhere.
    pub fn text(&self) -> String {
        let ObjectRef { namespace, name, .. } = &self.at;
        format!("{}/{}/{name}", self.target.name.to_ascii_lowercase(), namespace.as_deref().unwrap_or_default())
    }
    /// The field managers whose fields may be taken over.
    pub(super) fn managers(&self) -> &'static [&'static str] {
        if self.shared { takeover::OF_SHARED } else { takeover::OF_WHOLE }
    }
}

/// The manifest of a Kubernetes object: what is shown and compared where nothing is to be done.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub place: Place,
    pub manifest: Value,
    /// The resource whose value the manifest has only words for, `(after identity/claims)`.
    pub unknown: Option<String>,
}

pub fn at(api: &Api, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef { api: api.clone(), namespace: namespace.map(str::to_owned), name: name.to_owned() }
}

pub fn namespace_at(name: &str) -> ObjectRef {
    at(&namespace_api(), None, name)
}

pub fn namespace_api() -> Api {
    Api::new("", "v1", "Namespace", "namespaces")
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

/// `make(mine)` builds the manifest. `serves` says whether an object of somebody else does what is wanted, however it is written: it is
/// adopted as it is, because adopting is not a change.
pub async fn observe(
    place: &Place,
    context: NodeContext<'_>,
    reader: &Reader,
    make: impl Fn(bool) -> Result<Value, Fault>,
    serves: impl Fn(&Value) -> bool,
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
    let wanted = match make(mine) {
        Err(Fault::Unresolved(reference)) => {
            actual.preview = Preview::Unknown { reference };
            return Ok(Some(actual));
        }
        other => other?,
    };
    if !mine && !reader.adopt && serves(&live) {
        actual.preview = Preview::Same;
        return Ok(Some(actual));
    }
    let terms = Terms { adopt: reader.adopt, force_conflicts: reader.force_conflicts, mine, local: reader.only_reads };
    match outlook(&cluster, place, &live, &wanted, terms).await? {
        Outlook::Conflicts(conflicts) => actual.preview = Preview::Conflicts(conflicts),
        Outlook::Would { object, taken } => {
            let (live, would) = (shown(&live), shown(&object));
            actual.preview = if live == would { Preview::Same } else { Preview::Changed { live, would } };
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
    if context.intent != Intent::Present || place.shared || reader.only_reads {
        return;
    }
    let terms = Terms { adopt: reader.adopt, force_conflicts: reader.force_conflicts, mine, local: reader.only_reads };
    if let Ok(wanted) = make(mine) {
        cluster.preview_ahead(&place.at, &wanted, terms.force()).await;
    }
}

/// A namespace that is being deleted takes everything in it along, sooner or later: what is still there is as good as gone. It was looked at
/// before what lies in it, so this asks nothing more of the server.
async fn goes_with_its_namespace(cluster: &cluster::Read, at: &ObjectRef) -> Result<bool, Fault> {
    let Some(namespace) = &at.namespace else { return Ok(false) };
    match cluster.get(&namespace_at(namespace)).await {
        // who may not look finds out when it is written
        Err(cluster::Error::Forbidden { .. }) => Ok(false),
        other => Ok(other.map_err(Fault::cloud)?.is_some_and(|live| Actual::of(&live).terminating)),
    }
}

pub async fn outlook(cluster: &cluster::Read, place: &Place, live: &Value, wanted: &Value, terms: Terms) -> Result<Outlook, Fault> {
    if terms.local {
        return Ok(local_preview::outlook(live, wanted, terms));
    }
    // of what others share podid wants a few fields and nothing else: where they are there, the server need not be asked, and need not
    // allow to be asked
    if place.shared && holds(live, wanted) && takeover::of(live, place.managers()).is_none() {
        return Ok(Outlook::Would { object: live.clone(), taken: None });
    }
    let object = match cluster.preview(&place.at, wanted, terms.force()).await.map_err(Fault::cloud)? {
        cluster::Preview::Object(object) => object,
        cluster::Preview::Conflicts(fields) => return Ok(Outlook::Conflicts(Conflict::all(fields, live, wanted))),
    };
    Ok(match takeover::of(live, place.managers()).filter(|_| terms.takes_over()) {
        // the server's dry run knows nothing of the write before it
        Some(taken) => Outlook::Would { object: takeover::left(live, place.managers(), wanted, object), taken: Some(taken) },
        None => Outlook::Would { object, taken: None },
    })
}

/// Pure: what was seen holds the server's own preview. `shared`: as in `Place`.
pub fn diff(context: NodeContext<'_>, actual: &Actual, shared: bool) -> Diff {
    if actual.terminating {
        return Diff::Update(vec![Change { field: "phase".into(), from: json!("Terminating"), to: json!("created again") }]);
    }
    let mine = context.mine(ownership::owner(context.app, &actual.labels));
    let mut found = match &actual.preview {
        Preview::Unasked | Preview::Same => Vec::new(),
        // the fields that are to come differ in any case
        Preview::Unknown { reference } => {
            let to = shown_input(&json!({ "$from": reference }));
            let field = if shared { "metadata" } else { "spec" };
            let changes = vec![Change { field: field.into(), from: Value::Null, to }];
            // to what others share, fields are only added; where one is there with another value, the write is a conflict
            return if shared && !mine { Diff::Extend(changes) } else { Diff::Update(changes) };
        }
        Preview::Changed { live, would } => changes(live, would),
        Preview::Conflicts(conflicts) if mine => {
            return Diff::Refuse { reason: conflict::reason(conflicts), way_out: conflict::way_out(true) };
        }
        Preview::Conflicts(conflicts) => return Diff::Update(conflicts.iter().map(Conflict::change).collect()),
    };
    // of what others share, fields are added without asking
    if shared && !mine && actual.taken.is_none() && !found.is_empty() && found.iter().all(|change| change.from.is_null()) {
        return Diff::Extend(found);
    }
    found.extend(actual.taken.as_ref().map(|taken| Change {
        field: "metadata.managedFields".into(),
        from: json!(taken.from),
        to: json!(FIELD_MANAGER),
    }));
    if found.is_empty() { Diff::Same } else { Diff::Update(found) }
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

/// What the plan says beside a change.
pub fn change_note(actual: &Actual) -> Option<String> {
    actual.taken.as_ref().map(|taken| format!("takes over the fields of {}", taken.from.join(" and ")))
}

/// Why an object stays although it is podid's: what is in it.
pub fn deletion_blocker(actual: &Actual) -> Option<String> {
    let first = actual.foreign.first()?;
    let more = actual.foreign.len() - 1;
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("it holds what podid did not make: {first}{more}"))
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub fn labels(live: &Value) -> BTreeMap<String, String> {
    let labels = live.pointer("/metadata/labels").and_then(Value::as_object);
    labels.map(|m| m.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()).unwrap_or_default()
}

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
