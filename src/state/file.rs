//! Reads and replaces the state file. A reader finds the old file or the new one, never a partial one.

use super::{
    Error,
    format::{self, FormatError, Header, VERSION},
};
use crate::{engine::ledger::Ledger, files};
use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Appends an ending to the whole name of `FILE`: `podid.state.json.bak`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Resolves symbolic links, because a rename would replace the link and not its target.
pub fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates the folder if it is missing, for this user only whatever the umask is.
pub fn make_room(path: &Path) -> Result<(), Error> {
    let folder = folder(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(Error::io(folder, "create the folder"))
}

/// The size limit in bytes. A state that fits in memory is smaller: twenty-five thousand resources.
pub(super) const LIMIT: u64 = 32 << 20;

/// Reads at most `LIMIT` bytes. The error says what is wrong with the file.
pub(super) fn bounded(file: fs::File) -> io::Result<Result<Vec<u8>, String>> {
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    let too_long = u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LIMIT;
    Ok(if too_long { Err(format!("it is larger than {} MiB, the most that podid reads", LIMIT >> 20)) } else { Ok(bytes) })
}

/// Reads a regular file of this user that others cannot write, because its content decides what podid deletes.
pub fn read(path: &Path) -> Result<Option<(Header, Ledger)>, Error> {
    let Some(file) = files::open_existing(path)? else { return Ok(None) };
    let bytes = bounded(file).map_err(Error::io(path, "read the state file"))?;
    let parsed = bytes.map_err(FormatError::Damaged).and_then(|bytes| match std::str::from_utf8(&bytes) {
        Ok(text) => format::parse(text),
        Err(_) => Err(FormatError::Damaged("it is not text".into())),
    });
    match parsed {
        Ok(read) => Ok(Some(read)),
        Err(FormatError::Newer(found)) => Err(Error::Newer { path: path.to_owned(), found, known: VERSION }),
        Err(FormatError::Damaged(why)) => Err(Error::Damaged { path: path.to_owned(), why, has_backup: beside(path, ".bak").is_file() }),
    }
}

/// Writes the new file under a temporary name in the same folder and syncs it. `tempfile` sets mode 0600: ids are not for everyone.
pub(super) fn stage(path: &Path, head: &Header, ledger: &Ledger) -> Result<NamedTempFile, Error> {
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

/// Renames the old file to `FILE.bak` and moves the new one to its place in one step, so that `FILE` always exists. With `begun` the old
/// file is empty, and the backup is a copy of the new one.
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

pub fn write(path: &Path, head: &Header, ledger: &Ledger, begun: bool) -> Result<(), Error> {
    commit(path, stage(path, head, ledger)?, begun)
}

fn copy(path: &Path) -> io::Result<()> {
    let next = unused(path)?;
    fs::copy(path, &next)?;
    fs::rename(&next, beside(path, ".bak"))
}

/// Returns the path `FILE.bak.next`, after removing what a killed process or another user left there.
fn unused(path: &Path) -> io::Result<PathBuf> {
    let next = beside(path, ".bak.next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(next),
    }
}

fn back_up(path: &Path) -> io::Result<()> {
    let next = unused(path)?;
    // a hard link needs no copy of the data; file systems without hard links get a copy
    if fs::hard_link(path, &next).is_err() {
        fs::copy(path, &next)?;
    }
    fs::rename(&next, beside(path, ".bak"))
}

/// Syncs the folder, which makes a rename durable. Only Unix can open a folder.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder(path))?.sync_all() } else { Ok(()) }
}

pub fn set_aside(path: &Path) -> Result<(), Error> {
    fs::rename(path, beside(path, ".damaged")).map_err(Error::io(path, "move the damaged state file aside"))
}

/// Removes temporary files that killed processes left. Only the holder of the lock may call it.
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
