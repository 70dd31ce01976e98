//! What the ledger is told of an action: before it, after it, and where there is nothing to do.

use super::super::{
    desired::{By, Intent},
    input::Outputs,
    ledger::{Entry, Keeper, Ledger, Left, Origin},
    plan::{Act, Action, Plan},
};
use serde_json::Value;

/// Keeps, adoptions and things that are gone change only the ledger; one write for all of them, and none if nothing is new.
pub(super) fn remember_what_stays(plan: &Plan, ledger: &mut Ledger, keeper: &dyn Keeper) -> Result<(), String> {
    let before = ledger.clone();
    for action in plan.actions.iter().filter(|a| !a.act.changes()) {
        let absent = action.work.node.as_ref().is_some_and(|n| n.intent == Intent::Absent);
        match action.act {
            Act::Forget => forget(ledger, &plan.app, action),
            // what stays although it was to go: remembered only while something of it is ours
            Act::Keep if absent && action.origin == Origin::Adopted => forget(ledger, &plan.app, action),
            // what is only read does not change whose it is
            Act::Keep if reads(action) && ledger.get(&plan.app, &action.key).is_some_and(|e| e.origin != Origin::Existing) => {}
            _ => remember(ledger, &plan.app, action),
        }
    }
    if *ledger == before { Ok(()) } else { keeper.save(ledger) }
}

/// The ledger knows a thing as it was seen.
pub fn remember(ledger: &mut Ledger, app: &str, action: &Action) {
    write(
        ledger,
        app,
        action,
        Line { placed: &action.work.placed, outputs: action.work.outputs.clone(), left: left_of(action), doing: None },
    );
}

fn reads(action: &Action) -> bool {
    action.work.node.as_ref().is_some_and(|n| matches!(n.intent, Intent::Existing | Intent::Optional | Intent::Assumed))
}

/// What an entry says beside what the plan says.
pub(super) struct Line<'a> {
    pub placed: &'a Value,
    pub outputs: Outputs,
    pub left: Vec<Left>,
    pub doing: Option<Act>,
}

pub(super) fn left_of(action: &Action) -> Vec<Left> {
    action.work.left.iter().map(|(left, _)| left.clone()).collect()
}

/// Outputs that only a write knows (what was added to something shared) survive a pass that only looked.
pub(super) fn write(ledger: &mut Ledger, app: &str, action: &Action, line: Line<'_>) {
    hand_over(ledger, action);
    let mut outputs = action.work.recorded.clone();
    outputs.extend(line.outputs);
    ledger.put(Entry {
        app: app.to_owned(),
        key: action.key.clone(),
        kind: action.kind.clone(),
        cluster: action.cluster.clone(),
        by: action.work.by.unwrap_or(By::Command),
        origin: action.origin,
        spec: action.work.node.as_ref().map(|n| n.spec.clone()).unwrap_or_default(),
        placed: line.placed.clone(),
        outputs,
        left: line.left,
        doing: line.doing,
    });
}

pub(super) fn forget(ledger: &mut Ledger, app: &str, action: &Action) {
    hand_over(ledger, action);
    ledger.forget(app, &action.key);
}

/// A resource that another app has or reads is owned by that app from now on. An app that had no entry for it gets one; its next run must
/// not take that for something which its spec brought and no longer names.
fn hand_over(ledger: &mut Ledger, action: &Action) {
    for heir in &action.work.heirs {
        let inherited = || Entry {
            app: heir.app.clone(),
            key: action.key.clone(),
            kind: action.kind.clone(),
            cluster: action.cluster.clone(),
            by: By::Command,
            origin: Origin::Adopted,
            spec: heir.spec.clone(),
            placed: action.work.placed.clone(),
            outputs: Outputs::new(),
            left: Vec::new(),
            doing: None,
        };
        let mut entry = ledger.get(&heir.app, &action.key).cloned().unwrap_or_else(inherited);
        if matches!(entry.origin, Origin::Created | Origin::Extended) {
            continue;
        }
        entry.origin = heir.origin;
        for (field, value) in &heir.outputs {
            entry.outputs.entry(field.clone()).or_insert_with(|| value.clone());
        }
        ledger.put(entry);
    }
}
