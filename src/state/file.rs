//! Reading and replacing the state file: a reader finds the old one or the new one, never a half one.

use super::{
    Error,
    format::{self, Head, Unread, VERSION},
};
use crate::engine::ledger::Ledger;
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// `FILE` with something after its whole name: `podid.state.json.bak`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Through symbolic links: a rename would replace the link, not what it points to.
pub fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub fn make_room(path: &Path) -> Result<(), Error> {
    let folder = folder(path);
    fs::create_dir_all(folder).map_err(Error::io(folder, "create the folder"))
}

pub fn read(path: &Path) -> Result<Option<(Head, Ledger)>, Error> {
    let text = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(path, "read the state file")(error)),
    };
    let parsed = match std::str::from_utf8(&text) {
        Ok(text) => format::parse(text),
        Err(_) => Err(Unread::Damaged("it is not text".into())),
    };
    match parsed {
        Ok(read) => Ok(Some(read)),
        Err(Unread::Newer(found)) => Err(Error::Newer { path: path.to_owned(), found, known: VERSION }),
        Err(Unread::Damaged(why)) => Err(Error::Damaged { path: path.to_owned(), why, has_backup: beside(path, ".bak").is_file() }),
    }
}

/// The new file under another name in the same folder, whole and on the disk. 0600 by `tempfile`: ids are not for everyone.
pub(super) fn stage(path: &Path, head: &Head, ledger: &Ledger) -> Result<NamedTempFile, Error> {
    let failed = |error: io::Error| Error::Io { path: path.to_owned(), doing: "write the state file", source: error };
    let staged = tempfile::Builder::new().prefix(&staged_prefix(path)).suffix(STAGED).tempfile_in(folder(path)).map_err(failed)?;
    let mut text = io::BufWriter::with_capacity(1 << 16, staged.as_file());
    format::print(head, ledger, &mut text).and_then(|()| text.flush()).map_err(failed)?;
    drop(text);
    staged.as_file().sync_all().map_err(failed)?;
    Ok(staged)
}

const STAGED: &str = ".tmp";

fn staged_prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The old one becomes `FILE.bak`, the new one takes its place in one step: at no moment is there no `FILE`.
/// `begun`: the old one holds nothing; then the copy is one of the new one.
pub(super) fn commit(path: &Path, staged: NamedTempFile, begun: bool) -> Result<(), Error> {
    let kept = Error::io(path, "keep a copy of the state file");
    if begun || !path.exists() {
        staged.persist(path).map_err(|e| Error::io(path, "replace the state file")(e.error))?;
        sync_folder(path).map_err(Error::io(path, "write the state file"))?;
        return if begun { copy(path).map_err(kept) } else { Ok(()) };
    }
    back_up(path).map_err(kept)?;
    staged.persist(path).map_err(|e| Error::io(path, "replace the state file")(e.error))?;
    sync_folder(path).map_err(Error::io(path, "write the state file"))
}

pub fn write(path: &Path, head: &Head, ledger: &Ledger, begun: bool) -> Result<(), Error> {
    commit(path, stage(path, head, ledger)?, begun)
}

fn copy(path: &Path) -> io::Result<()> {
    let next = unused(path)?;
    fs::copy(path, &next)?;
    fs::rename(&next, beside(path, ".bak"))
}

/// `FILE.bak.next`, without what a killed process, or somebody else, left there.
fn unused(path: &Path) -> io::Result<PathBuf> {
    let next = beside(path, ".bak.next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(next),
    }
}

fn back_up(path: &Path) -> io::Result<()> {
    let next = unused(path)?;
    // a second name for the same bytes; file systems without hard links get a copy
    if fs::hard_link(path, &next).is_err() {
        fs::copy(path, &next)?;
    }
    fs::rename(&next, beside(path, ".bak"))
}

/// A rename is on the disk when its folder is; other systems than Unix do not open folders.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder(path))?.sync_all() } else { Ok(()) }
}

pub fn set_aside(path: &Path) -> Result<(), Error> {
    fs::rename(path, beside(path, ".damaged")).map_err(Error::io(path, "move the damaged state file aside"))
}

/// Takes away what killed processes staged and never put in place. Only for the holder of the lock.
pub fn sweep(path: &Path) {
    let _ = unused(path);
    let prefix = staged_prefix(path);
    let Ok(entries) = fs::read_dir(folder(path)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(STAGED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
