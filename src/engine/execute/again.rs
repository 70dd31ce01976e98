//! Reads an object again just before it is written, because the plan may not have been able to read it before this run granted the
//! permission. The rules of the plan decide; a foreign object is not changed.

use super::{
    super::{
        desired::Node,
        fault::Fault,
        input::Outputs,
        ledger::{Entry, Origin},
        observe::said,
        plan::{Act, Action, Work},
        planner::settle::{Settled, is_ours_as_said, settle},
        resource::{Backend, ErasedKind, NodeContext, Owner, Recheck},
    },
    run::Run,
};
use serde_json::Value;
use std::sync::Arc;

static NOTHING: Outputs = Outputs::new();

/// Returns the action to perform now; `entry` is the ledger's entry before it.
pub(super) async fn looked_at<W: Backend>(
    run: &Run<W>,
    kind: &dyn ErasedKind<W>,
    action: &Action,
    node: &Node,
    placed: &Value,
    app: &str,
    entry: Option<&Entry>,
) -> Result<Action, Fault> {
    if action.act.removes() {
        return Ok(action.clone());
    }
    let said = entry.map(|e| said(kind, e, placed)).transpose()?.flatten();
    let context = NodeContext {
        app,
        intent: node.intent,
        origin: said.map(|s| s.origin),
        recorded: said.map_or(&NOTHING, |s| s.outputs),
        ours: None,
        recover: run.recover,
    };
    let seen = match kind.recheck(placed.clone(), context, &run.writer).await? {
        Recheck::NotSupported if action.unseen => {
            return Err(Fault::Bug(format!("{} could not be seen, and its kind does not look again", action.key)));
        }
        Recheck::NotSupported => return Ok(action.clone()),
        Recheck::Absent => {
            let act = if action.act == Act::Update { Act::Create } else { action.act };
            let work = Work { actual: None, outputs: Arc::default(), ..action.work.clone() };
            return Ok(Action { act, origin: Origin::Created, work, ..action.clone() });
        }
        Recheck::Found(seen) => seen,
    };
    let owner = kind.owner(placed, context, &seen.actual)?;
    let ours = match said {
        Some(said) => is_ours_as_said(kind, said, owner, &seen.actual)?,
        None => owner == Owner::Ours,
    };
    match settle(kind, node, placed, NodeContext { ours: Some(ours), ..context }, &seen.actual, run.adopt)? {
        Settled::Refused { reason, way_out, .. } => Err(Fault::refused(reason, way_out)),
        Settled::Do { act, origin, changes, why } => {
            let act = if action.act == Act::Replace { Act::Replace } else { act };
            let work = Work { actual: Some(seen.actual), outputs: seen.outputs, ..action.work.clone() };
            Ok(Action { act, origin, changes, why, work, ..action.clone() })
        }
    }
}
