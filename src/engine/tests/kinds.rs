//! The toy kinds: `host` (whole, tagged, other kinds refer to it), `right` (untagged, identified by its host), `share` (an entry that
//! others extend, too), `store` and `leaf` (data and its holder), `gate` (only read).

use super::toy::{Land, Thing, Toy};
use crate::engine::{
    fault::Fault,
    input::{DependsOn, Field, Input, Outputs},
    key::Key,
    resource::{Change, Data, Diff, ErasedKind, Kind, KindOf, Kinds, NodeContext, Owner, Recheck, Side},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, from_value, json};
use std::collections::BTreeMap;

pub const KINDS: Kinds<Toy> = Kinds(TABLE);

static TABLE: &[&dyn ErasedKind<Toy>] = &[
    &KindOf::<Host>::new(),
    &KindOf::<Right>::new(),
    &KindOf::<Share>::new(),
    &KindOf::<Store>::new(),
    &KindOf::<Leaf>::new(),
    &KindOf::<Gate>::new(),
];

pub const ID: Field<String> = Field::new("id");

fn tagged(context: NodeContext<'_>, thing: &Thing) -> Owner {
    match thing.tag.as_deref() {
        None => Owner::Unmarked,
        Some(app) if app == context.app => Owner::Ours,
        Some(app) => Owner::OtherApp(app.to_owned()),
    }
}

fn tag<'a>(context: NodeContext<'a>) -> Option<&'a str> {
    (context.ours == Some(true)).then_some(context.app)
}

fn same_id(recorded: &Outputs, thing: &Thing) -> bool {
    recorded.get("id").and_then(Value::as_str).is_none_or(|id| id == thing.id)
}

fn id_of(thing: &Thing) -> Outputs {
    [("id".into(), json!(thing.id))].into()
}

fn change(field: &str, from: Option<&Value>, to: Value) -> Option<Change> {
    let from = from.cloned().unwrap_or_default();
    (from != to).then(|| Change { field: field.into(), from, to })
}

fn update(changes: impl IntoIterator<Item = Option<Change>>) -> Diff {
    let changes: Vec<Change> = changes.into_iter().flatten().collect();
    if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    pub name: String,
    pub colour: String,
    pub on: Vec<Input<String>>,
    pub after: Vec<DependsOn>,
    pub lane: Option<String>,
    /// Leaves that it reads by name.
    pub reads: Vec<String>,
}

impl Host {
    pub fn new(name: &str, colour: &str) -> Self {
        Self { name: name.into(), colour: colour.into(), ..Self::default() }
    }
    pub fn key(name: &str) -> Key {
        Key::of("host", [name])
    }
    pub fn on(self, name: &str) -> Self {
        let on = self.on.into_iter().chain([ID.of(&Self::key(name))]).collect();
        Self { on, ..self }
    }
    fn path(&self) -> String {
        format!("host/{}", self.name)
    }
}

