//! A safety net for all deletions: a resource that is also in the plan, or in another app, under any key is kept.

use super::{
    super::{
        fault::Fault,
        input::Outputs,
        key::Key,
        plan::{Act, Action},
        resource::{Backend, Kinds},
    },
    Planner,
};
use serde_json::Value;
use std::collections::BTreeMap;

impl<W: Backend> Planner<'_, W> {
    /// Turns the deletion of a resource that another key refers to, too, into forgetting it.
    pub(super) fn spare(&mut self) -> Result<(), Fault> {
        if !self.actions.values().any(deletes) {
            return Ok(());
        }
        let staying = self.staying()?;
        let kinds = self.kinds;
        for action in self.actions.values_mut().filter(|a| deletes(a)) {
            let found = |placed: &Value, outputs: &Outputs| -> Result<Option<Key>, Fault> {
                let names = names(kinds, &action.kind, placed, outputs)?;
                Ok(names.iter().find_map(|name| staying.get(name)).filter(|key| **key != action.key).cloned())
            };
            let mut spared = None;
            if action.act == Act::Delete && action.work.actual.is_some() {
                spared = found(&action.work.placed, &action.work.outputs)?;
            }
            let mut left = Vec::new();
            for (former, actual) in std::mem::take(&mut action.work.left) {
                match actual.is_some().then(|| found(&former.placed, &former.outputs)).transpose()?.flatten() {
                    Some(key) => spared = spared.or(Some(key)),
                    None => left.push((former, actual)),
                }
            }
            action.work.left = left;
            let Some(key) = spared else { continue };
            action.why = Some(format!("{key} is the same resource and stays"));
            let still_deletes = action.work.left.iter().any(|(_, actual)| actual.is_some());
            match action.act {
                Act::Delete if !still_deletes => action.act = Act::Forget,
                // only the objects at former places are deleted
                Act::Delete => action.work.actual = None,
                Act::Replace if !still_deletes => {
                    action.act = match (&action.work.actual, action.changes.is_empty()) {
                        (None, _) => Act::Create,
                        (Some(_), true) => Act::Keep,
                        (Some(_), false) => Act::Update,
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the resources that stay, of this plan and of other apps, by the names that identify them.
    fn staying(&self) -> Result<BTreeMap<String, Key>, Fault> {
        let mut staying = BTreeMap::new();
        for action in self.actions.values().filter(|a| !a.act.removes()) {
            for name in names(self.kinds, &action.kind, &action.work.placed, &action.work.outputs)? {
                staying.entry(name).or_insert_with(|| action.key.clone());
            }
        }
        for entry in self.ledger.entries().filter(|e| e.app != self.desired.app) {
            for name in names(self.kinds, &entry.kind, &entry.placed, &entry.outputs)? {
                staying.entry(name).or_insert_with(|| entry.key.clone());
            }
        }
        Ok(staying)
    }
}

fn deletes(action: &Action) -> bool {
    action.act == Act::Delete || action.work.left.iter().any(|(_, actual)| actual.is_some())
}

/// Returns the names of a resource: its kind and place, and its id if it has one. Azure ignores case in both.
fn names<W: Backend>(kinds: Kinds<W>, kind: &str, placed: &Value, outputs: &Outputs) -> Result<Vec<String>, Fault> {
    let place = kinds.of(kind)?.place(placed)?.map(|place| format!("{kind} {place}").to_lowercase());
    let id = outputs.get("id").and_then(Value::as_str).map(|id| format!("id {id}").to_lowercase());
    Ok(place.into_iter().chain(id).collect())
}
