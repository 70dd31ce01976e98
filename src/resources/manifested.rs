//! Kubernetes kinds that are their manifest: they are previewed, applied, listed and removed alike.

use super::{
    access::{Access, DELETE, NAMESPACE_STAYS, READ, Reach, Right, WRITE},
    apply,
    kind::{Listed, Resource},
    manifest::{self, Actual, Place, Rendered},
    ownership,
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    cluster::{self, Api},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{DependsOn, Outputs, filled},
        key::Key,
        resource::{Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, to_value};

/// Whose the fields of an object are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// The object is podid's as a whole.
    Whole,
    /// Others have fields of their own in it; podid sets only those of its manifest.
    Shared,
}

/// Which objects `state rebuild` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    None,
    /// Those with podid's labels.
    Marked,
    /// All, because marked objects of other kinds refer to them.
    All,
}

/// An object that is its manifest.
pub trait Manifested: Serialize + DeserializeOwned + Send + Sync + 'static {
    const KIND: &'static str;
    const FIELDS: Fields = Fields::Whole;
    const LISTING: Listing = Listing::Marked;
    /// Whether people would miss such an object of somebody else if podid deleted its namespace.
    const IS_CONTENT: bool = true;

    fn api() -> Api;
    fn target(&self) -> &ClusterTarget;
    /// None for cluster-scoped kinds.
    fn namespace(&self) -> Option<&str>;
    fn name(&self) -> &str;
    /// Fails with `Unresolved` where a value is not known yet. `mine`: with the labels that say whose it is.
    fn manifest(&self, app: &str, mine: bool) -> Result<Value, Fault>;
    /// Returns whether an object of somebody else does what is wanted, although podid would write it in other words. Such an object is
    /// adopted as it is; only `--adopt` rewrites it.
    fn serves(&self, _live: &Value) -> bool {
        false
    }
    /// Whether somebody else makes it, so that one that is missing is not created.
    fn must_exist(&self) -> bool {
        false
    }
    /// The components that it comes after: where one of them is not installed yet, the server does not know its kind.
    fn after(&self) -> &[DependsOn] {
        &[]
    }
    /// Resources that it reads by name, without a reference in its spec.
    fn uses(&self) -> Vec<Key> {
        Vec::new()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    fn not_found(&self) -> (String, String) {
        (format!("the {} {} does not exist", Self::api().kind, self.name()), "Create it first.".to_owned())
    }
    /// What is in it that somebody else would miss; asked before it is deleted.
    fn foreign(&self, _app: &str, _: &Reader) -> impl Future<Output = Result<Vec<String>, Fault>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
    /// Waits after a removal until others have cleaned up what they made for the object.
    fn cleaned_up(&self, _: &Writer) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }
    /// What access to objects of this kind needs of RBAC.
    fn access(access: Access) -> Vec<Right> {
        access_to_objects::<Self>(access)
    }
    /// A missing kind is `Unresolved` where a component brings it, which then does not exist yet.
    fn or_not_installed<T>(&self, found: Result<T, Fault>) -> Result<T, Fault> {
        let component = self.after().iter().map(DependsOn::key).next();
        match (found, component) {
            (Err(Fault::Cloud(error)), Some(component)) if matches!(error.downcast_ref(), Some(cluster::Error::KindMissing { .. })) => {
                Err(Fault::Unresolved(format!("{component}#kind")))
            }
            (found, _) => found,
        }
    }
    /// The kubectl line that it stands for.
    fn command(&self) -> String {
        let at = place_of(self).at;
        format!("kubectl apply -n {} -f {}.yaml # {}", at.namespace.as_deref().unwrap_or_default(), at.name, at.api.kind)
    }
}

fn place_of<M: Manifested>(kind: &M) -> Place {
    let at = manifest::at(&M::api(), kind.namespace(), kind.name());
    Place { target: kind.target().clone(), at, shared: is_shared::<M>() }
}

/// Somebody else was to make it.
fn missed<M: Manifested>(kind: &M) -> Fault {
    let (reason, way_out) = Manifested::not_found(kind);
    Fault::refused(reason, way_out)
}

fn is_shared<M: Manifested>() -> bool {
    M::FIELDS == Fields::Shared
}

