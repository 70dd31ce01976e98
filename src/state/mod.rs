//! The state file: what podid remembers between commands. Written whole or not at all, by one process at a time.
//! It knows the engine's ledger and nothing of Azure, Kubernetes or the terminal. No secret value is ever in it.

pub mod file;
pub mod format;
pub mod lock;

pub use format::World;

use crate::engine::ledger::{Keeper, Ledger};
use format::Head;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state file {} is in use by {holder}, since {since}", path.display())]
    Locked { path: PathBuf, holder: String, since: String },
    #[error("the state file {} cannot be read: {why}", path.display())]
    Damaged { path: PathBuf, why: String, has_backup: bool },
    #[error("the state file {} was written by a newer podid (format {found}; this one knows up to {known})", path.display())]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error("the state file {} belongs to another world: it holds {file}, this command is for {wanted}", path.display())]
    OtherWorld { path: PathBuf, file: Box<World>, wanted: Box<World> },
    #[error("could not {doing} {}: {source}", path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
}

impl Error {
    fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), doing, source }
    }
}

/// A state file that this process holds alone, until the last of its clones and keepers is dropped.
#[derive(Clone)]
pub struct State(Arc<Held>);

struct Held {
    path: PathBuf,
    book: Mutex<Book>,
    _lock: lock::Lock,
}

struct Book {
    head: Head,
    ledger: Ledger,
    /// What the file holds; None: there is none, or one that could not be read.
    written: Option<(Head, Ledger)>,
}

impl State {
    /// Takes the lock, waiting for it up to `lock_timeout`; reads the file, or begins an empty state where there is none.
    /// `command` is shown to those who find the lock taken; it must hold no secret.
    pub fn open(path: &Path, lock_timeout: Duration, command: &str) -> Result<Self, Error> {
        let (path, lock) = Self::take(path, lock_timeout, command)?;
        let (head, ledger, written) = match file::read(&path)? {
            Some((head, ledger)) => (head.clone(), ledger.clone(), Some((head, ledger))),
            None => (Head::fresh(), Ledger::default(), None),
        };
        Ok(Self::held(path, lock, head, ledger, written))
    }

    /// As `open`, for a rebuild: begins an empty ledger whatever the file holds. The lineage of a readable file lives on;
    /// an unreadable one is moved aside to `FILE.damaged`, so that nothing is lost and `FILE.bak` stays what it is.
    pub fn renew(path: &Path, lock_timeout: Duration, command: &str) -> Result<Self, Error> {
        let (path, lock) = Self::take(path, lock_timeout, command)?;
        let (head, written) = match file::read(&path) {
            Ok(Some((head, ledger))) => (head.clone(), Some((head, ledger))),
            Ok(None) => (Head::fresh(), None),
            Err(Error::Damaged { .. }) => {
                file::set_aside(&path)?;
                (Head::fresh(), None)
            }
            Err(other) => return Err(other),
        };
        Ok(Self::held(path, lock, head, Ledger::default(), written))
    }

    /// Without the lock, for commands that only look. A file that is not there is an empty state of no world.
    pub fn peek(path: &Path) -> Result<(Option<World>, Ledger), Error> {
        Ok(file::read(&file::resolved(path))?.map_or_else(Default::default, |(head, ledger)| (head.world, ledger)))
    }

    fn take(path: &Path, lock_timeout: Duration, command: &str) -> Result<(PathBuf, lock::Lock), Error> {
        let path = file::resolved(path);
        file::make_room(&path)?;
        let lock = lock::Lock::take(&path, lock_timeout, command)?;
        // whoever left one behind is gone: the lock is ours
        file::sweep(&path);
        Ok((path, lock))
    }

    fn held(path: PathBuf, lock: lock::Lock, head: Head, ledger: Ledger, written: Option<(Head, Ledger)>) -> Self {
        Self(Arc::new(Held { path, book: Mutex::new(Book { head, ledger, written }), _lock: lock }))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub fn ledger(&self) -> Ledger {
        self.0.book().ledger.clone()
    }

    pub fn world(&self) -> Option<World> {
        self.0.book().head.world.clone()
    }

    /// Fixes the head of a fresh state; refuses one that was fixed for another world.
    pub fn settle_world(&self, world: World) -> Result<(), Error> {
        let mut book = self.0.book();
        match &book.head.world {
            Some(file) if !file.is(&world) => {
                Err(Error::OtherWorld { path: self.0.path.clone(), file: Box::new(file.clone()), wanted: Box::new(world) })
            }
            Some(_) => Ok(()),
            None => {
                book.head.world = Some(world);
                Ok(())
            }
        }
    }

    /// Writes the file if anything in it changes; what was there stays as `FILE.bak`.
    pub fn save(&self, ledger: &Ledger) -> Result<(), Error> {
        self.0.save_ledger(ledger)
    }

    pub fn keeper(&self) -> Arc<dyn Keeper> {
        Arc::clone(&self.0) as Arc<dyn Keeper>
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Held {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_ledger(&self, ledger: &Ledger) -> Result<(), Error> {
        let mut book = self.book();
        let same = match &book.written {
            Some((head, written)) => *head == book.head && written == ledger,
            // a state that never held anything needs no file
            None => ledger.is_empty() && book.head.serial == 0,
        };
        book.ledger = ledger.clone();
        if same {
            return Ok(());
        }
        let head = Head { serial: book.head.serial + 1, ..book.head.clone() };
        file::write(&self.path, &head, ledger)?;
        book.head = head.clone();
        book.written = Some((head, ledger.clone()));
        Ok(())
    }
}

impl Keeper for Held {
    fn save(&self, ledger: &Ledger) -> Result<(), String> {
        self.save_ledger(ledger).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
