//! A kind of resource: the one trait that its author implements, and the object-safe face that the engine sees.

use super::{
    desired::Intent,
    fault::Fault,
    input::{Outputs, needs},
    key::Key,
    ledger::Origin,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, to_value};
use std::{collections::BTreeSet, future::Future, marker::PhantomData, sync::Arc};

/// What kinds look with and write with; the engine names no cloud.
pub trait Backend: Send + Sync + 'static {
    type Reader: Send + Sync;
    type Writer: Send + Sync;
}

/// A field that differs. `from` null: not there yet; `to` null: goes away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub field: String,
    pub from: Value,
    pub to: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Diff {
    Same,
    /// Fields have to change.
    Update(Vec<Change>),
    /// Something is added to a thing that others share; nothing of theirs changes, so no consent is needed.
    Extend(Vec<Change>),
    /// It is here in a form that needs a decision first.
    Refuse {
        reason: String,
        way_out: String,
    },
}

/// Whose thing it is, as far as the thing itself tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It carries the marks of this app.
    Ours,
    /// It carries the marks of this other app.
    OtherApp(String),
    /// It carries no marks, and would carry some if podid had made it.
    Unmarked,
    /// Things of this kind carry no marks.
    Unmarkable,
}

/// What stands around a node while its kind works on it.
#[derive(Clone, Copy, Debug)]
pub struct NodeContext<'a> {
    pub app: &'a str,
    pub intent: Intent,
    /// What the ledger says; None: nothing.
    pub origin: Option<Origin>,
    /// What the ledger recorded that it published.
    pub recorded: &'a Outputs,
    /// Whether it is ours, once the planner has settled that.
    pub ours: Option<bool>,
    /// Soft-deleted things may be brought back.
    pub recover: bool,
}

