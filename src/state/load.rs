//! Loads file and journal together, and decides what to do with the journal.

use super::{
    Error, file,
    format::Header,
    journal::{self, JournalBase, JournalContent},
};
use crate::engine::ledger::Ledger;
use std::path::Path;

/// What the holder of the lock must do with the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalStatus {
    /// There is no journal.
    Absent,
    /// The file has all of its changes, or it has none.
    Applied,
    /// It belongs to another version of the file, or to a deleted one.
    Unrelated,
    /// The loaded ledger has its changes; the file does not.
    Pending,
}

pub struct Loaded {
    /// None if there is no file.
    pub state: Option<(Header, Ledger)>,
    pub leftover: JournalStatus,
    /// The file was created by the run that left the journal, so no backup of it is needed.
    pub begun: bool,
}

/// Loads the state; this works without the lock, too. The journal is read first: if it is merged meanwhile, the file has its changes.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let journal = journal::read(path)?;
    let Some((head, ledger)) = file::read(path)? else {
        // whoever deleted the file wants to start over, so none of its content may come back
        let leftover = if journal.is_some() { JournalStatus::Unrelated } else { JournalStatus::Absent };
        return Ok(Loaded { state: None, leftover, begun: false });
    };
    let begun = head.serial == 1 && ledger.is_empty();
    let Some(journal) = journal else { return Ok(Loaded { state: Some((head, ledger)), leftover: JournalStatus::Absent, begun }) };
    let leftover = judge(path, &journal, &head, &ledger)?;
    let mut ledger = ledger;
    if leftover == JournalStatus::Pending {
        journal.changes.into_iter().for_each(|change| ledger.apply(change));
    }
    Ok(Loaded { state: Some((head, ledger)), leftover, begun })
}

fn judge(path: &Path, journal: &JournalContent, head: &Header, ledger: &Ledger) -> Result<JournalStatus, Error> {
    let refused = |why: String| Err(Error::Journal { state: path.to_owned(), why });
    let Some(base) = &journal.base else { return Ok(JournalStatus::Applied) };
    if base.lineage != head.lineage || base.serial > head.serial {
        return Ok(JournalStatus::Unrelated);
    }
    if base.serial < head.serial {
        // a run was killed between writing the file and removing the journal, or a newer file was copied here
        return Ok(if journal.is_in(ledger) { JournalStatus::Applied } else { JournalStatus::Unrelated });
    }
    if let Some(damage) = &journal.damage {
        return refused(damage.clone());
    }
    if journal.is_in(ledger) {
        return Ok(JournalStatus::Applied);
    }
    let now = JournalBase::of(head, ledger).map_err(Error::io(path, "read the state file"))?;
    if now != *base {
        return refused("a run that did not end left changes in it, and the state file was edited since".to_owned());
    }
    Ok(JournalStatus::Pending)
}
