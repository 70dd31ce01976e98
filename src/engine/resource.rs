//! A kind of resource: the trait that its author implements, and the object-safe trait that the engine uses.

pub use super::{
    diff::{Change, Diff, Owner, Recheck},
    terms::{Data, Side},
};
use super::{
    fault::Fault,
    input::{Outputs, needs},
    key::Key,
    terms::{Intent, Origin},
};
use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, to_value};
use std::{collections::BTreeSet, future::Future, marker::PhantomData, sync::Arc};

/// The clients that kinds read and write with. The engine knows no cloud.
pub trait Backend: Send + Sync + 'static {
    type Reader: Send + Sync;
    type Writer: Send + Sync;
}

/// What a kind receives about the node that it works on.
#[derive(Clone, Copy, Debug)]
pub struct NodeContext<'a> {
    pub app: &'a str,
    pub intent: Intent,
    /// Its origin in the ledger; None if it has no entry.
    pub origin: Option<Origin>,
    /// The outputs that the ledger recorded.
    pub recorded: &'a Outputs,
    /// Whether it is ours. None until the planner has decided that.
    pub ours: Option<bool>,
    /// Soft-deleted resources may be recovered.
    pub recover: bool,
}

impl NodeContext<'_> {
    /// Returns whether to mark the object as ours: we create it, or created it, or it carries our marks.
    pub fn mine(&self, owner: Owner) -> bool {
        match (self.ours, self.origin) {
            (Some(ours), _) => ours,
            (None, Some(Origin::Created)) => true,
            (None, Some(Origin::Adopted | Origin::Extended)) => false,
            (None, Some(Origin::Existing) | None) => owner == Owner::Ours,
        }
    }
}

