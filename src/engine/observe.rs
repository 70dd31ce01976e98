//! Observes every node of a graph. It writes nothing.
//!
//! A node is observed with the outputs of the nodes that it needs. To save time it is also observed early, with the outputs that the ledger
//! recorded. That result counts if the outputs turn out to be the same; otherwise the node is observed again. A recorded output never
//! counts as observed, and a fault of an early observation that does not count is dropped.

use super::{
    desired::{Desired, Intent, Node},
    fault::Fault,
    input::{KnownOutputs, Outputs, resolve, resolve_by},
    key::Key,
    ledger::{Entry, FormerPlace, Ledger, Origin},
    plan::Act,
    resource::{Backend, ErasedKind, Kinds, NodeContext, Observation, Side},
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// What was observed of each node, and the spec that was used.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub seen: BTreeMap<Key, Option<Observation>>,
    pub placed: BTreeMap<Key, Arc<Value>>,
    /// Nodes that could not be read for lack of a permission.
    pub unreadable: BTreeMap<Key, Fault>,
    /// Objects at former places of a node, according to the ledger, if these differ from the place where the node is now.
    pub old: BTreeMap<Key, Vec<FormerObservation>>,
    /// The outputs after the pass: the observed ones, and the recorded ones of `Assumed` and `Absent` nodes.
    pub known: KnownOutputs,
}

#[derive(Clone, Debug)]
pub struct FormerObservation {
    pub left: FormerPlace,
    pub seen: Observation,
}

/// All faults of the pass, each with its node. Nodes that need a faulty node are not observed.
pub type Faults = Vec<(Key, Fault)>;

pub async fn observe<W: Backend>(
    desired: &Desired,
    ledger: &Ledger,
    kinds: Kinds<W>,
    reader: &W::Reader,
    recover: bool,
) -> Result<Observed, Faults> {
    let edges = desired.edges();
    let mut pass = Pass::new(Graph { desired, ledger, kinds, reader, recover }, &edges);
    for (key, needs) in &edges {
        if needs.is_empty() {
            pass.settle(key);
        } else {
            pass.look_early(key);
        }
    }
    pass.start();
    // what is still running then can only belong to nodes behind a fault
    while pass.counting > 0 {
        let Some(looked) = pass.running.next().await else { break };
        pass.take(looked);
        pass.start();
    }
    let Pass { observed, faults, .. } = pass;
    if faults.is_empty() && observed.seen.len() < desired.nodes.len() {
        let first = desired.nodes.keys().find(|key| !observed.seen.contains_key(*key)).cloned();
        return Err(vec![(first.unwrap_or_else(|| Key::from("?")), Fault::Bug("the graph has a circle".into()))]);
    }
    if faults.is_empty() { Ok(observed) } else { Err(faults) }
}

/// The graph to observe, and what is needed for that.
struct Graph<'a, W: Backend> {
    desired: &'a Desired,
    ledger: &'a Ledger,
    kinds: Kinds<W>,
    reader: &'a W::Reader,
    recover: bool,
}

/// The highest number of observations at a time on each side: enough to hide the latency, few enough to use little memory. `--parallelism`
/// limits the requests to an API server further.
const AT_ONCE: [usize; 2] = [32, 16];

/// The observations of one side that have not begun, and the number of those that run.
struct Lane<'a> {
    settled: VecDeque<(&'a Node, Value)>,
    early: VecDeque<&'a Node>,
    running: usize,
}

/// An observation that has ended.
struct Looked {
    key: Key,
    side: Side,
    /// The spec with which the node was observed.
    placed: Value,
    outcome: Result<Found, Fault>,
    early: bool,
}

/// The state of an early observation.
enum Early {
    Running(Value),
    Ended(Value, Result<Found, Fault>),
    /// It is running, and its result will count.
    Counts,
}

