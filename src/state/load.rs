//! File and journal together: what the state is, and what is left to do with the journal that was found.

use super::{
    Error, file,
    format::Header,
    journal::{self, JournalBase, JournalContent},
};
use crate::engine::ledger::Ledger;
use std::path::Path;

/// What is to be done with the journal by the holder of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalStatus {
    /// There is none.
    Absent,
    /// All of it is in the file already, or nothing is in it.
    Applied,
    /// It belongs to another version of the file, or to one that was deleted.
    Unrelated,
    /// The ledger has it, the file has not.
    Pending,
}

pub struct Loaded {
    /// None: there is no file, and so no state.
    pub state: Option<(Header, Ledger)>,
    pub leftover: JournalStatus,
    /// The file was only begun by the run that left the journal: there is nothing in it to keep a copy of.
    pub begun: bool,
}

/// Reads without the lock, too: the journal first, so that one which is folded in meanwhile is found in the file.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let journal = journal::read(path)?;
    let Some((head, ledger)) = file::read(path)? else {
        // who deleted the file wants to begin again: half of what was in it must not come back
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
        // a run that was killed after it had written the file, before it removed the journal; or a newer file was copied here
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
