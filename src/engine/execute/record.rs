//! The ledger entries of an action: before it, after it, and for actions that change nothing.

use super::super::{
    desired::{Intent, Requester},
    input::Outputs,
    ledger::{Entry, FormerPlace, Ledger, LedgerChange, Origin},
    plan::{Act, Action, NewOwner, Plan},
};
use serde_json::Value;
use std::sync::Arc;

/// Applies keep, adopt and forget, which change only the ledger. Returns all changes, so that they are saved together.
pub(super) fn remember_what_stays(plan: &Plan, ledger: &mut Ledger) -> Vec<LedgerChange> {
    let mut all = Vec::new();
    for action in plan.actions.iter().filter(|a| !a.act.changes()) {
        let absent = action.work.node.as_ref().is_some_and(|n| n.intent == Intent::Absent);
        let mut changes = match action.act {
            Act::Forget => forgotten(ledger, &plan.app, action),
            // it is kept although unwanted: the entry stays only while something of it is ours
            Act::Keep if absent && action.origin == Origin::Adopted => forgotten(ledger, &plan.app, action),
            // reading does not change the owner
            Act::Keep if reads(action) && ledger.get(&plan.app, &action.key).is_some_and(|e| e.origin != Origin::Existing) => continue,
            _ => as_seen(ledger, &plan.app, action),
        };
        changes.retain(|change| !ledger.has(change));
        changes.iter().cloned().for_each(|change| ledger.apply(change));
        all.append(&mut changes);
    }
    all
}

/// Records an object as it was seen.
pub fn remember(ledger: &mut Ledger, app: &str, action: &Action) {
    as_seen(ledger, app, action).into_iter().for_each(|change| ledger.apply(change));
}

fn as_seen(ledger: &Ledger, app: &str, action: &Action) -> Vec<LedgerChange> {
    let line =
        EntryUpdate { placed: &action.work.placed, outputs: Outputs::clone(&action.work.outputs), left: left_of(action), doing: None };
    written(ledger, app, action, line)
}

fn reads(action: &Action) -> bool {
    action.work.node.as_ref().is_some_and(|n| matches!(n.intent, Intent::Existing | Intent::Optional | Intent::Assumed))
}

/// Shares the spec if it equals `placed`, so that a spec without references is stored once.
fn shared(placed: &Value, spec: &Arc<Value>) -> Arc<Value> {
    if *placed == **spec { Arc::clone(spec) } else { Arc::new(placed.clone()) }
}

/// The parts of an entry that the plan does not have.
pub(super) struct EntryUpdate<'a> {
    pub placed: &'a Value,
    pub outputs: Outputs,
    pub left: Vec<FormerPlace>,
    pub doing: Option<Act>,
}

pub(super) fn left_of(action: &Action) -> Vec<FormerPlace> {
    action.work.left.iter().map(|(left, _)| left.clone()).collect()
}

/// Returns the changes for an entry. Outputs that only a write knows (what was added to a shared object) are kept.
pub(super) fn written(ledger: &Ledger, app: &str, action: &Action, line: EntryUpdate<'_>) -> Vec<LedgerChange> {
    let mut changes = handed_over(ledger, action);
    let mut outputs = action.work.recorded.clone();
    outputs.extend(line.outputs);
    let spec = action.work.node.as_ref().map(|n| Arc::clone(&n.spec)).unwrap_or_default();
    changes.push(LedgerChange::Put(Arc::new(Entry {
        app: app.to_owned(),
        key: action.key.clone(),
        kind: action.kind.clone(),
        cluster: action.cluster.clone(),
        by: action.work.by.unwrap_or(Requester::Command),
        origin: action.origin,
        placed: shared(line.placed, &spec),
        spec,
        outputs,
        left: line.left,
        doing: line.doing,
    })));
    changes
}

pub(super) fn forgotten(ledger: &Ledger, app: &str, action: &Action) -> Vec<LedgerChange> {
    let mut changes = handed_over(ledger, action);
    changes.push(LedgerChange::Forget { app: app.to_owned(), key: action.key.clone() });
    changes
}

/// Makes an app the owner of a resource that it uses. An app without an entry for it gets one by `Command`, so that its next run does not
/// prune it as something that its spec no longer has.
fn handed_over(ledger: &Ledger, action: &Action) -> Vec<LedgerChange> {
    action.work.new_owners.iter().filter_map(|new_owner| taken_over(ledger, action, new_owner)).collect()
}

fn taken_over(ledger: &Ledger, action: &Action, new_owner: &NewOwner) -> Option<LedgerChange> {
    let inherited = || Entry {
        app: new_owner.app.clone(),
        key: action.key.clone(),
        kind: action.kind.clone(),
        cluster: action.cluster.clone(),
        by: Requester::Command,
        origin: Origin::Adopted,
        spec: Arc::new(new_owner.spec.clone()),
        placed: Arc::clone(&action.work.placed),
        outputs: Outputs::new(),
        left: Vec::new(),
        doing: None,
    };
    let mut entry = ledger.get(&new_owner.app, &action.key).cloned().unwrap_or_else(inherited);
    if matches!(entry.origin, Origin::Created | Origin::Extended) {
        return None;
    }
    entry.origin = new_owner.origin;
    for (field, value) in &new_owner.outputs {
        entry.outputs.entry(field.clone()).or_insert_with(|| value.clone());
    }
    Some(LedgerChange::Put(Arc::new(entry)))
}