impl Kind<Toy> for Host {
    const KIND: &'static str = "host";
    const SIDE: Side = Side::Azure;
    type Actual = Thing;
    fn lane(&self) -> Option<String> {
        self.lane.clone()
    }
    fn uses(&self) -> Vec<Key> {
        self.reads.iter().map(|name| Leaf::key(name)).collect()
    }
    async fn observe(&self, _: NodeContext<'_>, land: &Land) -> Result<Option<Thing>, Fault> {
        Ok(land.get(&self.path()))
    }
    fn diff(&self, _: NodeContext<'_>, thing: &Thing) -> Diff {
        update([
            change("colour", thing.body.get("colour"), json!(self.colour)),
            change("on", Some(thing.body.get("on").unwrap_or(&json!([]))), json!(self.on)),
        ])
    }
    fn owner(&self, context: NodeContext<'_>, thing: &Thing) -> Owner {
        tagged(context, thing)
    }
    fn is_same_object(&self, recorded: &Outputs, thing: &Thing) -> bool {
        same_id(recorded, thing)
    }
    fn publish(&self, thing: &Thing) -> Outputs {
        id_of(thing)
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("colour", json!(self.colour)), ("on", json!(self.on)), ("lane", json!(self.lane))]
    }
    fn deletion_blocker(&self, thing: &Thing) -> Option<String> {
        thing.body.get("guest").map(|guest| format!("it holds {guest}"))
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Thing>, land: &Land) -> Result<Thing, Fault> {
        // another user created it since it was observed
        if let (None, Some(quicker)) = (before, land.get(&self.path())) {
            return Ok(quicker);
        }
        for on in &self.on {
            on.get()?;
        }
        let body = [("colour".to_owned(), json!(self.colour)), ("on".to_owned(), json!(self.on))].into();
        land.put(&self.path(), body, tag(context), self.lane.clone()).await
    }
    async fn remove(&self, _: NodeContext<'_>, _: Thing, land: &Land) -> Result<(), Fault> {
        land.remove(&self.path(), self.lane.clone()).await
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Thing, land: &Land) -> Result<(), Fault> {
        land.put(&self.path(), before.body, Some(context.app), None).await.map(drop)
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("toy host {} --colour {}", self.name, self.colour)]
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Right {
    pub what: String,
    pub on: Input<String>,
    pub level: u8,
}

impl Right {
    pub fn on(host: &str, what: &str) -> Self {
        Self { what: what.into(), on: ID.of(&Host::key(host)), level: 1 }
    }
    pub fn key(what: &str) -> Key {
        Key::of("right", [what])
    }
    fn path(&self) -> Result<String, Fault> {
        Ok(format!("right/{}/{}", self.on.get()?, self.what))
    }
}

impl Kind<Toy> for Right {
    const KIND: &'static str = "right";
    const SIDE: Side = Side::Azure;
    type Actual = Thing;
    fn place(&self) -> Option<String> {
        self.path().ok()
    }
    async fn observe(&self, _: NodeContext<'_>, land: &Land) -> Result<Option<Thing>, Fault> {
        Ok(land.get(&self.path()?))
    }
    fn diff(&self, _: NodeContext<'_>, thing: &Thing) -> Diff {
        update([change("level", thing.body.get("level"), json!(self.level))])
    }
    fn owner(&self, _: NodeContext<'_>, _: &Thing) -> Owner {
        Owner::Unmarkable
    }
    fn is_same_object(&self, recorded: &Outputs, thing: &Thing) -> bool {
        same_id(recorded, thing)
    }
    fn publish(&self, thing: &Thing) -> Outputs {
        id_of(thing)
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Thing>, land: &Land) -> Result<Thing, Fault> {
        land.put(&self.path()?, [("level".to_owned(), json!(self.level))].into(), None, None).await
    }
    async fn remove(&self, _: NodeContext<'_>, _: Thing, land: &Land) -> Result<(), Fault> {
        land.remove(&self.path()?, None).await
    }
}

/// The words of one user on a host; other users add words to the same entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Share {
    pub who: String,
    pub on: Input<String>,
    pub words: Vec<String>,
}

const ADDED: &str = "added";

impl Share {
    pub fn on(host: &str, who: &str, words: &[&str]) -> Self {
        Self { who: who.into(), on: ID.of(&Host::key(host)), words: words.iter().map(|w| (*w).to_owned()).collect() }
    }
    pub fn key(who: &str) -> Key {
        Key::of("share", [who])
    }
    fn path(&self) -> Result<String, Fault> {
        Ok(format!("share/{}/{}", self.on.get()?, self.who))
    }
    fn added(&self, context: NodeContext<'_>, before: Option<&Thing>) -> Vec<String> {
        let there = before.map(words).unwrap_or_default();
        let mut added: Vec<String> = context.recorded.get(ADDED).map(|a| from_value(a.clone()).unwrap()).unwrap_or_default();
        added.extend(self.words.iter().filter(|w| !there.contains(w)).cloned());
        added.sort();
        added.dedup();
        added
    }
}

pub fn words(thing: &Thing) -> Vec<String> {
    from_value(thing.body["words"].clone()).unwrap()
}

