//! A world of plain values with the rules of a cloud: things have owners, ids that are never reused, and may be unreadable for some
//! callers. It records its content and the ledger at every moment at which a run could be killed.

use crate::engine::{
    fault::Fault,
    ledger::{Ledger, LedgerChange, LedgerStore},
    resource::Backend,
};
use futures::future::{BoxFuture, ready};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard},
};

pub struct Toy;

impl Backend for Toy {
    type Reader = Land;
    type Writer = Land;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// The path and a count: a thing that is created again has another id.
    pub id: String,
    /// The app in its tag.
    pub tag: Option<String>,
    pub body: BTreeMap<String, Value>,
}

/// How a write misbehaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Broken {
    Refuses,
    Panics,
    /// The user presses Ctrl-C while it runs; the write succeeds.
    Interrupts,
}

#[derive(Default)]
pub struct Ground {
    pub things: BTreeMap<String, Thing>,
    pub made: BTreeMap<String, usize>,
    pub broken: BTreeMap<String, Broken>,
    /// All writes, in the order of their effects: `put path`, `remove path`.
    pub writes: Vec<String>,
    /// Whether leaves can only be read and written with the right `read` on their store.
    pub strict: bool,
    /// The number of further saves that succeed. None: all.
    pub saves_left: Option<usize>,
    pub saves: usize,
    /// Every (ledger, things, counts) that a killed run may leave behind.
    pub moments: Vec<Moment>,
    running: BTreeSet<String>,
    lanes: BTreeMap<String, usize>,
    pub most_at_once: usize,
    pub most_in_a_lane: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    pub ledger: Ledger,
    pub things: BTreeMap<String, Thing>,
    pub made: BTreeMap<String, usize>,
}

pub struct Land {
    ground: Mutex<Ground>,
    pub stop: tokio::sync::watch::Sender<bool>,
}

#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Refused {}

impl Default for Land {
    fn default() -> Self {
        Self { ground: Mutex::default(), stop: tokio::sync::watch::channel(false).0 }
    }
}

impl Land {
    pub fn ground(&self) -> MutexGuard<'_, Ground> {
        self.ground.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    pub fn get(&self, path: &str) -> Option<Thing> {
        self.ground().things.get(path).cloned()
    }
    /// Creates a thing as another user.
    pub fn foreign<const N: usize>(&self, path: &str, body: [(&str, Value); N]) -> Thing {
        self.ground().put(path, body.map(|(k, v)| (k.to_owned(), v)).into(), None)
    }
    /// Changes a field as another user.
    pub fn meddle(&self, path: &str, field: &str, value: Value) {
        self.ground().things.get_mut(path).unwrap().body.insert(field.to_owned(), value);
    }
    pub fn lose(&self, path: &str) {
        self.ground().remove(path);
    }
    /// Fails unless the caller may read that store.
    pub fn lets_in(&self, store: &str) -> Result<(), Fault> {
        let ground = self.ground();
        if !ground.strict || ground.things.contains_key(&format!("right/{store}/read")) {
            return Ok(());
        }
        Err(Fault::cloud(Refused(format!("no right on {store}"))))
    }

    pub async fn put(&self, path: &str, body: BTreeMap<String, Value>, tag: Option<&str>, lane: Option<String>) -> Result<Thing, Fault> {
        self.work(path, lane, |ground| ground.put(path, body, tag)).await
    }
    pub async fn remove(&self, path: &str, lane: Option<String>) -> Result<(), Fault> {
        self.work(path, lane, |ground| ground.remove(path)).await
    }

    /// Runs a write, whose effect comes after a while, so that other writes overlap with it if they may.
    async fn work<T>(&self, path: &str, lane: Option<String>, effect: impl FnOnce(&mut Ground) -> T) -> Result<T, Fault> {
        self.ground().enter(path, lane.as_ref());
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        let broken = self.ground().broken.get(path).copied();
        let outcome = match broken {
            Some(Broken::Panics) => {
                self.ground().leave(path, lane.as_ref());
                panic!("{path} is rotten");
            }
            Some(Broken::Refuses) => Err(Fault::cloud(Refused(format!("{path} is closed")))),
            Some(Broken::Interrupts) | None => {
                if broken.is_some() {
                    self.stop.send_replace(true);
                }
                let mut ground = self.ground();
                let outcome = effect(&mut ground);
                ground.moment(None);
                Ok(outcome)
            }
        };
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.ground().leave(path, lane.as_ref());
        outcome
    }
}

impl Ground {
    fn enter(&mut self, path: &str, lane: Option<&String>) {
        self.running.insert(path.to_owned());
        self.most_at_once = self.most_at_once.max(self.running.len());
        if let Some(lane) = lane {
            let inside = self.lanes.entry(lane.clone()).or_default();
            *inside += 1;
            self.most_in_a_lane = self.most_in_a_lane.max(*inside);
        }
    }
    fn leave(&mut self, path: &str, lane: Option<&String>) {
        self.running.remove(path);
        if let Some(inside) = lane.and_then(|l| self.lanes.get_mut(l)) {
            *inside -= 1;
        }
    }
    fn put(&mut self, path: &str, body: BTreeMap<String, Value>, tag: Option<&str>) -> Thing {
        self.writes.push(format!("put {path}"));
        let tag = tag.map(str::to_owned);
        if let Some(thing) = self.things.get_mut(path) {
            thing.body = body;
            thing.tag = tag.or(thing.tag.take());
            return thing.clone();
        }
        let made = self.made.entry(path.to_owned()).or_default();
        *made += 1;
        let thing = Thing { id: format!("{path}~{made}"), tag, body };
        self.things.insert(path.to_owned(), thing.clone());
        thing
    }
    /// Removes a thing with its content.
    fn remove(&mut self, path: &str) {
        self.writes.push(format!("remove {path}"));
        if let Some(gone) = self.things.remove(path) {
            let inside = format!("leaf/{}/", gone.id);
            self.things.retain(|path, _| !path.starts_with(&inside));
        }
    }
    fn moment(&mut self, ledger: Option<&Ledger>) {
        let ledger = ledger.or_else(|| self.moments.last().map(|m| &m.ledger)).cloned().unwrap_or_default();
        self.moments.push(Moment { ledger, things: self.things.clone(), made: self.made.clone() });
    }
    fn save(&mut self, changes: Vec<LedgerChange>) -> Result<(), String> {
        match &mut self.saves_left {
            Some(0) => return Err("the disk is full".into()),
            Some(left) => *left -= 1,
            None => {}
        }
        self.saves += 1;
        let mut ledger = self.moments.last().map(|m| m.ledger.clone()).unwrap_or_default();
        changes.into_iter().for_each(|change| ledger.apply(change));
        self.moment(Some(&ledger));
        Ok(())
    }
    pub fn begin(&mut self, ledger: &Ledger) {
        self.moments.clear();
        self.moment(Some(ledger));
    }
}

impl LedgerStore for Land {
    fn record(&self, changes: Vec<LedgerChange>) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(ready(self.ground().save(changes)))
    }
    fn finish(&self) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(ready(Ok(())))
    }
}
