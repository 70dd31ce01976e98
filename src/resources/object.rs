//! Any Kubernetes object, given as its manifest: a component is a list of them. Plural and scope come from the API server's discovery. After
//! it is applied, podid waits until it is ready (`readiness`).

mod head;
mod rbac;
mod serves;
mod variables;

use super::{
    access::{Access, DELETE, Named, READ, Reach, Right},
    apply,
    component::Component,
    kind::{Listed, Resource},
    manifest::{self, Place, Rendered},
    manifested::Manifested as _,
    namespace::Namespace,
    ownership,
    readiness::{self, State},
    world::{Cloud, ClusterTarget, Clusters, Reader, Writer},
};
use crate::{
    cluster::{self, Api, ObjectRef, Served},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, Outputs, filled, unresolved},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
pub use head::key;
use head::{defined, defined_plural, defines, guessed_plural, head, is_defined_group, stage, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    pub target: ClusterTarget,
    /// As it is applied, without podid's labels. It may hold references to what other resources publish.
    pub manifest: Value,
    /// Others have fields of their own in it; podid sets only those of the manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Of a definition: programs that podid installs make its objects, so that nobody would miss them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_internal: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<DependsOn>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    #[serde(flatten)]
    object: manifest::Actual,
    /// It became ready after podid applied it, or is ready now.
    ready: bool,
}

/// Published once the object became ready after it was applied: a run that was killed before waits in the next one.
const READY: &str = "ready";
/// How long discovery may lack a kind whose definition is established already.
const DISCOVERY: Duration = Duration::from_secs(30);
const DISCOVERY_PAUSE: Duration = Duration::from_millis(500);

/// The objects of a list, each after those that it may need: namespaces and definitions first, then what workloads refer to, then the
/// workloads, then what is served by them, and objects of the defined kinds last.
pub fn in_order(target: &ClusterTarget, manifests: Vec<Value>, after: &[Key]) -> Result<Vec<(Key, Object)>, Fault> {
    let mut stages: Vec<(usize, Key, Value)> = Vec::new();
    for manifest in manifests {
        stages.push((stage(&head(&manifest)?), key(&target.name, &manifest)?, manifest));
    }
    stages.sort_by_key(|(stage, ..)| *stage);
    let before = |at: usize| {
        let last = stages.iter().map(|(stage, ..)| *stage).filter(|stage| *stage < at).max();
        let keys: Vec<&Key> = stages.iter().filter(|(stage, ..)| Some(*stage) == last).map(|(_, key, _)| key).collect();
        if keys.is_empty() { after.iter().collect() } else { keys }
    };
    let object = |(stage, key, manifest): &(usize, Key, Value)| {
        let mut edges: Vec<&Key> = before(*stage);
        // an object of a kind that this list defines names the definition itself
        let group = head(manifest).map(|head| head.group.to_owned()).unwrap_or_default();
        edges.extend(stages.iter().map(|(_, key, _)| key).filter(|key| defines(key, &group)));
        edges.dedup();
        let shared = false;
        (
            key.clone(),
            Object {
                target: target.clone(),
                manifest: manifest.clone(),
                shared,
                is_internal: false,
                after: edges.into_iter().map(DependsOn::of).collect(),
            },
        )
    };
    Ok(stages.iter().map(object).collect())
}

impl Object {
    /// The definition of its kind, where the graph makes that too, or the component that brings it.
    fn definition(&self, group: &str) -> Option<&Key> {
        let brings = |key: &&Key| key.kind() == Component::KIND && is_defined_group(group);
        self.after.iter().map(DependsOn::key).find(|key| defines(key, group) || brings(key))
    }

    fn place(&self, served: Served) -> Result<Place, Fault> {
        let head = head(&self.manifest)?;
        let Served { api, namespaced } = served;
        match (namespaced, head.namespace) {
            (true, None) => Err(Fault::Bug(format!("the manifest of {} {} has no namespace", head.kind, head.name))),
            (false, Some(_)) => {
                Err(Fault::Bug(format!("the manifest of {} {} has a namespace, and its kind has none", head.kind, head.name)))
            }
            _ => Ok(Place { target: self.target.clone(), at: manifest::at(&api, head.namespace, head.name), shared: self.shared }),
        }
    }