struct Pass<'a, W: Backend> {
    graph: Graph<'a, W>,
    /// The number of its needs that have not been observed yet, by node.
    lacking: BTreeMap<&'a Key, usize>,
    dependents: BTreeMap<&'a Key, Vec<&'a Key>>,
    early: BTreeMap<Key, Early>,
    lanes: [Lane<'a>; 2],
    running: FuturesUnordered<BoxFuture<'a, Looked>>,
    /// The number of observations that count in any case, running or not begun.
    counting: usize,
    observed: Observed,
    faults: Faults,
}

impl<'a, W: Backend> Pass<'a, W> {
    fn new(graph: Graph<'a, W>, edges: &'a BTreeMap<Key, BTreeSet<Key>>) -> Self {
        let mut dependents: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
        for (key, needs) in edges {
            for need in needs {
                dependents.entry(need).or_default().push(key);
            }
        }
        Self {
            lacking: edges.iter().map(|(key, needs)| (key, needs.len())).collect(),
            dependents,
            graph,
            early: BTreeMap::new(),
            lanes: [(); 2].map(|()| Lane { settled: VecDeque::new(), early: VecDeque::new(), running: 0 }),
            running: FuturesUnordered::new(),
            counting: 0,
            observed: Observed::default(),
            faults: Faults::new(),
        }
    }

    fn look_early(&mut self, key: &Key) {
        let Some(node) = self.graph.desired.nodes.get(key).filter(|_| self.lacking.get(key) != Some(&0)) else { return };
        let looked_for = matches!(node.intent, Intent::Present | Intent::Existing | Intent::Optional);
        if let Ok(kind) = self.graph.kinds.of(&node.kind)
            && looked_for
            && kind.looks_early()
        {
            self.lanes[kind.side() as usize].early.push_back(node);
        }
    }

    /// Starts as many observations as may run, first those that count in any case.
    fn start(&mut self) {
        for side in [Side::Azure, Side::Kubernetes] {
            while self.lanes[side as usize].running < AT_ONCE[side as usize] {
                let lane = &mut self.lanes[side as usize];
                let (node, placed, early) = if let Some((node, placed)) = lane.settled.pop_front() {
                    (node, placed, false)
                } else if let Some(node) = lane.early.pop_front() {
                    // it may be settled by now
                    if self.lacking.get(&node.key) == Some(&0) {
                        continue;
                    }
                    (node, self.graph.as_recorded(node), true)
                } else {
                    break;
                };
                match self.graph.look(node, placed.clone(), early) {
                    Ok(looking) => {
                        self.lanes[side as usize].running += 1;
                        self.running.push(looking);
                        if early {
                            self.early.insert(node.key.clone(), Early::Running(placed));
                        }
                    }
                    // a fault of an early observation occurs again when it counts
                    Err(_) if early => {}
                    Err(fault) => {
                        self.counting -= 1;
                        self.faults.push((node.key.clone(), fault));
                    }
                }
            }
        }
    }

    /// Observes a node whose needs have all been observed, so that its spec is complete.
    fn settle(&mut self, key: &Key) {
        let Some(node) = self.graph.desired.nodes.get(key) else { return };
        let entry = self.graph.ledger.get(&self.graph.desired.app, key);
        // an object to delete is at its recorded place, even if its parents no longer exist
        let placed = match (node.intent, entry) {
            (Intent::Absent, Some(entry)) => Value::clone(&entry.placed),
            _ => resolve(&node.spec, &self.observed.known),
        };
        match self.early.remove(key) {
            Some(Early::Ended(early, outcome)) if early == placed => {
                return self.ended(key, placed, outcome);
            }
            Some(Early::Running(early)) if early == placed => {
                self.counting += 1;
                self.early.insert(key.clone(), Early::Counts);
                return;
            }
            _ => {}
        }
        match self.graph.where_to_look(node, &placed, &self.observed) {
            Ok(None) => self.ended(key, placed, Ok((None, Vec::new()))),
            Ok(Some(side)) => {
                self.counting += 1;
                self.lanes[side as usize].settled.push_back((node, placed));
            }
            Err(fault) => self.faults.push((key.clone(), fault)),
        }
    }

