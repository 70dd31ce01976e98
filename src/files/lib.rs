//! Creates and opens files and folders that only their owner may write, and refuses others. A repository, or another user of the machine,
//! may have replaced a path: links are not followed, and a file is checked before it is opened for writing.

pub mod lock;
pub mod whole;

use std::{
    fmt,
    fs::{self, File, Metadata, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// Why a file or folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} {fault}", path.display())]
    Unsafe { path: PathBuf, fault: Fault },
    #[error("{} is {kind}, not a regular file", path.display())]
    NotRegular { path: PathBuf, kind: whole::FileKind },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("could not {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It belongs to the user with this id.
    OwnedBy(u32),
    /// Its mode lets other users write.
    WritableByOthers(u32),
    Link,
    NotAFile,
    NotAFolder,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnedBy(owner) => write!(f, "belongs to another user (uid {owner})"),
            Self::WritableByOthers(mode) => write!(f, "can be written by other users (mode {mode:04o})"),
            Self::Link => f.write_str("is a symbolic link"),
            Self::NotAFile => f.write_str("is not a regular file"),
            Self::NotAFolder => f.write_str("is not a folder"),
        }
    }
}

impl Error {
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// Returns the cause, for a message that already names the file.
    pub fn cause(&self) -> String {
        match self {
            Self::Unsafe { fault, .. } => format!("it {fault}"),
            Self::NotRegular { kind, .. } => format!("it is {kind}, not a regular file"),
            Self::TooLarge { limit, .. } => format!("it is larger than {limit} bytes"),
            Self::Io { source, .. } => source.to_string(),
        }
    }

    /// Returns a hint as a whole sentence.
    pub fn way_out(&self) -> Option<String> {
        let Self::Unsafe { path, fault } = self else { return None };
        let path = path.display();
        Some(match fault {
            Fault::OwnedBy(_) => format!("If you trust what is in it, make it yours: `sudo chown -R \"$(id -u)\" {path}`; else remove it."),
            Fault::WritableByOthers(_) => {
                format!("If you trust what is in it, take the right away: `chmod -R go-w {path}`; else remove it.")
            }
            Fault::Link => format!("Remove the link (`rm {path}`), or name the place that it leads to."),
            Fault::NotAFile | Fault::NotAFolder => format!("Move {path} away, or name another place."),
        })
    }
}

/// Creates the folder for this user only if it is missing. Refuses one of another user, one that others can write, and a link.
pub fn private_folder(dir: &Path) -> Result<(), Error> {
    let looked = fs::symlink_metadata(dir);
    if let Err(error) = &looked
        && error.kind() == io::ErrorKind::NotFound
    {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(Error::io("create the folder", dir))?;
    }
    let meta = fs::symlink_metadata(dir).map_err(Error::io("look at", dir))?;
    if meta.is_symlink() {
        return Err(Error::Unsafe { path: dir.to_owned(), fault: Fault::Link });
    }
    if !meta.is_dir() {
        return Err(Error::Unsafe { path: dir.to_owned(), fault: Fault::NotAFolder });
    }
    check_owner(dir, &meta)?;
    restrict(dir, &meta, 0o700)
}

/// Opens an existing file: a regular one, of this user, that others cannot write. None if there is none.
pub fn open_existing(path: &Path) -> Result<Option<File>, Error> {
    let mut options = OpenOptions::new();
    options.read(true);
    match open(path, &mut options) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Opens the file for a lock, and creates it if needed; it is never emptied. `lock::try_take` locks it.
fn open_lock(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    open(path, &mut options)
}

/// Opens a file for reading and appending, and creates it if needed.
pub fn open_to_append(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    open(path, &mut options)
}

/// Opens and empties a file that was named on the command line; a new one is readable by this user only. A terminal, a pipe or a device is
/// written as it is.
pub fn create(path: &Path) -> Result<File, Error> {
    if is_special(path) {
        return OpenOptions::new().write(true).open(path).map_err(Error::io("open", path));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = open(path, &mut options)?;
    file.set_len(0).map_err(Error::io("empty", path))?;
    let meta = file.metadata().map_err(Error::io("look at", path))?;
    restrict(path, &meta, 0o600)?;
    Ok(file)
}

fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// Opens a file without following a link or waiting for a pipe. The checks are made on the open file, not on the path.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        options.mode(0o600).custom_flags(i32::try_from(flags).unwrap_or_default());
    }
    let file = options.open(path).map_err(|source| match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Error::Unsafe { path: path.to_owned(), fault: Fault::Link },
        _ => Error::Io { doing: "open", path: path.to_owned(), source },
    })?;
    let meta = file.metadata().map_err(Error::io("look at", path))?;
    if !meta.is_file() {
        return Err(Error::Unsafe { path: path.to_owned(), fault: Fault::NotAFile });
    }
    check_owner(path, &meta)?;
    Ok(file)
}

