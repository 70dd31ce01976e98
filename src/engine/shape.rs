//! Checks a ledger that was read: entries must have known kinds and specs of these kinds, and refer to each other without a circle. A state
//! file may be edited by hand, or come from anybody, so it is checked before anything is observed. Outputs are not checked, because they
//! are observed again.

use super::{
    desired::order,
    fault::Fault,
    input::needs,
    ledger::{Entry, Ledger},
    resource::{Backend, Kinds},
};
use std::collections::BTreeMap;

/// Fails with `Fault::State`, which names the first entry that cannot be used.
pub fn check<W: Backend>(ledger: &Ledger, kinds: Kinds<W>) -> Result<(), Fault> {
    for app in ledger.apps() {
        for entry in ledger.of_app(app) {
            one(entry, kinds).map_err(|why| Fault::State(format!("the entry {} of app {app}: {why}", entry.key)))?;
        }
        let entries = ledger.of_app(app);
        let edges: BTreeMap<_, _> = entries
            .map(|entry| (entry.key.clone(), needs(&entry.spec).into_iter().filter(|key| ledger.get(app, key).is_some()).collect()))
            .collect();
        order(&edges).map_err(|_| Fault::State(format!("the entries of app {app} refer to each other in a circle")))?;
    }
    Ok(())
}

fn one<W: Backend>(entry: &Entry, kinds: Kinds<W>) -> Result<(), String> {
    if entry.key.kind() != entry.kind {
        return Err(format!("its kind is {:?}", entry.kind));
    }
    let kind = kinds.of(&entry.kind).map_err(|_| format!("podid knows no resources of kind {:?}", entry.kind))?;
    for (field, spec) in [("spec", &entry.spec), ("placed", &entry.placed)] {
        kind.check(spec).map_err(|fault| format!("{field}: {}", said(fault)))?;
    }
    for left in &entry.left {
        kind.check(&left.placed).map_err(|fault| format!("left.placed: {}", said(fault)))?;
    }
    Ok(())
}

fn said(fault: Fault) -> String {
    match fault {
        Fault::State(why) => why,
        other => other.to_string(),
    }
}
