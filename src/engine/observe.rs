//! Looks at every node of a graph, each as soon as what it refers to has been looked at. Writes nothing.

use super::{
    desired::{Desired, Intent},
    fault::Fault,
    input::{Known, Outputs, resolve},
    key::Key,
    ledger::{Entry, Ledger, Left, Origin},
    plan::Act,
    resource::{Around, Erased, Kinds, Seen, World},
};
use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of each node, and the spec with which it was looked for.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub seen: BTreeMap<Key, Option<Seen>>,
    pub placed: BTreeMap<Key, Value>,
    /// What could not be looked at for want of a right.
    pub blind: BTreeMap<Key, Fault>,
    /// What is at the places where the ledger says that a node was put before, where those are others than it is looked for now.
    pub old: BTreeMap<Key, Vec<Old>>,
    /// What is known after the pass: what was seen, and for `Assumed` and `Absent` nodes what the ledger holds.
    pub known: Known,
}

#[derive(Clone, Debug)]
pub struct Old {
    pub left: Left,
    pub seen: Seen,
}

/// All faults of the pass, each with its node; the nodes behind a fault are not looked at.
pub type Faults = Vec<(Key, Fault)>;

pub async fn observe<W: World>(
    desired: &Desired,
    ledger: &Ledger,
    kinds: Kinds<W>,
    reader: &W::Reader,
    recover: bool,
) -> Result<Observed, Faults> {
    let edges = desired.edges();
    let mut waiting: BTreeSet<&Key> = desired.nodes.keys().collect();
    let mut observed = Observed::default();
    let mut faults = Faults::new();
    let mut running = FuturesUnordered::new();
    loop {
        let ready: Vec<&Key> = waiting
            .iter()
            .copied()
            .filter(|k| edges.get(*k).is_none_or(|needs| needs.iter().all(|n| observed.seen.contains_key(n))))
            .collect();
        for key in ready {
            waiting.remove(key);
            match look(desired, ledger, kinds, reader, key, &observed, recover) {
                Ok(looking) => running.push(looking),
                Err(fault) => faults.push((key.clone(), fault)),
            }
        }
        let Some((key, placed, outcome)) = running.next().await else { break };
        match outcome {
            Ok((seen, old)) => {
                if !old.is_empty() {
                    observed.old.insert(key.clone(), old);
                }
                let outputs = known_of(desired, ledger, &key, seen.as_ref());
                observed.known.insert(key.clone(), outputs);
                observed.placed.insert(key.clone(), placed);
                observed.seen.insert(key, seen);
            }
            Err(Fault::Blind(fault)) => {
                observed.blind.insert(key.clone(), *fault);
                observed.known.insert(key.clone(), known_of(desired, ledger, &key, None));
                observed.placed.insert(key.clone(), placed);
                observed.seen.insert(key, None);
            }
            Err(fault) => faults.push((key, fault)),
        }
    }
    if faults.is_empty() && !waiting.is_empty() {
        return Err(vec![((*waiting.iter().next().unwrap_or(&&Key::from("?"))).clone(), Fault::Bug("the graph has a circle".into()))]);
    }
    if faults.is_empty() { Ok(observed) } else { Err(faults) }
}

/// A parent that is wanted and was not seen publishes nothing; one that goes away or is assumed publishes what the ledger recorded.
fn known_of(desired: &Desired, ledger: &Ledger, key: &Key, seen: Option<&Seen>) -> Outputs {
    if let Some(seen) = seen {
        return seen.outputs.clone();
    }
    match desired.nodes.get(key).map(|n| n.intent) {
        Some(Intent::Absent | Intent::Assumed) => ledger.get(&desired.app, key).map(|e| e.outputs.clone()).unwrap_or_default(),
        _ => Outputs::new(),
    }
}

/// Looked for, and not there or about to be made again: what lay in it went with it, and there is no place to look for that.
fn is_gone(desired: &Desired, observed: &Observed, holder: &Key) -> bool {
    let looked_for = desired.nodes.get(holder).is_some_and(|n| n.intent != Intent::Assumed) && !observed.blind.contains_key(holder);
    looked_for && observed.seen.get(holder).is_some_and(|seen| seen.as_ref().is_none_or(|s| s.outputs.is_empty()))
}