#[derive(Serialize, Deserialize)]
pub struct Entry {
    thing: Thing,
    added: Option<Vec<String>>,
}

impl Kind<Toy> for Share {
    const KIND: &'static str = "share";
    const SIDE: Side = Side::Azure;
    type Actual = Entry;
    fn lane(&self) -> Option<String> {
        Some(format!("shares of {}", self.on.known()?))
    }
    fn place(&self) -> Option<String> {
        self.path().ok()
    }
    async fn observe(&self, _: NodeContext<'_>, land: &Land) -> Result<Option<Entry>, Fault> {
        Ok(land.get(&self.path()?).map(|thing| Entry { thing, added: None }))
    }
    fn diff(&self, _: NodeContext<'_>, entry: &Entry) -> Diff {
        let there = words(&entry.thing);
        if self.words.iter().all(|w| there.contains(w)) {
            return Diff::Same;
        }
        Diff::Extend(vec![Change { field: "words".into(), from: json!(there), to: json!(self.words) }])
    }
    fn owner(&self, _: NodeContext<'_>, _: &Entry) -> Owner {
        Owner::Unmarkable
    }
    fn publish(&self, entry: &Entry) -> Outputs {
        let mut outputs = id_of(&entry.thing);
        outputs.extend(entry.added.as_ref().map(|added| (ADDED.to_owned(), json!(added))));
        outputs
    }
    fn outputs_before_write(&self, context: NodeContext<'_>, before: Option<&Entry>) -> Outputs {
        [(ADDED.into(), json!(self.added(context, before.map(|e| &e.thing))))].into()
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Entry>, land: &Land) -> Result<Entry, Fault> {
        let before = before.map(|e| e.thing);
        let added = self.added(context, before.as_ref());
        let mut all = land.get(&self.path()?).as_ref().map(words).unwrap_or_default();
        all.extend(self.words.iter().cloned());
        all.sort();
        all.dedup();
        let thing = land.put(&self.path()?, [("words".to_owned(), json!(all))].into(), None, self.lane()).await?;
        Ok(Entry { thing, added: Some(added) })
    }
    async fn remove(&self, context: NodeContext<'_>, before: Entry, land: &Land) -> Result<(), Fault> {
        let added: Vec<String> = match context.recorded.get(ADDED) {
            Some(added) => from_value(added.clone())?,
            None => self.words.clone(),
        };
        let left: Vec<String> = words(&before.thing).into_iter().filter(|w| !added.contains(w)).collect();
        if left.is_empty() {
            return land.remove(&self.path()?, self.lane()).await;
        }
        land.put(&self.path()?, [("words".to_owned(), json!(left))].into(), None, self.lane()).await.map(drop)
    }
}

/// The output of a store that tells whether it has podid's mark itself.
pub const OPEN: &str = "open";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    pub name: String,
}

impl Store {
    pub fn key(name: &str) -> Key {
        Key::of("store", [name])
    }
    fn path(&self) -> String {
        format!("store/{}", self.name)
    }
}

