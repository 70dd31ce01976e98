//! Does a plan: ready nodes at once, one at a time within a lane, the ledger saved before and after every action.
//! A failure stops only what depends on it; an interrupt starts nothing more and lets finish what runs.

use super::{
    desired::{By, Intent},
    event::{Event, Tell, working_on},
    fault::Fault,
    input::{Known, Outputs, resolve},
    key::Key,
    ledger::{Entry, Keeper, Ledger, Origin},
    plan::{Act, Action, Plan, Summary},
    resource::{Around, Kinds, Owner, Seen, World},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

pub struct Run<W: World> {
    pub kinds: Kinds<W>,
    pub writer: Arc<W::Writer>,
    pub keeper: Arc<dyn Keeper>,
    pub parallelism: usize,
    pub recover: bool,
    pub tell: Tell,
    /// Turns true on Ctrl-C.
    pub stop: watch::Receiver<bool>,
}

#[derive(Debug)]
pub struct Report {
    pub done: Vec<(Key, Act, Duration)>,
    pub failed: Vec<(Key, Act, Fault)>,
    pub not_started: Vec<(Key, Act, String)>,
    pub ledger: Ledger,
    /// The state could not be written: what the file does not know.
    pub unsaved: Option<String>,
    pub interrupted: bool,
}

impl Report {
    pub fn summary(&self, plan: &Plan) -> Summary {
        let mut summary = Summary { failed: self.failed.len(), not_started: self.not_started.len(), ..Summary::default() };
        self.done.iter().for_each(|(_, act, _)| summary.count(*act));
        for action in plan.actions.iter().filter(|a| !a.act.changes()) {
            summary.count(action.act);
        }
        summary
    }
}

/// The ledger and what is known, shared by the running actions.
struct Book {
    ledger: Ledger,
    known: Known,
    unsaved: Option<String>,
}

type Lanes = Arc<std::sync::Mutex<BTreeMap<String, Arc<Mutex<()>>>>>;

pub async fn execute<W: World>(plan: &Plan, ledger: Ledger, known: Known, run: Run<W>) -> Report {
    let book = Arc::new(Mutex::new(Book { ledger, known, unsaved: None }));
    remember_what_stays(plan, &book, run.keeper.as_ref()).await;
    let mut waiting: Vec<&Action> = plan.actions.iter().filter(|a| a.act.changes()).collect();
    let (mut done, mut failed, mut not_started) = (Vec::new(), Vec::new(), Vec::new());
    let mut finished: BTreeSet<Key> = BTreeSet::new();
    let mut lost: BTreeMap<Key, String> = BTreeMap::new();
    let lanes = Lanes::default();
    let run = Arc::new(run);
    let mut running: JoinSet<(Key, Act, Duration, Result<(), Fault>)> = JoinSet::new();
    let mut names: BTreeMap<tokio::task::Id, (Key, Act)> = BTreeMap::new();
    let mut interrupted = false;
    loop {
        interrupted |= *run.stop.borrow();
        let stopped = interrupted || book.lock().await.unsaved.is_some();
        // what depends on something lost cannot start any more
        loop {
            let Some(at) = waiting.iter().position(|a| a.after.iter().any(|k| lost.contains_key(k))) else { break };
            let action = waiting.remove(at);
            let because = action.after.iter().find(|k| lost.contains_key(*k)).map(|k| format!("{k} {}", lost[k])).unwrap_or_default();
            lost.insert(action.key.clone(), "was not done".into());
            (run.tell)(Event::NotStarted { key: action.key.clone(), act: action.act, because: because.clone() });
            not_started.push((action.key.clone(), action.act, because));
        }
        let puts_left = waiting.iter().any(|a| a.act != Act::Delete) || names.values().any(|(_, act)| *act != Act::Delete);
        let mut at = 0;
        while !stopped && at < waiting.len() && running.len() < run.parallelism.max(1) {
            let action = waiting[at];
            let ready = action.after.iter().all(|k| finished.contains(k)) && (action.act != Act::Delete || !puts_left);
            if !ready {
                at += 1;
                continue;
            }
            waiting.remove(at);
            let handle = running.spawn(one(Arc::clone(&run), action.clone(), plan.app.clone(), Arc::clone(&book), Arc::clone(&lanes)));
            names.insert(handle.id(), (action.key.clone(), action.act));
        }
        let mut stop = run.stop.clone();
        let ended = tokio::select! {
            ended = running.join_next_with_id() => ended,
            _ = stop.wait_for(|s| *s), if !interrupted => { continue }
        };
        let (id, (key, act, took, outcome)) = match ended {
            None => break,
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => {
                let (key, act) = names.get(&panic.id()).cloned().unwrap_or((Key::from("?"), Act::Keep));
                (panic.id(), (key, act, Duration::ZERO, Err(Fault::Bug(format!("a task ended by itself: {panic}")))))
            }
        };
        names.remove(&id);
        match outcome {
            Ok(()) => {
                (run.tell)(Event::Done { key: key.clone(), act, took });
                finished.insert(key.clone());
                done.push((key, act, took));
            }
            Err(fault) => {
                (run.tell)(Event::Failed { key: key.clone(), act, fault: fault.clone() });
                lost.insert(key.clone(), "failed".into());
                failed.push((key, act, fault));
            }
        }
    }
    for action in waiting {
        let because = if interrupted { "interrupted" } else { "the state could not be saved" }.to_owned();
        (run.tell)(Event::NotStarted { key: action.key.clone(), act: action.act, because: because.clone() });
        not_started.push((action.key.clone(), action.act, because));
    }
    let book = book.lock().await;
    Report { done, failed, not_started, ledger: book.ledger.clone(), unsaved: book.unsaved.clone(), interrupted }
}

/// Keeps, adoptions and things that are gone change only the ledger; one write for all of them, and none if nothing is new.
async fn remember_what_stays(plan: &Plan, book: &Mutex<Book>, keeper: &dyn Keeper) {
    let mut book = book.lock().await;
    let before = book.ledger.clone();
    for action in plan.actions.iter().filter(|a| !a.act.changes()) {
        let absent = action.work.node.as_ref().is_some_and(|n| n.intent == Intent::Absent);
        match action.act {
            Act::Forget => pass_on(&mut book.ledger, &plan.app, action),
            // what stays although it was to go: remembered only while it is ours
            Act::Keep if absent && action.origin != Origin::Created => drop(book.ledger.forget(&plan.app, &action.key)),
            // what is only read does not change whose it is
            Act::Keep if reads(action) && book.ledger.get(&plan.app, &action.key).is_some_and(|e| e.origin != Origin::Existing) => {}
            _ => remember(&mut book.ledger, &plan.app, action),
        }
    }
    if book.ledger != before
        && let Err(why) = keeper.save(&book.ledger)
    {
        book.unsaved = Some(why);
    }
}

/// The ledger knows a thing as it was seen.
pub fn remember(ledger: &mut Ledger, app: &str, action: &Action) {
    let outputs = merged(action, action.work.outputs.clone());
    ledger.put(entry_of(action, app, action.work.placed.clone(), outputs, None));
}

fn reads(action: &Action) -> bool {
    action.work.node.as_ref().is_some_and(|n| matches!(n.intent, Intent::Existing | Intent::Optional | Intent::Assumed))
}

/// A thing that two apps share is owned by the one that is left.
fn pass_on(ledger: &mut Ledger, app: &str, action: &Action) {
    let gone = ledger.forget(app, &action.key);
    let created = gone.as_ref().is_some_and(|e| e.origin == Origin::Created);
    let heir = ledger
        .entries()
        .find(|e| e.key == action.key && e.kind == action.kind && e.cluster == action.cluster && e.origin == Origin::Adopted)
        .cloned();
    if let Some(mut heir) = heir
        && created
        && action.work.actual.is_some()
    {
        heir.origin = Origin::Created;
        ledger.put(heir);
    }
}

/// Outputs that only a write knows (what was added to something shared) survive a pass that only looked.
fn merged(action: &Action, seen: Outputs) -> Outputs {
    let mut outputs = action.work.recorded.clone();
    outputs.extend(seen);
    outputs
}

fn entry_of(action: &Action, app: &str, placed: Value, outputs: Outputs, doing: Option<Act>) -> Entry {
    let node = action.work.node.as_ref();
    Entry {
        app: app.to_owned(),
        key: action.key.clone(),
        kind: action.kind.clone(),
        cluster: action.cluster.clone(),
        by: action.work.by.unwrap_or(By::Command),
        origin: action.origin,
        spec: node.map(|n| n.spec.clone()).unwrap_or_default(),
        placed,
        outputs,
        left: doing.and(action.work.old.as_ref()).map(|(placed, _)| placed.clone()),
        doing,
    }
}

async fn one<W: World>(
    run: Arc<Run<W>>,
    action: Action,
    app: String,
    book: Arc<Mutex<Book>>,
    lanes: Lanes,
) -> (Key, Act, Duration, Result<(), Fault>) {
    let (key, act) = (action.key.clone(), action.act);
    let begun = Instant::now();
    let outcome = working_on(key.clone(), perform(&run, &action, &app, &book, &lanes)).await;
    (key, act, begun.elapsed(), outcome)
}

async fn perform<W: World>(run: &Run<W>, action: &Action, app: &str, book: &Mutex<Book>, lanes: &Lanes) -> Result<(), Fault> {
    let kind = run.kinds.of(&action.kind)?;
    let node = action.work.node.as_ref().ok_or_else(|| Fault::Bug(format!("{} has no node", action.key)))?;
    let placed = match action.act {
        Act::Delete => action.work.placed.clone(),
        _ => resolve(&node.spec, &book.lock().await.known),
    };
    let lane = kind.lane(&placed)?.map(|name| {
        let mut lanes = lanes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(lanes.entry(name).or_default())
    });
    let _turn = match &lane {
        Some(lane) => Some(lane.lock().await),
        None => None,
    };
    if *run.stop.borrow() {
        return Err(Fault::Interrupted);
    }
    let around = Around {
        app,
        intent: node.intent,
        origin: Some(action.origin),
        recorded: &action.work.recorded,
        ours: Some(action.origin == Origin::Created),
        recover: run.recover,
    };
    (run.tell)(Event::Started { key: action.key.clone(), act: action.act });
    save(run, book, |ledger| ledger.put(entry_of(action, app, placed.clone(), action.work.recorded.clone(), Some(action.act)))).await?;
    if action.act == Act::Delete {
        if let Some(actual) = action.work.actual.clone() {
            kind.remove(placed, around, actual, &run.writer).await?;
        }
        return save(run, book, |ledger| drop(ledger.forget(app, &action.key))).await;
    }
    let before = action.work.actual.clone();
    let Seen { actual, outputs } = kind.put(placed.clone(), around, before, &run.writer).await?;
    // somebody else was quicker between plan and put: theirs was taken as it is
    let quicker = action.act == Act::Create && kind.owner(&placed, around, &actual)? == Owner::Others;
    let action = &Action { origin: if quicker { Origin::Adopted } else { action.origin }, ..action.clone() };
    save(run, book, |ledger| {
        // until the old one is gone the record says that the action runs
        let doing = action.work.old.as_ref().map(|_| action.act);
        ledger.put(entry_of(action, app, placed.clone(), merged(action, outputs.clone()), doing));
    })
    .await?;
    if let Some((old, actual)) = &action.work.old {
        let around = Around { intent: Intent::Absent, ..around };
        kind.remove(old.clone(), around, actual.clone(), &run.writer).await?;
        save(run, book, |ledger| ledger.put(entry_of(action, app, placed.clone(), merged(action, outputs.clone()), None))).await?;
    }
    book.lock().await.known.insert(action.key.clone(), outputs);
    Ok(())
}

async fn save<W: World>(run: &Run<W>, book: &Mutex<Book>, change: impl FnOnce(&mut Ledger)) -> Result<(), Fault> {
    let mut book = book.lock().await;
    change(&mut book.ledger);
    if let Some(why) = &book.unsaved {
        return Err(Fault::Unsaved(why.clone()));
    }
    if let Err(why) = run.keeper.save(&book.ledger) {
        book.unsaved = Some(why.clone());
        return Err(Fault::Unsaved(why));
    }
    Ok(())
}