impl NodeContext<'_> {
    /// Whether to mark the thing as ours: it is to be made, or was made by us, or says so itself.
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
    /// The key's first word.
    const KIND: &'static str;
    /// Which of the two worlds it lies in: `azure` or `kubernetes` (`--only`).
    const SIDE: Side;
    const DATA: Data = Data::None;
    /// Whether it may be looked for with what the ledger recorded of the resources before it, while these are looked at themselves.
    const LOOKS_EARLY: bool = true;
    type Actual: Serialize + DeserializeOwned + Send + Sync;

    /// Writes that must not run at once share a lane.
    fn lane(&self) -> Option<String> {
        None
    }
    /// What tells this thing from one of the same key in other circumstances: the ids that locate it, where they come from other resources.
    /// When it changes, the old thing is removed after the new one is there.
    fn place(&self) -> Option<String> {
        None
    }
    /// The resource in which it lies and with which it goes.
    fn parent(&self) -> Option<Key> {
        None
    }
    /// Resources that this one reads by name, without a reference in its spec: they stay as long as it does.
    fn uses(&self) -> Vec<Key> {
        Vec::new()
    }
    fn observe(&self, context: NodeContext<'_>, reader: &W::Reader) -> impl Future<Output = Result<Option<Self::Actual>, Fault>> + Send;
    /// Pure.
    fn diff(&self, context: NodeContext<'_>, actual: &Self::Actual) -> Diff;
    fn owner(&self, context: NodeContext<'_>, actual: &Self::Actual) -> Owner;
    /// Whether this is the very thing that was recorded, not another one that was made under its name since.
    fn is_same_object(&self, _recorded: &Outputs, _actual: &Self::Actual) -> bool {
        true
    }
    /// One source for keep and for create.
    fn publish(&self, _actual: &Self::Actual) -> Outputs {
        Outputs::new()
    }
    /// What only the write itself would know afterwards, recorded before it: a run that is killed between the two must not forget
    /// what it added to a thing that others share.
    fn outputs_before_write(&self, _context: NodeContext<'_>, _before: Option<&Self::Actual>) -> Outputs {
        Outputs::new()
    }
    /// What a creation sets, for the plan; null values are left out.
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// What others may know it by, of what it published: a replacement does not have these any more.
    fn identifiers(&self, _published: &Outputs) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// What the plan should say beside the act.
    fn plan_note(&self) -> Option<String> {
        None
    }
    /// What the plan should say beside a change of what was seen.
    fn change_note(&self, _actual: &Self::Actual) -> Option<String> {
        None
    }
    /// What to do about a thing of somebody else that differs, where the usual advice does not fit.
    fn way_out(&self, _actual: &Self::Actual) -> Option<String> {
        None
    }
    /// Why a deletion is not done although it is ours: something in it that is not.
    fn deletion_blocker(&self, _actual: &Self::Actual) -> Option<String> {
        None
    }
    /// Why the run cannot go on when it must be there and is not, and the way out.
    fn not_found(&self) -> (String, String) {
        (format!("the {} is not there", Self::KIND), "Create it first.".into())
    }
    /// What people should know about the thing as it was seen, whether it changes or not.
    fn notes(&self, _actual: &Self::Actual) -> Vec<String> {
        Vec::new()
    }
    /// Asks again what is there, just before the write and past anything remembered. A kind whose `observe` returns `Fault::Unreadable` must
    /// implement this: what could not be seen is never written without it.
    fn recheck(&self, _context: NodeContext<'_>, _writer: &W::Writer) -> impl Future<Output = Result<Recheck<Self::Actual>, Fault>> + Send {
        std::future::ready(Ok(Recheck::NotSupported))
    }
    /// Creates or updates; safe to repeat. Where the kind looks again, `before` is what that found.
    fn put(
        &self,
        context: NodeContext<'_>,
        before: Option<Self::Actual>,
        writer: &W::Writer,
    ) -> impl Future<Output = Result<Self::Actual, Fault>> + Send;
    /// Absent is success.
    fn remove(&self, context: NodeContext<'_>, before: Self::Actual, writer: &W::Writer) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Replaces the marks of the app that made it by those of `context.app`, which owns it from now on. Kinds without marks do nothing.
    fn hand_over(
        &self,
        _context: NodeContext<'_>,
        _before: Self::Actual,
        _writer: &W::Writer,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
    /// What an app wants of it that gets it from another app.
    fn for_new_owner(self) -> Self {
        self
    }
    /// The az and kubectl lines that it stands for.
    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What looking again just before a write found.
#[derive(Clone, Debug, PartialEq)]
pub enum Recheck<A> {
    /// The kind does not look again: what the plan saw is what there is.
    NotSupported,
    Absent,
    Found(A),
}

/// Whether people's data would go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    None,
    /// It holds data: deleting it needs its name in `--delete-data`.
    Holder,
    /// It is the data: kept as long as its holder is kept, where that is ours; elsewhere, deleting it needs its name, too.
    Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Azure,
    Kubernetes,
}

/// What an observation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub actual: Arc<Value>,
    pub outputs: Arc<Outputs>,
}

/// The face that the engine sees: specs and actuals as JSON.
pub trait ErasedKind<W: Backend>: Send + Sync {
    fn kind(&self) -> &'static str;
    fn side(&self) -> Side;
    fn data(&self) -> Data;
    fn looks_early(&self) -> bool;
    /// Fails unless it is a spec of this kind.
    fn check(&self, spec: &Value) -> Result<(), Fault>;
    fn lane(&self, spec: &Value) -> Result<Option<String>, Fault>;
    fn place(&self, spec: &Value) -> Result<Option<String>, Fault>;
    fn parent(&self, spec: &Value) -> Result<Option<Key>, Fault>;
    /// What `Kind::uses` names, and what the spec refers to.
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

/// `static KINDS: &[&dyn ErasedKind<Cloud>] = &[&KindOf::<Identity>::new(), …]`
pub struct KindOf<K>(PhantomData<fn() -> K>);

impl<K> KindOf<K> {
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// Specs are made by `spec::expand` of kinds themselves: one that is none of its kind came from a state file, or from what that says of outputs.
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
