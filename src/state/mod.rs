//! The state file: what podid remembers between commands. It is written whole or not at all, by one process at a time. A run writes its
//! changes to a journal next to it first (`FILE.journal`), and to the file when it ends or the next one begins. This module knows the
//! engine's ledger, and neither Azure, Kubernetes nor the terminal. No secret value is ever in the file.
//!
//! `format` is the text; `file` reads and replaces it; `journal` is the file of changes; `load` reads both; `lock` lets one process at a
//! time in; `recorder` saves the changes of a run.

mod error;
pub mod file;
pub mod format;
mod journal;
mod load;
pub mod lock;
mod recorder;

pub use error::Error;
pub use format::AzureAccount;

use crate::engine::ledger::{Ledger, LedgerChange, LedgerStore};
use format::Header;
use load::{JournalStatus, Loaded};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A state file that is locked by this process until the last clone and ledger store is dropped.
#[derive(Clone)]
pub struct State(Arc<OpenState>);

struct OpenState {
    path: PathBuf,
    content: Mutex<StateContent>,
    recorder: recorder::Recorder,
    lock: lock::Lock,
}

struct StateContent {
    head: Header,
    /// The content of file and journal.
    ledger: Ledger,
    /// The header of the file. None if there is no readable file.
    written: Option<Header>,
    /// The ledger in the file if it differs from `ledger`: a rebuild starts with an empty one.
    replaced: Option<Ledger>,
    /// The journal, while a run writes it.
    journal: Option<journal::Journal>,
    /// Whether the file was only created as the base of a journal.
    begun: bool,
}

impl State {
    /// Takes the lock, waiting for it up to `lock_timeout`, and reads the file; a missing file is an empty state. The journal of a killed
    /// run is merged into the file. `command` is shown to others who find the lock taken; it must not hold a secret.
    pub fn open(path: &Path, lock_timeout: Duration, command: &str) -> Result<Self, Error> {
        let (path, lock) = Self::take(path, lock_timeout, command)?;
        let found = settled(&path)?;
        let (head, ledger, written) = match found {
            Some((head, ledger)) => (head.clone(), ledger, Some(head)),
            None => (Header::fresh(), Ledger::default(), None),
        };
        let begun = head.serial == 1 && ledger.is_empty();
        Ok(Self::held(path, lock, StateContent { head, ledger, written, replaced: None, journal: None, begun }))
    }

    /// Opens the state like `open`, but with an empty ledger, for a rebuild. The lineage of a readable file is kept; an unreadable one is
    /// renamed to `FILE.damaged`, so that nothing is lost and `FILE.bak` stays what it is.
    pub fn renew(path: &Path, lock_timeout: Duration, command: &str) -> Result<Self, Error> {
        let (path, lock) = Self::take(path, lock_timeout, command)?;
        let found = match settled(&path) {
            Err(Error::Journal { .. }) => {
                journal::set_aside(&path)?;
                settled(&path)
            }
            other => other,
        };
        let found = match found {
            Err(Error::Damaged { .. }) => {
                file::set_aside(&path)?;
                journal::set_aside(&path)?;
                None
            }
            other => other?,
        };
        let (head, written, replaced) = match found {
            Some((head, ledger)) => (head.clone(), Some(head), Some(ledger)),
            None => (Header::fresh(), None, None),
        };
        Ok(Self::held(path, lock, StateContent { head, ledger: Ledger::default(), written, replaced, journal: None, begun: false }))
    }

    /// Reads the state without the lock, for commands that only read. A missing file is an empty state.
    pub fn peek(path: &Path) -> Result<(Option<AzureAccount>, Ledger), Error> {
        Ok(load::load(&file::resolved(path))?.state.map_or_else(Default::default, |(head, ledger)| (head.world, ledger)))
    }

    fn take(path: &Path, lock_timeout: Duration, command: &str) -> Result<(PathBuf, lock::Lock), Error> {
        let path = file::resolved(path);
        file::make_room(&path)?;
        let lock = lock::Lock::take(&path, lock_timeout, command)?;
        // the process that left them no longer holds the lock, which is ours
        file::sweep(&path);
        Ok((path, lock))
    }

    fn held(path: PathBuf, lock: lock::Lock, book: StateContent) -> Self {
        Self(Arc::new(OpenState { path, content: Mutex::new(book), recorder: recorder::Recorder::default(), lock }))
    }