    fn take(&mut self, looked: Looked) {
        let Looked { key, side, placed, outcome, early } = looked;
        self.lanes[side as usize].running -= 1;
        if !early {
            self.counting -= 1;
            return self.ended(&key, placed, outcome);
        }
        match self.early.remove(&key) {
            Some(Early::Counts) => {
                self.counting -= 1;
                self.ended(&key, placed, outcome);
            }
            Some(_) => drop(self.early.insert(key, Early::Ended(placed, outcome))),
            // it was observed at the wrong place
            None => {}
        }
    }

    fn ended(&mut self, key: &Key, placed: Value, outcome: Result<Found, Fault>) {
        let graph = &self.graph;
        match outcome {
            Ok((seen, old)) => {
                if !old.is_empty() {
                    self.observed.old.insert(key.clone(), old);
                }
                let outputs = known_of(graph.desired, graph.ledger, key, seen.as_ref());
                self.observed.known.insert(key.clone(), outputs);
                self.observed.seen.insert(key.clone(), seen);
            }
            Err(Fault::Unreadable(fault)) => {
                self.observed.unreadable.insert(key.clone(), *fault);
                self.observed.known.insert(key.clone(), known_of(graph.desired, graph.ledger, key, None));
                self.observed.seen.insert(key.clone(), None);
            }
            Err(fault) => return self.faults.push((key.clone(), fault)),
        }
        self.observed.placed.insert(key.clone(), Arc::new(placed));
        for dependent in self.dependents.remove(key).unwrap_or_default() {
            if let Some(count) = self.lacking.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    self.settle(dependent);
                }
            }
        }
    }
}

/// Returns the outputs of a node. A wanted node that does not exist has none; one that is `Absent` or `Assumed` has those of the ledger.
fn known_of(desired: &Desired, ledger: &Ledger, key: &Key, seen: Option<&Observation>) -> Arc<Outputs> {
    if let Some(seen) = seen {
        return seen.outputs.clone();
    }
    match desired.nodes.get(key).map(|n| n.intent) {
        Some(Intent::Absent | Intent::Assumed) => ledger.get(&desired.app, key).map(|e| Arc::new(e.outputs.clone())).unwrap_or_default(),
        _ => Arc::default(),
    }
}

/// Returns whether the holder was observed and is absent, or will be created again. Then its content no longer exists either.
fn is_gone(desired: &Desired, observed: &Observed, holder: &Key) -> bool {
    let looked_for = desired.nodes.get(holder).is_some_and(|n| n.intent != Intent::Assumed) && !observed.unreadable.contains_key(holder);
    looked_for && observed.seen.get(holder).is_some_and(|seen| seen.as_ref().is_none_or(|s| s.outputs.is_empty()))
}

type Found = (Option<Observation>, Vec<FormerObservation>);

static NOTHING: Outputs = Outputs::new();

impl<'a, W: Backend> Graph<'a, W> {
    /// Resolves the spec of a node with the recorded outputs of the other nodes.
    fn as_recorded(&self, node: &Node) -> Value {
        let looked_for = |key: &Key| self.desired.nodes.get(key).is_some_and(|n| n.intent != Intent::Absent);
        let recorded = |key: &Key| self.ledger.get(&self.desired.app, key).map(|e| &e.outputs);
        resolve_by(&node.spec, |key| recorded(key).filter(|_| looked_for(key)))
    }

    /// Returns the side on which to observe a node. None if that is not needed.
    fn where_to_look(&self, node: &Node, placed: &Value, observed: &Observed) -> Result<Option<Side>, Fault> {
        if node.intent == Intent::Assumed {
            return Ok(None);
        }
        let kind = self.kinds.of(&node.kind)?;
        let gone = node.intent == Intent::Absent && kind.parent(placed)?.is_some_and(|holder| is_gone(self.desired, observed, &holder));
        Ok((!gone).then(|| kind.side()))
    }