type Found = (Option<Seen>, Vec<Old>);
type Looking<'a> = futures::future::BoxFuture<'a, (Key, Value, Result<Found, Fault>)>;

static NOTHING: Outputs = Outputs::new();

fn look<'a, W: World>(
    desired: &'a Desired,
    ledger: &'a Ledger,
    kinds: Kinds<W>,
    reader: &'a W::Reader,
    key: &Key,
    observed: &Observed,
    recover: bool,
) -> Result<Looking<'a>, Fault> {
    let node = desired.nodes.get(key).ok_or_else(|| Fault::Bug(format!("{key} is not in the graph")))?;
    let entry = ledger.get(&desired.app, key);
    // what goes away is looked for where it was put, even when its parents are gone
    let placed = match (node.intent, entry) {
        (Intent::Absent, Some(entry)) => entry.placed.clone(),
        _ => resolve(&node.spec, &observed.known),
    };
    let key = key.clone();
    if node.intent == Intent::Assumed {
        return Ok(Box::pin(async move { (key, placed, Ok((None, Vec::new()))) }));
    }
    let kind = kinds.of(&node.kind)?;
    if node.intent == Intent::Absent && kind.within(&placed)?.is_some_and(|holder| is_gone(desired, observed, &holder)) {
        return Ok(Box::pin(async move { (key, placed, Ok((None, Vec::new()))) }));
    }
    let here = entry.map(|e| said(kind, e, &placed)).transpose()?.flatten();
    let around = Around {
        app: &desired.app,
        intent: node.intent,
        origin: here.map(|s| s.origin),
        recorded: here.map_or(&NOTHING, |s| s.outputs),
        ours: None,
        recover,
    };
    let left = match entry {
        Some(entry) if matches!(node.intent, Intent::Present | Intent::Absent) => former(kind, entry, &placed)?,
        _ => Vec::new(),
    };
    Ok(Box::pin(async move {
        let looked = async {
            let seen = match kind.observe(placed.clone(), around, reader).await {
                // what locates it is not known yet: it cannot be there yet
                Err(Fault::Unresolved(_)) => None,
                other => other?,
            };
            let mut old = Vec::new();
            for left in left {
                let around = Around { intent: Intent::Absent, origin: Some(left.origin), recorded: &left.outputs, ..around };
                if let Some(seen) = kind.observe(left.placed.clone(), around, reader).await? {
                    old.push(Old { left, seen });
                }
            }
            Ok((seen, old))
        };
        let outcome = looked.await;
        (key, placed, outcome)
    }))
}

/// Whether an entry speaks of the place at which the thing is looked for now. A kind without places has one for each key.
pub(super) fn stays<W: World>(kind: &dyn Erased<W>, entry: &Entry, placed: &Value) -> Result<bool, Fault> {
    let was = kind.place(&entry.placed)?;
    Ok(was.is_none() || was == kind.place(placed)?)
}

/// What an entry says of a place.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub placed: &'a Value,
    pub origin: Origin,
    pub outputs: &'a Outputs,
    pub doing: Option<Act>,
}

impl<'a> From<&'a Left> for Said<'a> {
    fn from(left: &'a Left) -> Self {
        Self { placed: &left.placed, origin: left.origin, outputs: &left.outputs, doing: left.doing }
    }
}

/// What an entry says of the place at which the thing is looked for now: it may be there, or may have been there before.
pub(super) fn said<'a, W: World>(kind: &dyn Erased<W>, entry: &'a Entry, placed: &Value) -> Result<Option<Said<'a>>, Fault> {
    if stays(kind, entry, placed)? {
        return Ok(Some(Said { placed: &entry.placed, origin: entry.origin, outputs: &entry.outputs, doing: entry.doing }));
    }
    let now = kind.place(placed)?;
    for left in &entry.left {
        if now.is_some() && kind.place(&left.placed)? == now {
            return Ok(Some(left.into()));
        }
    }
    Ok(None)
}

/// The former places of a thing that is wanted at this one.
fn former<W: World>(kind: &dyn Erased<W>, entry: &Entry, placed: &Value) -> Result<Vec<Left>, Fault> {
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