    /// Returns the ledger with everything saved and recorded since.
    pub fn ledger(&self) -> Ledger {
        self.0.content().ledger.clone()
    }

    pub fn world(&self) -> Option<AzureAccount> {
        self.0.content().head.world.clone()
    }

    /// Sets the account of a new state. Fails if the state is for another account.
    pub fn settle_account(&self, world: AzureAccount) -> Result<(), Error> {
        let mut content = self.0.content();
        match &content.head.world {
            Some(file) if !file.is(&world) => {
                Err(Error::OtherAccount { path: self.0.path.clone(), file: Box::new(file.clone()), wanted: Box::new(world) })
            }
            Some(_) => Ok(()),
            None => {
                content.head.world = Some(world);
                Ok(())
            }
        }
    }

    /// Writes the file if anything in it changes; the former one is kept as `FILE.bak`.
    pub fn save(&self, ledger: &Ledger) -> Result<(), Error> {
        self.0.lock.check()?;
        let mut content = self.0.content();
        content.finish(&self.0.path)?;
        let same = match &content.written {
            Some(head) => *head == content.head && content.replaced.as_ref().unwrap_or(&content.ledger) == ledger,
            // a state that never held anything needs no file
            None => ledger.is_empty() && content.head.serial == 0,
        };
        content.ledger = ledger.clone();
        if same { Ok(()) } else { content.write(&self.0.path, false) }
    }

    /// Returns the store that a run saves its changes with.
    pub fn ledger_store(&self) -> Arc<dyn LedgerStore> {
        Arc::new(recorder::StateStore(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl OpenState {
    fn content(&self) -> MutexGuard<'_, StateContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateContent {
    /// Writes the whole file with the next serial.
    fn write(&mut self, path: &Path, begun: bool) -> Result<(), Error> {
        let head = Header { serial: self.head.serial + 1, ..self.head.clone() };
        file::write(path, &head, &self.ledger, begun)?;
        self.head = head.clone();
        self.written = Some(head);
        self.replaced = None;
        Ok(())
    }

    /// Opens the journal. Its base is the file, which is written first if it is missing or outdated.
    fn journal(&mut self, path: &Path) -> Result<&mut journal::Journal, Error> {
        if self.journal.is_none() {
            if self.written.as_ref() != Some(&self.head) || self.replaced.is_some() {
                self.begun |= self.written.is_none() && self.ledger.is_empty();
                self.write(path, false)?;
            }
            let base = journal::JournalBase::of(&self.head, &self.ledger).map_err(Error::io(path, "write the state file"))?;
            self.journal = Some(journal::Journal::create(path, &base)?);
        }
        self.journal.as_mut().ok_or_else(|| Error::io(path, "write")(io::Error::other("no journal")))
    }

    fn record(&mut self, path: &Path, changes: Vec<LedgerChange>) -> Result<(), Error> {
        self.journal(path)?.append(&changes)?;
        changes.into_iter().for_each(|change| self.ledger.apply(change));
        Ok(())
    }

    /// Merges the journal into the file.
    fn finish(&mut self, path: &Path) -> Result<(), Error> {
        let Some(journal) = self.journal.take() else { return Ok(()) };
        let journal::Counts { lines, bytes, syncs } = journal.counts;
        tracing::debug!("the journal of the state took {lines} lines, {bytes} bytes and {syncs} syncs");
        drop(journal);
        let begun = std::mem::take(&mut self.begun);
        self.write(path, begun)?;
        journal::remove(path)
    }
}

/// Merges a leftover journal. The caller holds the lock; afterwards there is no journal.
fn settled(path: &Path) -> Result<Option<(Header, Ledger)>, Error> {
    let Loaded { state, leftover, begun } = load::load(path)?;
    match leftover {
        JournalStatus::Absent => {}
        JournalStatus::Applied => journal::remove(path)?,
        JournalStatus::Unrelated => journal::set_aside(path)?,
        JournalStatus::Pending => {
            let Some((head, ledger)) = state else { return Ok(None) };
            let head = Header { serial: head.serial + 1, ..head };
            file::write(path, &head, &ledger, begun)?;
            journal::remove(path)?;
            return Ok(Some((head, ledger)));
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests;