impl Kind<Toy> for Store {
    const KIND: &'static str = "store";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Holder;
    type Actual = Thing;
    async fn observe(&self, _: NodeContext<'_>, land: &Land) -> Result<Option<Thing>, Fault> {
        Ok(land.get(&self.path()))
    }
    fn diff(&self, _: NodeContext<'_>, _: &Thing) -> Diff {
        Diff::Same
    }
    fn owner(&self, context: NodeContext<'_>, thing: &Thing) -> Owner {
        tagged(context, thing)
    }
    fn publish(&self, thing: &Thing) -> Outputs {
        let mut outputs = id_of(thing);
        outputs.extend(thing.body.get(OPEN).map(|open| (OPEN.to_owned(), open.clone())));
        outputs
    }
    async fn put(&self, context: NodeContext<'_>, _: Option<Thing>, land: &Land) -> Result<Thing, Fault> {
        land.put(&self.path(), BTreeMap::new(), tag(context), None).await
    }
    async fn remove(&self, _: NodeContext<'_>, _: Thing, land: &Land) -> Result<(), Fault> {
        land.remove(&self.path(), None).await
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leaf {
    pub name: String,
    pub value: String,
    pub store: Input<String>,
    pub store_key: Key,
    pub after: Option<DependsOn>,
}

impl Leaf {
    pub fn of(store: &str, name: &str, value: &str) -> Self {
        let store_key = Store::key(store);
        Self { name: name.into(), value: value.into(), store: ID.of(&store_key), store_key, after: None }
    }
    pub fn key(name: &str) -> Key {
        Key::of("leaf", [name])
    }
    fn path(&self) -> Result<String, Fault> {
        Ok(format!("leaf/{}/{}", self.store.get()?, self.name))
    }
}

impl Kind<Toy> for Leaf {
    const KIND: &'static str = "leaf";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Content;
    type Actual = Thing;
    fn parent(&self) -> Option<Key> {
        Some(self.store_key.clone())
    }
    async fn observe(&self, _: NodeContext<'_>, land: &Land) -> Result<Option<Thing>, Fault> {
        let path = self.path()?;
        land.lets_in(self.store.get()?).map_err(|fault| Fault::Unreadable(Box::new(fault)))?;
        Ok(land.get(&path))
    }
    fn diff(&self, _: NodeContext<'_>, thing: &Thing) -> Diff {
        update([change("value", thing.body.get("value"), json!(self.value))])
    }
    fn owner(&self, context: NodeContext<'_>, thing: &Thing) -> Owner {
        tagged(context, thing)
    }
    fn publish(&self, thing: &Thing) -> Outputs {
        id_of(thing)
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("value", json!(self.value))]
    }
    async fn recheck(&self, _: NodeContext<'_>, land: &Land) -> Result<Recheck<Thing>, Fault> {
        land.lets_in(self.store.get()?)?;
        Ok(land.get(&self.path()?).map_or(Recheck::Absent, Recheck::Found))
    }
    async fn put(&self, context: NodeContext<'_>, _: Option<Thing>, land: &Land) -> Result<Thing, Fault> {
        land.lets_in(self.store.get()?)?;
        land.put(&self.path()?, [("value".to_owned(), json!(self.value))].into(), tag(context), None).await
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Thing, land: &Land) -> Result<(), Fault> {
        land.put(&self.path()?, before.body, Some(context.app), None).await.map(drop)
    }
    fn for_new_owner(self) -> Self {
        Self { value: String::new(), ..self }
    }
    async fn remove(&self, _: NodeContext<'_>, _: Thing, land: &Land) -> Result<(), Fault> {
        land.lets_in(self.store.get()?)?;
        land.remove(&self.path()?, None).await
    }
}

/// It exists or not; podid never creates one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gate {
    pub name: String,
}

impl Gate {
    pub fn key(name: &str) -> Key {
        Key::of("gate", [name])
    }
}

impl Kind<Toy> for Gate {
    const KIND: &'static str = "gate";
    const SIDE: Side = Side::Kubernetes;
    type Actual = Thing;
    async fn observe(&self, _: NodeContext<'_>, land: &Land) -> Result<Option<Thing>, Fault> {
        Ok(land.get(&format!("gate/{}", self.name)))
    }
    fn diff(&self, _: NodeContext<'_>, _: &Thing) -> Diff {
        Diff::Same
    }
    fn owner(&self, _: NodeContext<'_>, _: &Thing) -> Owner {
        Owner::Unmarked
    }
    fn publish(&self, thing: &Thing) -> Outputs {
        id_of(thing)
    }
    fn not_found(&self) -> (String, String) {
        (format!("the gate {} is not there", self.name), "Build it first.".into())
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<Thing>, _: &Land) -> Result<Thing, Fault> {
        Err(Fault::Bug("a gate is never made".into()))
    }
    async fn remove(&self, _: NodeContext<'_>, _: Thing, _: &Land) -> Result<(), Fault> {
        Err(Fault::Bug("a gate is never taken away".into()))
    }
}