#[cfg(unix)]
fn check_owner(path: &Path, meta: &Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    let unsafe_for = |fault| Err(Error::Unsafe { path: path.to_owned(), fault });
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return unsafe_for(Fault::OwnedBy(meta.uid()));
    }
    // the group of a user with a private group has no other members
    let others = if meta.gid() == me { 0o002 } else { 0o022 };
    if meta.mode() & others != 0 {
        return unsafe_for(Fault::WritableByOthers(meta.mode() & 0o7777));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &Path, _: &Metadata) -> Result<(), Error> {
    Ok(())
}

/// Removes the permissions of other users, also to read.
#[cfg(unix)]
fn restrict(path: &Path, meta: &Metadata, mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    if meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Error::io("restrict", path))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: &Metadata, _: u32) -> Result<(), Error> {
    Ok(())
}

/// Replaces a file by renaming a temporary one with a random name in the same folder, mode 0600. Readers find the old file or the new one,
/// even if the process is killed. Returns the length.
pub fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<u64, Error> {
    let failed = |source| Error::Io { doing: "write", path: path.to_owned(), source };
    if is_special(path) {
        let mut file = create(path)?;
        return write(&mut file).map(|()| 0).map_err(failed);
    }
    let mut temporary = stage(path).map_err(failed)?;
    write(temporary.as_file_mut()).map_err(failed)?;
    let length = temporary.as_file().metadata().map_err(failed)?.len();
    temporary.persist(path).map_err(|error| failed(error.error))?;
    Ok(length)
}

const STAGED: &str = ".tmp";

fn prefix_of(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn stage(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(&prefix_of(path)).suffix(STAGED).tempfile_in(folder_of(path))
}

/// Removes temporary files that killed processes left for this file. Only the holder of the lock that guards the file may call it.
pub fn sweep(path: &Path) {
    let prefix = prefix_of(path);
    for entry in fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(STAGED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[track_caller]
    fn fault<T>(result: Result<T, Error>) -> Fault {
        let error = result.err();
        let Some(Error::Unsafe { fault, .. }) = error else { panic!("it was used, or failed otherwise: {error:?}") };
        fault
    }

    #[test]
    fn links_are_neither_followed_nor_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(fault(open_lock(&link)), Fault::Link);
        assert_eq!(fault(open_existing(&link)), Fault::Link);
        assert_eq!(fault(open_to_append(&link)), Fault::Link);
        symlink(dir.path(), dir.path().join("folder")).unwrap();
        assert_eq!(fault(private_folder(&dir.path().join("folder"))), Fault::Link);
        // the new file replaces the link itself
        replace(&link, |file| io::Write::write_all(file, b"new")).unwrap();
        assert_eq!((fs::read_to_string(&target).unwrap(), fs::read_to_string(&link).unwrap()), ("precious".into(), "new".into()));
        // a dangling link is not followed, and its target is not created
        symlink(dir.path().join("nowhere"), dir.path().join("dangling")).unwrap();
        assert_eq!(fault(open_lock(&dir.path().join("dangling"))), Fault::Link);
        assert!(!dir.path().join("nowhere").exists());
    }

    #[test]
    fn files_that_others_can_write_or_own_are_refused_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lock");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(fault(open_lock(&file)), Fault::WritableByOthers(0o666));
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let error = private_folder(&folder).unwrap_err();
        assert!(error.to_string().ends_with("can be written by other users (mode 0777)"), "{error}");
        assert!(error.way_out().unwrap().contains("`chmod -R go-w "));
        // only root can change the owner of a file
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
            assert_eq!(fault(open_lock(&file)), Fault::OwnedBy(12_345));
        }
    }

    #[test]
    fn new_files_and_folders_are_for_this_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let (made, old) = (dir.path().join("a/b"), dir.path().join("old"));
        private_folder(&made).unwrap();
        assert_eq!(mode(&made), 0o700);
        fs::create_dir(&old).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
        private_folder(&old).unwrap();
        assert_eq!(mode(&old), 0o700, "others could read it");
        let file = made.join("file");
        replace(&file, |_| Ok(())).unwrap();
        assert_eq!(mode(&file), 0o600);
        drop(open_to_append(&made.join("log")).unwrap());
        assert_eq!(mode(&made.join("log")), 0o600);
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert_eq!(fault(open_existing(&pipe)), Fault::NotAFile);
    }

    #[test]
    fn temporary_files_of_a_killed_process_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("world.json");
        std::mem::forget(stage(&file).unwrap());
        fs::write(dir.path().join("other"), "").unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        sweep(&file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
