//! Performs one action, from its turn in the lane to its last entry in the ledger.

use super::{
    super::{
        event::{Event, working_on},
        fault::Fault,
        input::{KnownOutputs, Outputs, resolve},
        key::Key,
        ledger::{Ledger, LedgerChange, Origin},
        plan::{Act, Action},
        resource::{Backend, NodeContext, Owner},
    },
    again,
    record::{EntryUpdate, forgotten, left_of, written},
    run::Run,
    writes::{clear, give_up},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// The ledger and the known outputs, which the running actions share.
pub(super) struct RunState {
    pub ledger: Ledger,
    pub known: KnownOutputs,
    pub unsaved: Option<String>,
}

pub(super) type Lanes = Arc<std::sync::Mutex<BTreeMap<String, Arc<Mutex<()>>>>>;

/// Why an action did not complete.
pub(super) enum Stopped {
    Failed(Fault),
    /// It had not begun.
    NotStarted(&'static str),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

pub(super) const INTERRUPTED: &str = "interrupted";
pub(super) const UNSAVED: &str = "the state could not be saved";

pub(super) async fn one<W: Backend>(
    run: Arc<Run<W>>,
    action: Action,
    app: String,
    state: Arc<Mutex<RunState>>,
    lanes: Lanes,
) -> (Key, Act, Duration, Result<Act, Stopped>) {
    let (key, act) = (action.key.clone(), action.act);
    let begun = Instant::now();
    let outcome = working_on(key.clone(), perform(&run, &action, &app, &state, &lanes)).await;
    (key, act, begun.elapsed(), outcome)
}

/// Returns the act that was done. It differs from the planned one if the object changed since.
async fn perform<W: Backend>(run: &Run<W>, action: &Action, app: &str, state: &Mutex<RunState>, lanes: &Lanes) -> Result<Act, Stopped> {
    let kind = run.kinds.of(&action.kind)?;
    let node = action.work.node.as_ref().ok_or_else(|| Fault::Bug(format!("{} has no node", action.key)))?;
    let placed = match action.act {
        Act::Delete | Act::HandOver => Value::clone(&action.work.placed),
        _ => resolve(&node.spec, &state.lock().await.known),
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
        return Err(Stopped::NotStarted(INTERRUPTED));
    }
    if state.lock().await.unsaved.is_some() {
        return Err(Stopped::NotStarted(UNSAVED));
    }
    (run.events)(Event::Started { key: action.key.clone(), act: action.act });
    let entry = state.lock().await.ledger.get(app, &action.key).cloned();
    let action = &again::looked_at(run, kind, action, node, &placed, app, entry.as_ref()).await?;
    let context = NodeContext {
        app,
        intent: node.intent,
        origin: Some(action.origin),
        recorded: &action.work.recorded,
        ours: Some(action.origin == Origin::Created),
        recover: run.recover,
    };
    let mut left = left_of(action);
    let before = action.work.actual.as_deref().cloned();
    let ahead = if matches!(action.act, Act::Delete | Act::HandOver) {
        BTreeMap::new()
    } else {
        kind.outputs_before_write(&placed, context, before.as_ref())?
    };
    let line = EntryUpdate { placed: &placed, outputs: ahead, left: left.clone(), doing: Some(action.act) };
    save(run, state, |ledger| written(ledger, app, action, line)).await?;
    if matches!(action.act, Act::Delete | Act::HandOver) {
        give_up(kind, action, placed, context, before, &run.writer).await?;
        save(run, state, |ledger| forgotten(ledger, app, action)).await?;
        return Ok(action.act);
    }
    // if the new one already exists as specified, only the old one is left to delete
    let mut origin = action.origin;
    let is_there = matches!(action.act, Act::Keep | Act::Adopt);
    let outputs = if is_there || action.act == Act::Replace && before.is_some() && action.changes.is_empty() {
        Outputs::clone(&action.work.outputs)
    } else {
        let seen = kind.put(placed.clone(), context, before, &run.writer).await?;
        origin = match kind.owner(&placed, context, &seen.actual)? {
            // a recovered object carries its marks: it was ours before its deletion
            Owner::Ours => Origin::Created,
            // another user created it between plan and put: it is adopted unchanged
            Owner::OtherApp(_) | Owner::Unmarked if action.act == Act::Create => Origin::Adopted,
            Owner::OtherApp(_) | Owner::Unmarked | Owner::Unmarkable => origin,
        };
        Arc::unwrap_or_clone(seen.outputs)
    };
    let action = &Action { origin, ..action.clone() };
    if action.act == Act::Replace {
        let line = EntryUpdate { placed: &placed, outputs: outputs.clone(), left: left.clone(), doing: Some(action.act) };
        save(run, state, |ledger| written(ledger, app, action, line)).await?;
        clear(kind, action, context, Some(&placed), &run.writer).await?;
        left = action.work.left.iter().filter(|(_, actual)| actual.is_none()).map(|(left, _)| left.clone()).collect();
    }
    let line = EntryUpdate { placed: &placed, outputs: outputs.clone(), left, doing: None };
    save(run, state, |ledger| written(ledger, app, action, line)).await?;
    state.lock().await.known.insert(action.key.clone(), Arc::new(outputs));
    Ok(action.act)
}

/// Saves a change. Returns when it is on the disk; other actions go on meanwhile.
async fn save<W: Backend>(run: &Run<W>, state: &Mutex<RunState>, change: impl FnOnce(&Ledger) -> Vec<LedgerChange>) -> Result<(), Fault> {
    let saved = {
        let mut state = state.lock().await;
        let changes = change(&state.ledger);
        changes.iter().cloned().for_each(|change| state.ledger.apply(change));
        if let Some(why) = &state.unsaved {
            return Err(Fault::Unsaved(why.clone()));
        }
        run.ledger_store.record(changes)
    };
    let Err(why) = saved.await else { return Ok(()) };
    state.lock().await.unsaved.get_or_insert_with(|| why.clone());
    Err(Fault::Unsaved(why))
}