    /// A missing kind is `Unresolved` where the graph makes its definition, which then does not exist yet.
    fn or_undefined<T>(&self, found: Result<T, Fault>) -> Result<T, Fault> {
        let group = head(&self.manifest)?.group;
        match (found, self.definition(group)) {
            (Err(Fault::Cloud(error)), Some(definition)) if is_kind_missing(&*error) => {
                Err(Fault::Unresolved(format!("{definition}#kind")))
            }
            (found, _) => found,
        }
    }

    async fn read_at(&self, reader: &Reader) -> Result<Place, Fault> {
        let head = head(&self.manifest)?;
        let served = reader.cluster(&self.target).await?.served(head.group, head.version, head.kind).await;
        self.place(served.map_err(Fault::cloud)?)
    }

    /// The object as the cluster has it now.
    pub async fn live(&self, clusters: &Clusters) -> Result<Option<Value>, Fault> {
        let head = head(&self.manifest)?;
        let reader = clusters.reader(&self.target).await?;
        let served = reader.served(head.group, head.version, head.kind).await.map_err(Fault::cloud)?;
        reader.get(&self.place(served)?.at).await.map_err(Fault::cloud)
    }

    async fn written_at(&self, writer: &Writer) -> Result<Place, Fault> {
        let head = head(&self.manifest)?;
        let served = writer.cluster(&self.target).await?.served(head.group, head.version, head.kind).await;
        self.place(served.map_err(Fault::cloud)?)
    }

    async fn apply_once(
        &self,
        context: NodeContext<'_>,
        before: Option<&manifest::Actual>,
        writer: &Writer,
    ) -> Result<(Place, manifest::Actual), Fault> {
        let wanted = self.wanted(context.app, context.ours == Some(true))?;
        let place = self.written_at(writer).await?;
        let object = apply::put(&place, context, before, writer, wanted).await?;
        Ok((place, object))
    }

    /// Applies it, again and again while the server lacks a kind that was defined a moment ago.
    async fn apply(
        &self,
        context: NodeContext<'_>,
        before: Option<&manifest::Actual>,
        writer: &Writer,
    ) -> Result<(Place, manifest::Actual), Fault> {
        let head = head(&self.manifest)?;
        let begun = Instant::now();
        loop {
            let applied = self.apply_once(context, before, writer).await;
            let missing = matches!(&applied, Err(Fault::Cloud(error)) if is_kind_missing(&**error));
            if !missing || self.definition(head.group).is_none() || begun.elapsed() >= DISCOVERY.min(writer.limit) {
                return applied;
            }
            if writer.clusters.is_dry_run() {
                return self.or_undefined(applied);
            }
            (writer.on_wait)(format!("waiting for the API server to serve the kind {} ({})", head.kind, head.group));
            tokio::time::sleep(DISCOVERY_PAUSE).await;
        }
    }

    /// The manifest to apply. `mine`: with the labels that say whose it is.
    fn wanted(&self, app: &str, mine: bool) -> Result<Value, Fault> {
        if let Some(reference) = unresolved(&self.manifest) {
            return Err(Fault::Unresolved(reference.to_owned()));
        }
        Ok(marked(&self.manifest, app, mine))
    }