/// The rights on the objects themselves, which are in the app's namespaces.
pub fn access_to_objects<M: Manifested>(access: Access) -> Vec<Right> {
    let api = M::api();
    let right =
        |verbs, reach| Right { group: api.group.clone().into(), resource: api.plural.clone().into(), ..Right::new("", "", verbs, reach) };
    let own = match (access, M::FIELDS) {
        // fields of a shared object are compared without asking the server
        (Access::Read, Fields::Shared) => Some(right(&["get"], Reach::Within)),
        (Access::Read, Fields::Whole) => Some(right(READ, Reach::Within)),
        (Access::Write, _) => Some(right(WRITE, Reach::Within)),
        (Access::Delete, _) => Some(right(DELETE, Reach::Within)),
        (Access::List, _) => (M::LISTING != Listing::None).then(|| right(&["list"], Reach::Everywhere)),
        (Access::Content, _) => M::IS_CONTENT.then(|| right(&["list"], Reach::Within).optional(NAMESPACE_STAYS)),
    };
    own.into_iter().collect()
}

impl<M: Manifested> Kind<Cloud> for M {
    const KIND: &'static str = M::KIND;
    const SIDE: Side = Side::Kubernetes;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(place_of(self).text())
    }
    fn uses(&self) -> Vec<Key> {
        Manifested::uses(self)
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let make = |mine| self.manifest(context.app, mine);
        let found = manifest::observe(&place_of(self), context, reader, make, |live| self.serves(live)).await;
        let Some(mut actual) = self.or_not_installed(found)? else {
            let is_missed = context.intent == Intent::Present && Manifested::must_exist(self);
            return if is_missed { Err(missed(self)) } else { Ok(None) };
        };
        if context.intent == Intent::Absent && context.mine(manifest::owner(context, &actual)) {
            actual.foreign = self.foreign(context.app, reader).await?;
        }
        Ok(Some(actual))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        manifest::diff(context, actual, is_shared::<M>())
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        manifest::owner(context, actual)
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        manifest::same(recorded, actual)
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        manifest::publish(actual)
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        Manifested::creation_summary(self)
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        manifest::change_note(actual)
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        manifest::deletion_blocker(actual)
    }
    fn not_found(&self) -> (String, String) {
        Manifested::not_found(self)
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        if before.is_none() && Manifested::must_exist(self) {
            return Err(missed(self));
        }
        let wanted = self.manifest(context.app, context.ours == Some(true))?;
        let applied = apply::put(&place_of(self), context, before.as_ref(), writer, wanted).await;
        if writer.clusters.is_dry_run() { self.or_not_installed(applied) } else { applied }
    }
    async fn remove(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        apply::remove(&place_of(self), context, &before, writer).await?;
        self.cleaned_up(writer).await
    }
    async fn hand_over(&self, context: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        apply::hand_over(&place_of(self), writer, &self.manifest(context.app, true)?).await
    }
    fn commands(&self) -> Vec<String> {
        vec![self.command()]
    }
}

impl<M: Manifested> Resource for M {
    fn content() -> Option<Api> {
        M::IS_CONTENT.then(M::api)
    }
    fn access(access: Access) -> Vec<Right> {
        <M as Manifested>::access(access)
    }
    async fn rendered(&self, app: &str, mine: bool, _: &Reader) -> Result<Option<Rendered>, Fault> {
        let (manifest, unknown) = match self.manifest(app, mine) {
            Err(Fault::Unresolved(reference)) => {
                let filled = M::deserialize(filled(&to_value(self)?))?;
                (filled.manifest(app, mine)?, reference.split('#').next().map(str::to_owned))
            }
            known => (known?, None),
        };
        Ok(Some(Rendered { place: place_of(self), manifest, unknown }))
    }
    async fn list_in(cluster: &cluster::Read) -> Result<Vec<Listed>, cluster::Error> {
        let marked = format!("{}={}", ownership::MANAGED_BY, ownership::PODID);
        let selector = match M::LISTING {
            Listing::None => return Ok(Vec::new()),
            Listing::Marked => Some(marked.as_str()),
            Listing::All => None,
        };
        let found = match cluster.list(&M::api(), None, selector).await {
            Err(cluster::Error::KindMissing { .. }) => Vec::new(),
            other => other?,
        };
        Ok(found.into_iter().map(|actual| Listed { app: ownership::app(&manifest::labels(&actual)), actual }).collect())
    }
}
