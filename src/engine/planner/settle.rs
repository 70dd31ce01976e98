//! What becomes of a thing that is wanted and is there: whose it is, and whether it may be changed. Asked for the plan, and again just before
//! the write where more can be seen than when the plan was made. Pure.

use super::super::{
    desired::Node,
    fault::Fault,
    ledger::Origin,
    observe::Recorded,
    plan::Act,
    resource::{Backend, Change, Data, Diff, ErasedKind, NodeContext, Owner},
};
use serde_json::Value;

/// What is to be done with a thing that is there.
#[derive(Debug)]
pub(in crate::engine) enum Settled {
    Do {
        act: Act,
        origin: Origin,
        changes: Vec<Change>,
        why: Option<String>,
    },
    /// `changes`: how it differs, where that is the reason.
    Refused {
        reason: String,
        way_out: String,
        changes: Vec<Change>,
    },
}

/// Both texts, where there are two.
pub(in crate::engine) fn both(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

/// `context` says whether the thing is ours, and what the ledger calls it; `adopt`: foreign things that differ may be taken over.
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

/// Whether what was seen is ours, by what the ledger says of it and by what it says itself.
pub(in crate::engine) fn is_ours_as_said<W: Backend>(
    kind: &dyn ErasedKind<W>,
    said: Recorded<'_>,
    owner: Owner,
    actual: &Value,
) -> Result<bool, Fault> {
    // killed between intent and record: what is recorded is nothing, or is of a predecessor
    let unsure = said.doing.is_some_and(|act| act.makes() || act == Act::Update && said.outputs.is_empty());
    Ok(match said.origin {
        // what the thing itself says decides, and a thing that cannot tell was ours to make
        Origin::Created if unsure => matches!(owner, Owner::Ours | Owner::Unmarkable),
        // marks that name somebody else outweigh the state, which may have been copied or edited
        Origin::Created if matches!(owner, Owner::OtherApp(_)) => false,
        Origin::Created => owner == Owner::Ours || kind.is_same_object(said.placed, said.outputs, actual)?,
        _ => owner == Owner::Ours,
    })
}