    /// What in it somebody else would miss: the content of a namespace, and the objects of a kind that its definition takes along.
    async fn foreign(&self, app: &str, reader: &Reader) -> Result<Vec<String>, Fault> {
        let head = head(&self.manifest)?;
        if head.is(("", "Namespace")) {
            return Namespace { target: self.target.clone(), name: head.name.to_owned() }.foreign(app, reader).await;
        }
        let Some(api) = defined(&self.manifest).filter(|_| !self.is_internal) else { return Ok(Vec::new()) };
        let cluster = reader.cluster(&self.target).await?;
        let listed = match cluster.list(&api, None, None).await {
            Err(cluster::Error::KindMissing { .. } | cluster::Error::NotFound { .. }) => Vec::new(),
            // what may not be seen may be there
            Err(cluster::Error::Forbidden { verb, resource, .. }) => {
                return Ok(vec![format!("{resource}, perhaps: this login may not {verb} {resource}")]);
            }
            other => other.map_err(Fault::cloud)?,
        };
        let foreign = listed.iter().filter(|object| ownership::owner(app, &manifest::labels(object)) != Owner::Ours);
        Ok(foreign.map(|object| format!("{}/{}", api.kind.to_lowercase(), text(object, "/metadata/name").unwrap_or_default())).collect())
    }
}

fn marked(manifest: &Value, app: &str, mine: bool) -> Value {
    let mut wanted = manifest.clone();
    if mine && let Some(Value::Object(metadata)) = wanted.get_mut("metadata") {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        for (name, value) in ownership::marks(app) {
            labels[name] = json!(value);
        }
    }
    wanted
}

impl Kind<Cloud> for Object {
    const KIND: &'static str = "object";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        let head = head(&self.manifest).ok()?;
        Some(format!("{}/{}/{}/{}", self.target.name.to_ascii_lowercase(), head.word(), head.namespace.unwrap_or_default(), head.name))
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let found = async {
            let place = self.read_at(reader).await?;
            let make = |mine| self.wanted(context.app, mine);
            let found = manifest::observe(&place, context, reader, make, |live| serves::serves(&self.manifest, live)).await?;
            Ok(found.map(|object| (place, object)))
        };
        let found = match found.await {
            // what goes away is gone where its kind is
            Err(Fault::Cloud(error)) if context.intent == Intent::Absent && is_kind_missing(&*error) => return Ok(None),
            found => self.or_undefined(found)?,
        };
        let Some((place, mut object)) = found else { return Ok(None) };
        if context.intent == Intent::Absent && context.mine(manifest::owner(context, &object)) {
            object.foreign = self.foreign(context.app, reader).await?;
        }
        let mut ready = context.recorded.get(READY).and_then(Value::as_bool).unwrap_or_default();
        if !ready && context.intent == Intent::Present {
            // it was read a moment ago, and is remembered
            let live = reader.cluster(&self.target).await?.get(&place.at).await.map_err(Fault::cloud)?;
            ready = live.is_some_and(|live| readiness::state(&live) == State::Ready);
        }
        Ok(Some(Actual { object, ready }))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        match manifest::diff(context, &actual.object, self.shared) {
            // it was applied by a run that ended before it was ready
            Diff::Same if !actual.ready && context.mine(manifest::owner(context, &actual.object)) => {
                Diff::Update(vec![Change { field: "status".into(), from: json!("not ready"), to: json!("ready") }])
            }
            other => other,
        }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        manifest::owner(context, &actual.object)
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        manifest::same(recorded, &actual.object)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let mut outputs = manifest::publish(&actual.object);
        if actual.ready {
            outputs.insert(READY.into(), json!(true));
        }
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("apiVersion", self.manifest["apiVersion"].clone())]
    }
    fn plan_note(&self) -> Option<String> {
        variables::note(&self.manifest)
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        manifest::change_note(&actual.object)
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        manifest::deletion_blocker(&actual.object)
    }
    fn not_found(&self) -> (String, String) {
        let (kind, name) = head(&self.manifest).map_or(("object", ""), |head| (head.kind, head.name));
        (
            format!("the {kind} {name} does not exist in the cluster {}", self.target.name),
            "Create it first, with `kubectl apply`.".to_owned(),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let before = before.as_ref().map(|before| &before.object);
        let (place, object) = self.apply(context, before, writer).await?;
        if readiness::is_awaited(&self.manifest) && !writer.clusters.is_dry_run() {
            readiness::wait(&writer.cluster(&self.target).await?, &place.at, writer).await?;
        }
        Ok(Actual { object, ready: true })
    }
    async fn remove(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let head = head(&self.manifest)?;
        let cluster = writer.cluster(&self.target).await?;
        match cluster.served(head.group, head.version, head.kind).await {
            // its objects are deleted with a definition
            Err(cluster::Error::KindMissing { .. }) => Ok(()),
            found => apply::remove(&self.place(found.map_err(Fault::cloud)?)?, context, &before.object, writer).await,
        }
    }
    async fn hand_over(&self, context: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        apply::hand_over(&self.written_at(writer).await?, writer, &self.wanted(context.app, true)?).await
    }
    fn commands(&self) -> Vec<String> {
        let Ok(head) = head(&self.manifest) else { return Vec::new() };
        let namespace = head.namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
        vec![format!("kubectl apply --server-side -f {}.yaml{namespace} # {}", head.name, head.kind)]
    }
}

