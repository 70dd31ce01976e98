//! Decides about a wanted resource that exists: who owns it, and whether it may be changed. It is called for the plan, and again just
//! before the write if more can be read then. It is pure.

use super::super::{
    desired::Node,
    fault::Fault,
    ledger::Origin,
    observe::Recorded,
    plan::Act,
    resource::{Backend, Change, Data, Diff, ErasedKind, NodeContext, Owner},
};
use serde_json::Value;

/// The decision about an existing resource.
#[derive(Debug)]
pub(in crate::engine) enum Settled {
    Do {
        act: Act,
        origin: Origin,
        changes: Vec<Change>,
        why: Option<String>,
    },
    /// It may not be changed. `changes` are its differences, if they are the reason.
    Refused {
        reason: String,
        way_out: String,
        changes: Vec<Change>,
    },
}

/// Joins both texts, or returns the only one.
pub(in crate::engine) fn both(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

/// Decides about a resource. `context` has its owner and its origin; with `adopt`, foreign resources that differ may be taken over.
pub(in crate::engine) fn settle<W: Backend>(
    kind: &dyn ErasedKind<W>,
    node: &Node,
    placed: &Value,
    context: NodeContext<'_>,
    actual: &Value,
    adopt: bool,
) -> Result<Settled, Fault> {
    let (ours, recorded) = (context.ours == Some(true), context.origin);
    let origin = if ours { Origin::Created } else { recorded.filter(|o| *o != Origin::Created).unwrap_or(Origin::Adopted) };
    let update = |origin, changes, why| Settled::Do { act: Act::Update, origin, changes, why };
    Ok(match kind.diff(placed, context, actual)? {
        Diff::Same if ours || recorded.is_some_and(|o| o != Origin::Existing) => {
            Settled::Do { act: Act::Keep, origin, changes: Vec::new(), why: None }
        }
        Diff::Same => Settled::Do { act: Act::Adopt, origin: Origin::Adopted, changes: Vec::new(), why: None },
        Diff::Update(changes) if ours => update(origin, changes, both(kind.plan_note(&node.spec)?, kind.change_note(placed, actual)?)),
        Diff::Update(changes) if adopt => {
            update(Origin::Adopted, changes, both(Some("taken over by --adopt".into()), kind.change_note(placed, actual)?))
        }
        Diff::Update(changes) => {
            let fields: Vec<&str> = changes.iter().map(|c| c.field.as_str()).collect();
            let usual = || "Take it over as it is wanted with `--adopt`, or choose another name.".to_owned();
            Settled::Refused {
                reason: format!("{} is there, is not podid's (app {}), and differs in {}", node.key, context.app, fields.join(", ")),
                way_out: kind.way_out(placed, actual)?.unwrap_or_else(usual),
                changes,
            }
        }
        Diff::Extend(changes) => {
            // data that is only recovered, or waited for, keeps its owner
            let origin = match (ours, kind.data()) {
                (true, _) => Origin::Created,
                (false, Data::None) => Origin::Extended,
                (false, Data::Holder | Data::Content) => Origin::Adopted,
            };
            update(origin, changes, kind.plan_note(&node.spec)?)
        }
        Diff::Refuse { reason, way_out } => Settled::Refused { reason, way_out, changes: Vec::new() },
    })
}

/// Returns whether an observed resource is ours, according to the ledger and to its own marks.
pub(in crate::engine) fn is_ours_as_said<W: Backend>(
    kind: &dyn ErasedKind<W>,
    said: Recorded<'_>,
    owner: Owner,
    actual: &Value,
) -> Result<bool, Fault> {
    // a run was killed between intent and record: the recorded outputs are empty, or those of a predecessor
    let unsure = said.doing.is_some_and(|act| act.makes() || act == Act::Update && said.outputs.is_empty());
    Ok(match said.origin {
        // the marks decide, and a resource that cannot carry marks is taken as ours
        Origin::Created if unsure => matches!(owner, Owner::Ours | Owner::Unmarkable),
        // marks of another app outweigh the state, which may have been copied or edited
        Origin::Created if matches!(owner, Owner::OtherApp(_)) => false,
        Origin::Created => owner == Owner::Ours || kind.is_same_object(said.placed, said.outputs, actual)?,
        _ => owner == Owner::Ours,
    })
}
