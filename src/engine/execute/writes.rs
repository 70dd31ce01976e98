//! The writes of an action, without the ledger: the executor records around them, a rehearsal only sends them.

use super::super::{
    desired::Intent,
    fault::Fault,
    ledger::Origin,
    plan::{Act, Action, Plan},
    resource::{Backend, ErasedKind, Kinds, NodeContext},
};
use serde_json::Value;

/// Sends all writes of one action in the order of the executor, whatever the other actions do. It is for writers that keep nothing: no ledger
/// is written, and values that another action would publish are unresolved.
pub async fn rehearse<W: Backend>(kinds: Kinds<W>, plan: &Plan, action: &Action, writer: &W::Writer, recover: bool) -> Result<(), Fault> {
    let kind = kinds.of(&action.kind)?;
    let node = action.work.node.as_ref().ok_or_else(|| Fault::Bug(format!("{} has no node", action.key)))?;
    let context = NodeContext {
        app: &plan.app,
        intent: node.intent,
        origin: Some(action.origin),
        recorded: &action.work.recorded,
        ours: Some(action.origin == Origin::Created),
        recover,
    };
    let (placed, before) = (Value::clone(&action.work.placed), action.work.actual.as_deref().cloned());
    if matches!(action.act, Act::Delete | Act::HandOver) {
        return give_up(kind, action, placed, context, before, writer).await;
    }
    kind.put(placed.clone(), context, before, writer).await?;
    if action.act == Act::Replace { clear(kind, action, context, Some(&placed), writer).await } else { Ok(()) }
}

/// Deletes an object with what is at its former places, or hands it over to the app that still needs it.
pub(super) async fn give_up<W: Backend>(
    kind: &dyn ErasedKind<W>,
    action: &Action,
    placed: Value,
    context: NodeContext<'_>,
    before: Option<Value>,
    writer: &W::Writer,
) -> Result<(), Fault> {
    if action.act == Act::HandOver {
        let (Some(new_owner), Some(actual)) = (action.work.new_owners.first(), before) else { return Ok(()) };
        let context = NodeContext { app: &new_owner.app, intent: Intent::Present, ours: Some(true), ..context };
        return kind.hand_over(placed, context, actual, writer).await;
    }
    if let Some(actual) = before {
        kind.remove(placed, context, actual, writer).await?;
    }
    clear(kind, action, context, None, writer).await
}

/// Deletes what is at former places, except where the new one is now.
pub(super) async fn clear<W: Backend>(
    kind: &dyn ErasedKind<W>,
    action: &Action,
    context: NodeContext<'_>,
    placed: Option<&Value>,
    writer: &W::Writer,
) -> Result<(), Fault> {
    let now = placed.map(|p| kind.place(p)).transpose()?.flatten();
    for (left, actual) in &action.work.left {
        let Some(actual) = actual.clone() else { continue };
        if now.is_some() && kind.place(&left.placed)? == now {
            continue;
        }
        let context = NodeContext {
            intent: Intent::Absent,
            origin: Some(left.origin),
            recorded: &left.outputs,
            ours: Some(left.origin == Origin::Created),
            ..context
        };
        kind.remove(Value::clone(&left.placed), context, actual, writer).await?;
    }
    Ok(())
}