fn is_kind_missing(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(cluster::Error::KindMissing { .. }))
}

impl Resource for Object {
    fn access(access: Access) -> Vec<Right> {
        if access == Access::List { vec![rbac::right_to_list()] } else { Vec::new() }
    }
    /// Only bindings of cluster roles: by these `state rebuild` knows the service accounts that the cluster's token proxy serves.
    async fn list_in(cluster: &cluster::Read) -> Result<Vec<Listed>, cluster::Error> {
        rbac::marked_bindings(cluster).await
    }
    fn own_access(&self, access: Access) -> Vec<Right> {
        let Ok(head) = head(&self.manifest) else { return Vec::new() };
        let reach = || head.namespace.map_or(Reach::Everywhere, |namespace| Reach::Namespace(namespace.to_owned()));
        let right = |group: &str, resource: &str, verbs, reach| Right {
            group: group.to_owned().into(),
            resource: resource.to_owned().into(),
            ..Right::new("", "", verbs, reach)
        };
        let own = |verbs| right(head.group, &guessed_plural(head.kind), verbs, reach());
        let named = |verbs| own(verbs).named(Named::These(vec![head.name.to_owned()]));
        // fields of a shared object are compared without asking the server
        let read: &[&str] = if self.shared { &["get"] } else { READ };
        let mut rights = match access {
            Access::Read => vec![named(read)],
            // a creation cannot be narrowed down to a name
            Access::Write => vec![named(READ), own(&["create"])],
            Access::Delete => vec![named(DELETE)],
            Access::List | Access::Content => return Vec::new(),
        };
        if (access, head.group) == (Access::Write, rbac::GROUP) {
            rights.extend(rbac::right_to_give(&self.manifest, &head));
        }
        if access == Access::Write && stage(&head) == 4 {
            let pods = right("", "pods", &["list"], reach());
            rights.push(pods.optional("the reason why a workload does not become ready is less exact"));
            let events = right("", "events", &["list"], reach());
            rights.push(events.optional("the reason why a workload does not become ready is less exact"));
        }
        if let (Access::Delete, Some(defined)) = (access, defined(&self.manifest)) {
            let list = right(&defined.group, &defined.plural, &["list"], Reach::Everywhere);
            rights.push(list.optional("a definition that podid made stays when the app goes"));
        }
        rights
    }
    async fn rendered(&self, app: &str, mine: bool, reader: &Reader) -> Result<Option<Rendered>, Fault> {
        let place = match self.or_undefined(self.read_at(reader).await) {
            // the name of the definition tells the plural
            Err(Fault::Unresolved(_)) => {
                let head = head(&self.manifest)?;
                let plural = self.definition(head.group).and_then(|key| defined_plural(key, head.group)).unwrap_or_default();
                let api = Api::new(head.group, head.version, head.kind, plural);
                let at: ObjectRef = manifest::at(&api, head.namespace, head.name);
                Place { target: self.target.clone(), at, shared: self.shared }
            }
            other => other?,
        };
        let unknown = unresolved(&self.manifest).and_then(|reference| reference.split('#').next()).map(str::to_owned);
        Ok(Some(Rendered { place, manifest: marked(&filled(&self.manifest), app, mine), unknown }))
    }
}
