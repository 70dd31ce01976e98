//! Does a plan: ready nodes at once, one at a time within a lane, the ledger saved before and after every action.
//! A failure stops only what depends on it; an interrupt starts nothing more and lets finish what runs.

mod perform;
mod record;

use super::{
    event::{Event, Tell},
    fault::Fault,
    input::Known,
    key::Key,
    ledger::{Keeper, Ledger},
    plan::{Act, Action, Plan, Summary},
    resource::{Kinds, World},
};
use perform::{Book, Cut, INTERRUPTED, Lanes, UNSAVED, one};
pub use record::remember;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
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

pub async fn execute<W: World>(plan: &Plan, ledger: Ledger, known: Known, run: Run<W>) -> Report {
    let mut ledger = ledger;
    let unsaved = record::remember_what_stays(plan, &mut ledger, run.keeper.as_ref()).err();
    let book = Arc::new(Mutex::new(Book { ledger, known, unsaved }));
    let mut waiting: Vec<&Action> = plan.actions.iter().filter(|a| a.act.changes()).collect();
    let (mut done, mut failed, mut not_started) = (Vec::new(), Vec::new(), Vec::new());
    let mut finished: BTreeSet<Key> = BTreeSet::new();
    let mut lost: BTreeMap<Key, String> = BTreeMap::new();
    let lanes = Lanes::default();
    let run = Arc::new(run);
    let mut running: JoinSet<(Key, Act, Duration, Result<(), Cut>)> = JoinSet::new();
    let mut names: BTreeMap<tokio::task::Id, (Key, Act)> = BTreeMap::new();
    let mut interrupted = false;
    loop {
        interrupted |= *run.stop.borrow();
        let stopped = interrupted || book.lock().await.unsaved.is_some();
        // what depends on something lost cannot start any more
        while let Some(at) = waiting.iter().position(|a| a.after.iter().any(|k| lost.contains_key(k))) {
            let action = waiting.remove(at);
            let because = action.after.iter().find(|k| lost.contains_key(*k)).map(|k| format!("{k} {}", lost[k])).unwrap_or_default();
            lost.insert(action.key.clone(), "was not done".into());
            (run.tell)(Event::NotStarted { key: action.key.clone(), act: action.act, because: because.clone() });
            not_started.push((action.key.clone(), action.act, because));
        }
        let puts_left = waiting.iter().any(|a| !a.act.removes()) || names.values().any(|(_, act)| !act.removes());
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
        // an interrupt is seen when the next action ends: until then nothing would start anyway
        let ended = running.join_next_with_id().await;
        let (id, (key, act, took, outcome)) = match ended {
            None => break,
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => {
                let (key, act) = names.get(&panic.id()).cloned().unwrap_or((Key::from("?"), Act::Keep));
                (panic.id(), (key, act, Duration::ZERO, Err(Fault::Bug(format!("a task ended by itself: {panic}")).into())))
            }
        };
        names.remove(&id);
        match outcome {
            Ok(()) => {
                (run.tell)(Event::Done { key: key.clone(), act, took });
                finished.insert(key.clone());
                done.push((key, act, took));
            }
            Err(Cut::NotStarted(because)) => {
                (run.tell)(Event::NotStarted { key: key.clone(), act, because: because.into() });
                lost.insert(key.clone(), "was not done".into());
                not_started.push((key, act, because.into()));
            }
            Err(Cut::Failed(fault)) => {
                (run.tell)(Event::Failed { key: key.clone(), act, fault: fault.clone() });
                lost.insert(key.clone(), "failed".into());
                failed.push((key, act, fault));
            }
        }
    }
    for action in waiting {
        let because = if interrupted { INTERRUPTED } else { UNSAVED }.to_owned();
        (run.tell)(Event::NotStarted { key: action.key.clone(), act: action.act, because: because.clone() });
        not_started.push((action.key.clone(), action.act, because));
    }
    let book = book.lock().await;
    Report { done, failed, not_started, ledger: book.ledger.clone(), unsaved: book.unsaved.clone(), interrupted }
}
