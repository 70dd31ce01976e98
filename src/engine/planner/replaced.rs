//! Describes a replacement: the fields that differ from the old resource, and what is deleted for it.

use super::super::{
    fault::Fault,
    input::shown,
    ledger::{FormerPlace, Origin},
    resource::{Backend, Change, ErasedKind},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Returns the fields that change from the old resource to the new one. `left` are the former places to delete, the latest last.
pub(super) fn changes<W: Backend>(
    kind: &dyn ErasedKind<W>,
    placed: &Value,
    left: &[(FormerPlace, Option<Value>)],
) -> Result<Vec<Change>, Fault> {
    let Some(old) = there(left).last() else { return Ok(Vec::new()) };
    let before: BTreeMap<&str, Value> = kind.creation_summary(&old.placed)?.into_iter().collect();
    let field = |(field, to): (&'static str, Value)| {
        let from = before.get(field).map(shown).unwrap_or_default();
        Change { field: field.into(), from, to: shown(&to) }
    };
    let mut changes: Vec<Change> = kind.creation_summary(placed)?.into_iter().map(field).filter(|c| c.from != c.to).collect();
    let known_by = kind.identifiers(placed, &old.outputs)?;
    changes.extend(known_by.into_iter().map(|(field, from)| Change { field: field.into(), from, to: json!("(new)") }));
    Ok(changes)
}

/// Returns the plan's note about the old resources. None if nothing is deleted.
pub(super) fn deletion(left: &[(FormerPlace, Option<Value>)]) -> Option<String> {
    let one = |left: &FormerPlace| match (left.origin, left.outputs.get("id").and_then(Value::as_str)) {
        (Origin::Extended, _) => "what podid added to the old one is taken back".to_owned(),
        (_, Some(id)) => format!("the old one is deleted: {id}"),
        (_, None) => "the old one is deleted".to_owned(),
    };
    let mut all: Vec<String> = there(left).map(one).collect();
    all.dedup();
    (!all.is_empty()).then(|| all.join("; "))
}

fn there(left: &[(FormerPlace, Option<Value>)]) -> impl DoubleEndedIterator<Item = &FormerPlace> {
    left.iter().filter(|(_, actual)| actual.is_some()).map(|(left, _)| left)
}