    fn look(&self, node: &'a Node, placed: Value, early: bool) -> Result<BoxFuture<'a, Looked>, Fault> {
        let (app, reader) = (self.desired.app.as_str(), self.reader);
        let entry = self.ledger.get(app, &node.key);
        let kind = self.kinds.of(&node.kind)?;
        let here = entry.map(|e| said(kind, e, &placed)).transpose()?.flatten();
        let context = NodeContext {
            app,
            intent: node.intent,
            origin: here.map(|s| s.origin),
            recorded: here.map_or(&NOTHING, |s| s.outputs),
            ours: None,
            recover: self.recover,
        };
        let left = match entry {
            Some(entry) if matches!(node.intent, Intent::Present | Intent::Absent) => former(kind, entry, &placed)?,
            _ => Vec::new(),
        };
        Ok(Box::pin(async move {
            let looked = async {
                let seen = match kind.observe(placed.clone(), context, reader).await {
                    // without the values that locate it, it cannot exist yet
                    Err(Fault::Unresolved(_)) => None,
                    other => other?,
                };
                let mut old = Vec::new();
                for left in left {
                    let context = NodeContext { intent: Intent::Absent, origin: Some(left.origin), recorded: &left.outputs, ..context };
                    if let Some(seen) = kind.observe(Value::clone(&left.placed), context, reader).await? {
                        old.push(FormerObservation { left, seen });
                    }
                }
                Ok((seen, old))
            };
            let outcome = looked.await;
            Looked { key: node.key.clone(), side: kind.side(), placed, outcome, early }
        }))
    }
}

/// Returns whether an entry is about the place where the object is now. A kind without places has one per key.
pub(super) fn stays<W: Backend>(kind: &dyn ErasedKind<W>, entry: &Entry, placed: &Value) -> Result<bool, Fault> {
    let was = kind.place(&entry.placed)?;
    Ok(was.is_none() || was == kind.place(placed)?)
}

/// The recorded data of an object at one place.
#[derive(Clone, Copy)]
pub(super) struct Recorded<'a> {
    pub placed: &'a Value,
    pub origin: Origin,
    pub outputs: &'a Outputs,
    pub doing: Option<Act>,
}

impl<'a> From<&'a FormerPlace> for Recorded<'a> {
    fn from(left: &'a FormerPlace) -> Self {
        Self { placed: &left.placed, origin: left.origin, outputs: &left.outputs, doing: left.doing }
    }
}

/// Returns the recorded data for the place where the object is now: the entry itself, or one of its former places.
pub(super) fn said<'a, W: Backend>(kind: &dyn ErasedKind<W>, entry: &'a Entry, placed: &Value) -> Result<Option<Recorded<'a>>, Fault> {
    if stays(kind, entry, placed)? {
        return Ok(Some(Recorded { placed: &entry.placed, origin: entry.origin, outputs: &entry.outputs, doing: entry.doing }));
    }
    let now = kind.place(placed)?;
    for left in &entry.left {
        if now.is_some() && kind.place(&left.placed)? == now {
            return Ok(Some(left.into()));
        }
    }
    Ok(None)
}

/// Returns the former places of an object other than its place now.
fn former<W: Backend>(kind: &dyn ErasedKind<W>, entry: &Entry, placed: &Value) -> Result<Vec<FormerPlace>, Fault> {
    let now = kind.place(placed)?;
    let mut left = Vec::new();
    for former in &entry.left {
        if now.is_none() || kind.place(&former.placed)? != now {
            left.push(former.clone());
        }
    }
    if !stays(kind, entry, placed)? {
        left.push(entry.leave());
    }
    Ok(left)
}
