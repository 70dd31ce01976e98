//! Executes a plan: ready nodes run at once, one at a time within a lane, each change of the ledger saved before and after every action.
//! A failure stops only what depends on it; an interrupt starts nothing more and waits for what runs.

mod again;
mod perform;
mod queue;
mod record;
mod run;
mod writes;

use super::{
    event::Event,
    fault::Fault,
    input::KnownOutputs,
    key::Key,
    ledger::Ledger,
    plan::{Act, Action, Plan, Summary},
    resource::Backend,
};
use perform::{INTERRUPTED, Lanes, RunState, Stopped, UNSAVED, one};
use queue::Queue;
pub use record::remember;
pub use run::Run;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinSet};
pub use writes::rehearse;

#[derive(Debug)]
pub struct Report {
    pub done: Vec<(Key, Act, Duration)>,
    pub failed: Vec<(Key, Act, Fault)>,
    pub not_started: Vec<(Key, Act, String)>,
    pub ledger: Ledger,
    /// Why the state could not be written.
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

pub async fn execute<W: Backend>(plan: &Plan, ledger: Ledger, known: KnownOutputs, run: Run<W>) -> Report {
    let mut ledger = ledger;
    let changes = record::remember_what_stays(plan, &mut ledger);
    let unsaved = if changes.is_empty() { None } else { run.ledger_store.record(changes).await.err() };
    let state = Arc::new(Mutex::new(RunState { ledger, known, unsaved }));
    let mut queue = Queue::new(plan);
    let (mut done, mut failed, mut not_started) = (Vec::new(), Vec::new(), Vec::new());
    let lanes = Lanes::default();
    let run = Arc::new(run);
    let mut running: JoinSet<(Key, Act, Duration, Result<Act, Stopped>)> = JoinSet::new();
    let mut started: BTreeMap<tokio::task::Id, &Action> = BTreeMap::new();
    let mut interrupted = false;
    loop {
        interrupted |= *run.stop.borrow();
        let stopped = interrupted || state.lock().await.unsaved.is_some();
        // an action whose dependency was not done cannot start
        while let Some((action, because)) = queue.next_lost() {
            (run.events)(Event::NotStarted { key: action.key.clone(), act: action.act, because: because.clone() });
            not_started.push((action.key.clone(), action.act, because));
        }
        while !stopped && running.len() < run.parallelism.max(1) {
            let Some(action) = queue.next_ready() else { break };
            let handle = running.spawn(one(Arc::clone(&run), action.clone(), plan.app.clone(), Arc::clone(&state), Arc::clone(&lanes)));
            started.insert(handle.id(), action);
        }
        // an interrupt is seen when the next action ends: until then nothing would start anyway
        let ended = running.join_next_with_id().await;
        let (id, (key, act, took, outcome)) = match ended {
            None => break,
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => {
                let (key, act) = started.get(&panic.id()).map_or((Key::from("?"), Act::Keep), |a| (a.key.clone(), a.act));
                (panic.id(), (key, act, Duration::ZERO, Err(Fault::Bug(format!("a task ended by itself: {panic}")).into())))
            }
        };
        started.remove(&id);
        match outcome {
            // the look just before the write may have changed the act
            Ok(act) => {
                (run.events)(Event::Done { key: key.clone(), act, took });
                queue.ended(&key, None);
                done.push((key, act, took));
            }
            Err(Stopped::NotStarted(because)) => {
                (run.events)(Event::NotStarted { key: key.clone(), act, because: because.into() });
                queue.ended(&key, Some("was not done"));
                not_started.push((key, act, because.into()));
            }
            Err(Stopped::Failed(fault)) => {
                (run.events)(Event::Failed { key: key.clone(), act, fault: fault.clone() });
                queue.ended(&key, Some("failed"));
                failed.push((key, act, fault));
            }
        }
    }
    for action in queue.left() {
        let because = if interrupted { INTERRUPTED } else { UNSAVED }.to_owned();
        (run.events)(Event::NotStarted { key: action.key.clone(), act: action.act, because: because.clone() });
        not_started.push((action.key.clone(), action.act, because));
    }
    let mut state = state.lock().await;
    if let Err(why) = run.ledger_store.finish().await {
        state.unsaved.get_or_insert(why);
    }
    Report { done, failed, not_started, ledger: std::mem::take(&mut state.ledger), unsaved: state.unsaved.take(), interrupted }
}
