//! The errors of a state file.

use super::format::AzureAccount;
use std::{
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the state file {} is in use by {holder}, since {since}", path.display())]
    Locked { path: PathBuf, holder: String, since: String },
    #[error("the lock {} was removed or replaced while it was held: another podid may write the state now", path.display())]
    LockLost { path: PathBuf },
    #[error("the state file {} cannot be read: {why}", path.display())]
    Damaged { path: PathBuf, why: String, has_backup: bool },
    #[error("the state file {} was written by a newer podid (format {found}; this one knows up to {known})", path.display())]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error("the state file {} belongs to another world: it holds {file}, this command is for {wanted}", path.display())]
    OtherAccount { path: PathBuf, file: Box<AzureAccount>, wanted: Box<AzureAccount> },
    #[error("the journal of the state file, {}.journal, cannot be used: {why}", state.display())]
    Journal { state: PathBuf, why: String },
    /// A file that another user may have put there.
    #[error(transparent)]
    Files(#[from] crate::files::Error),
    #[error("could not {doing} {}: {source}", path.display())]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
}

impl Error {
    pub(super) fn io(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), doing, source }
    }
}