pub trait Kind<W: Backend>: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The first word of its keys.
    const KIND: &'static str;
    /// The side on which it exists: `azure` or `kubernetes` (`--only`).
    const SIDE: Side;
    const DATA: Data = Data::None;
    /// Whether it may be observed with the recorded outputs of the resources that it needs, while these are observed themselves.
    const LOOKS_EARLY: bool = true;
    /// Whether its deletion deletes what needs it, so that it is kept as long as one of these is kept.
    const CONTAINS_DEPENDENTS: bool = false;
    type Actual: Serialize + DeserializeOwned + Send + Sync;

    /// Returns the lane of its writes: writes of one lane do not run at the same time.
    fn lane(&self) -> Option<String> {
        None
    }
    /// Returns the ids that locate it, if they come from other resources: two objects with one key can be at two places. When the place
    /// changes, the old object is deleted after the new one exists.
    fn place(&self) -> Option<String> {
        None
    }
    /// Returns the resource that contains it, and with which it is deleted.
    fn parent(&self) -> Option<Key> {
        None
    }
    /// Returns resources that it reads by name, without a reference in its spec. They are kept as long as it is.
    fn uses(&self) -> Vec<Key> {
        Vec::new()
    }
    fn observe(&self, context: NodeContext<'_>, reader: &W::Reader) -> impl Future<Output = Result<Option<Self::Actual>, Fault>> + Send;
    /// Compares the spec with what exists. Pure.
    fn diff(&self, context: NodeContext<'_>, actual: &Self::Actual) -> Diff;
    fn owner(&self, context: NodeContext<'_>, actual: &Self::Actual) -> Owner;
    /// Returns whether this is the recorded object, and not another one that was created under its name since.
    fn is_same_object(&self, _recorded: &Outputs, _actual: &Self::Actual) -> bool {
        true
    }
    /// Returns the outputs of an object, whether it was kept or created.
    fn publish(&self, _actual: &Self::Actual) -> Outputs {
        Outputs::new()
    }
    /// Returns outputs that are recorded before the write: a run that is killed during it must not forget what it added to a
    /// shared object.
    fn outputs_before_write(&self, _context: NodeContext<'_>, _before: Option<&Self::Actual>) -> Outputs {
        Outputs::new()
    }
    /// Returns what a creation sets, for the plan. Null values are left out.
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// Returns the outputs that identify it for others, and that change with a replacement.
    fn identifiers(&self, _published: &Outputs) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// Returns a note that the plan shows beside the action.
    fn plan_note(&self) -> Option<String> {
        None
    }
    /// Returns a note that the plan shows beside a change of an existing object.
    fn change_note(&self, _actual: &Self::Actual) -> Option<String> {
        None
    }
    /// Returns a hint for a foreign object that differs, if the usual hint does not fit.
    fn way_out(&self, _actual: &Self::Actual) -> Option<String> {
        None
    }
    /// Returns why an object of ours is not deleted: it contains something that is not ours.
    fn deletion_blocker(&self, _actual: &Self::Actual) -> Option<String> {
        None
    }
    /// Returns the reason and the hint for an object that must exist and does not.
    fn not_found(&self) -> (String, String) {
        (format!("the {} is not there", Self::KIND), "Create it first.".into())
    }
    /// Returns notes about the object as it was seen, whether it changes or not.
    fn notes(&self, _actual: &Self::Actual) -> Vec<String> {
        Vec::new()
    }
    /// Reads the object again just before the write, past all caches. A kind whose `observe` returns `Fault::Unreadable` must implement
    /// this: an object that could not be read is never written without it.
    fn recheck(&self, _context: NodeContext<'_>, _writer: &W::Writer) -> impl Future<Output = Result<Recheck<Self::Actual>, Fault>> + Send {
        std::future::ready(Ok(Recheck::NotSupported))
    }
    /// Creates or updates it. This is safe to repeat. If the kind reads again, `before` is the result.
    fn put(
        &self,
        context: NodeContext<'_>,
        before: Option<Self::Actual>,
        writer: &W::Writer,
    ) -> impl Future<Output = Result<Self::Actual, Fault>> + Send;
    /// Deletes it. An absent object is a success.
    fn remove(&self, context: NodeContext<'_>, before: Self::Actual, writer: &W::Writer) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Replaces the marks of the app that created it by those of `context.app`, its new owner. Kinds without marks do nothing.
    fn hand_over(
        &self,
        _context: NodeContext<'_>,
        _before: Self::Actual,
        _writer: &W::Writer,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
    /// Returns the spec for an app that takes it over from another app.
    fn for_new_owner(self) -> Self {
        self
    }
    /// Returns the az and kubectl commands with the same effect.
    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The result of an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub actual: Arc<Value>,
    pub outputs: Arc<Outputs>,
}

/// A kind as the engine sees it: specs and observations are JSON.
pub trait ErasedKind<W: Backend>: Send + Sync {
    fn kind(&self) -> &'static str;
    fn side(&self) -> Side;
    fn data(&self) -> Data;
    fn looks_early(&self) -> bool;
    fn contains_dependents(&self) -> bool;
    /// Fails if it is not a spec of this kind.
    fn check(&self, spec: &Value) -> Result<(), Fault>;
    fn lane(&self, spec: &Value) -> Result<Option<String>, Fault>;
    fn place(&self, spec: &Value) -> Result<Option<String>, Fault>;
    fn parent(&self, spec: &Value) -> Result<Option<Key>, Fault>;
    /// Returns the keys that `Kind::uses` returns, and those that the spec refers to.
    fn needs(&self, spec: &Value) -> Result<BTreeSet<Key>, Fault>;
    fn observe<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        reader: &'a W::Reader,
    ) -> BoxFuture<'a, Result<Option<Observation>, Fault>>;
    fn diff(&self, spec: &Value, context: NodeContext<'_>, actual: &Value) -> Result<Diff, Fault>;
    fn owner(&self, spec: &Value, context: NodeContext<'_>, actual: &Value) -> Result<Owner, Fault>;
    fn is_same_object(&self, spec: &Value, recorded: &Outputs, actual: &Value) -> Result<bool, Fault>;
    fn outputs_before_write(&self, spec: &Value, context: NodeContext<'_>, before: Option<&Value>) -> Result<Outputs, Fault>;
    fn creation_summary(&self, spec: &Value) -> Result<Vec<(&'static str, Value)>, Fault>;
    fn identifiers(&self, spec: &Value, published: &Outputs) -> Result<Vec<(&'static str, Value)>, Fault>;
    fn plan_note(&self, spec: &Value) -> Result<Option<String>, Fault>;
    fn change_note(&self, spec: &Value, actual: &Value) -> Result<Option<String>, Fault>;
    fn way_out(&self, spec: &Value, actual: &Value) -> Result<Option<String>, Fault>;
    fn deletion_blocker(&self, spec: &Value, actual: &Value) -> Result<Option<String>, Fault>;
    fn not_found(&self, spec: &Value) -> Result<(String, String), Fault>;
    fn notes(&self, spec: &Value, actual: &Value) -> Result<Vec<String>, Fault>;
    fn recheck<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<Recheck<Observation>, Fault>>;
    fn put<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        before: Option<Value>,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<Observation, Fault>>;
    fn remove<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        before: Value,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<(), Fault>>;
    fn hand_over<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        before: Value,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<(), Fault>>;
    fn for_new_owner(&self, spec: &Value) -> Result<Value, Fault>;
    fn commands(&self, spec: &Value) -> Result<Vec<String>, Fault>;
}

/// Erases the type of a kind: `static KINDS: &[&dyn ErasedKind<Cloud>] = &[&KindOf::<Identity>::new(), …]`
pub struct KindOf<K>(PhantomData<fn() -> K>);

impl<K> KindOf<K> {
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Parses a spec. `spec::expand` makes specs from kinds, so an invalid one came from a state file, or from the outputs in it.
fn typed<K: DeserializeOwned>(spec: &Value) -> Result<K, Fault> {
    K::deserialize(spec).map_err(|error| Fault::State(error.to_string()))
}

impl<W: Backend, K: Kind<W>> ErasedKind<W> for KindOf<K> {
    fn kind(&self) -> &'static str {
        K::KIND
    }
    fn side(&self) -> Side {
        K::SIDE
    }
    fn data(&self) -> Data {
        K::DATA
    }
    fn looks_early(&self) -> bool {
        K::LOOKS_EARLY
    }
    fn contains_dependents(&self) -> bool {
        K::CONTAINS_DEPENDENTS
    }
    fn check(&self, spec: &Value) -> Result<(), Fault> {
        typed::<K>(spec).map(drop)
    }
    fn lane(&self, spec: &Value) -> Result<Option<String>, Fault> {
        Ok(typed::<K>(spec)?.lane())
    }
    fn place(&self, spec: &Value) -> Result<Option<String>, Fault> {
        Ok(typed::<K>(spec)?.place())
    }
    fn parent(&self, spec: &Value) -> Result<Option<Key>, Fault> {
        Ok(typed::<K>(spec)?.parent())
    }
    fn needs(&self, spec: &Value) -> Result<BTreeSet<Key>, Fault> {
        let mut needs = needs(spec);
        needs.extend(typed::<K>(spec)?.uses());
        Ok(needs)
    }
    fn observe<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        reader: &'a W::Reader,
    ) -> BoxFuture<'a, Result<Option<Observation>, Fault>> {
        Box::pin(async move {
            let kind: K = typed(&spec)?;
            let Some(actual) = kind.observe(context, reader).await? else { return Ok(None) };
            Ok(Some(Observation { outputs: Arc::new(kind.publish(&actual)), actual: Arc::new(to_value(&actual)?) }))
        })
    }
    fn diff(&self, spec: &Value, context: NodeContext<'_>, actual: &Value) -> Result<Diff, Fault> {
        Ok(typed::<K>(spec)?.diff(context, &typed(actual)?))
    }
    fn owner(&self, spec: &Value, context: NodeContext<'_>, actual: &Value) -> Result<Owner, Fault> {
        Ok(typed::<K>(spec)?.owner(context, &typed(actual)?))
    }
    fn is_same_object(&self, spec: &Value, recorded: &Outputs, actual: &Value) -> Result<bool, Fault> {
        Ok(typed::<K>(spec)?.is_same_object(recorded, &typed(actual)?))
    }
    fn outputs_before_write(&self, spec: &Value, context: NodeContext<'_>, before: Option<&Value>) -> Result<Outputs, Fault> {
        let before = before.map(typed).transpose()?;
        Ok(typed::<K>(spec)?.outputs_before_write(context, before.as_ref()))
    }
    fn creation_summary(&self, spec: &Value) -> Result<Vec<(&'static str, Value)>, Fault> {
        Ok(typed::<K>(spec)?.creation_summary())
    }
    fn identifiers(&self, spec: &Value, published: &Outputs) -> Result<Vec<(&'static str, Value)>, Fault> {
        Ok(typed::<K>(spec)?.identifiers(published))
    }
    fn plan_note(&self, spec: &Value) -> Result<Option<String>, Fault> {
        Ok(typed::<K>(spec)?.plan_note())
    }
    fn change_note(&self, spec: &Value, actual: &Value) -> Result<Option<String>, Fault> {
        Ok(typed::<K>(spec)?.change_note(&typed(actual)?))
    }
    fn way_out(&self, spec: &Value, actual: &Value) -> Result<Option<String>, Fault> {
        Ok(typed::<K>(spec)?.way_out(&typed(actual)?))
    }
    fn deletion_blocker(&self, spec: &Value, actual: &Value) -> Result<Option<String>, Fault> {
        Ok(typed::<K>(spec)?.deletion_blocker(&typed(actual)?))
    }
    fn not_found(&self, spec: &Value) -> Result<(String, String), Fault> {
        Ok(typed::<K>(spec)?.not_found())
    }
    fn notes(&self, spec: &Value, actual: &Value) -> Result<Vec<String>, Fault> {
        Ok(typed::<K>(spec)?.notes(&typed(actual)?))
    }
    fn recheck<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<Recheck<Observation>, Fault>> {
        Box::pin(async move {
            let kind: K = typed(&spec)?;
            Ok(match kind.recheck(context, writer).await? {
                Recheck::NotSupported => Recheck::NotSupported,
                Recheck::Absent => Recheck::Absent,
                Recheck::Found(actual) => {
                    Recheck::Found(Observation { outputs: Arc::new(kind.publish(&actual)), actual: Arc::new(to_value(&actual)?) })
                }
            })
        })
    }
    fn put<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        before: Option<Value>,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<Observation, Fault>> {
        Box::pin(async move {
            let kind: K = typed(&spec)?;
            let before = before.map(from_value).transpose()?;
            let actual = kind.put(context, before, writer).await?;
            Ok(Observation { outputs: Arc::new(kind.publish(&actual)), actual: Arc::new(to_value(&actual)?) })
        })
    }
    fn remove<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        before: Value,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { typed::<K>(&spec)?.remove(context, from_value(before)?, writer).await })
    }
    fn hand_over<'a>(
        &'a self,
        spec: Value,
        context: NodeContext<'a>,
        before: Value,
        writer: &'a W::Writer,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { typed::<K>(&spec)?.hand_over(context, from_value(before)?, writer).await })
    }
    fn for_new_owner(&self, spec: &Value) -> Result<Value, Fault> {
        Ok(to_value(typed::<K>(spec)?.for_new_owner())?)
    }
    fn commands(&self, spec: &Value) -> Result<Vec<String>, Fault> {
        Ok(typed::<K>(spec)?.commands())
    }
}

/// The table of kinds.
pub struct Kinds<W: Backend>(pub &'static [&'static dyn ErasedKind<W>]);

impl<W: Backend> Clone for Kinds<W> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<W: Backend> Copy for Kinds<W> {}

impl<W: Backend> Kinds<W> {
    pub fn of(&self, kind: &str) -> Result<&'static dyn ErasedKind<W>, Fault> {
        self.0.iter().copied().find(|k| k.kind() == kind).ok_or_else(|| Fault::Bug(format!("there is no kind {kind:?}")))
    }
}
