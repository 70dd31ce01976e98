//! The sandbox's folder: who holds it, where it is served, and how a file in it is written whole. Knows not what is in the files.

use super::error::Error;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

#[derive(Clone)]
pub struct Folder {
    dir: PathBuf,
}

/// Held as long as it lives; the system lets go of it when the process ends, however it ends.
pub struct Lock {
    _file: File,
}

/// `serve.json`: that the folder is served by a process of its own.
#[derive(Clone, Serialize, Deserialize)]
pub struct Served {
    pub pid: u32,
    /// Where a client on this machine reaches it.
    pub address: SocketAddr,
    /// The metadata services of nodes, by the name of their cluster.
    #[serde(default)]
    pub imds: BTreeMap<String, SocketAddr>,
}

impl Folder {
    /// Made if missing, for this user only.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(Error::file("create", dir))?;
        let dir = fs::canonicalize(dir).map_err(Error::file("find", dir))?;
        Ok(Self { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// None while another holds it.
    pub fn lock(&self) -> Result<Option<Lock>, Error> {
        let path = self.path("lock");
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(Error::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {
                let note = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
                note.map_err(Error::file("write", &path))?;
                Ok(Some(Lock { _file: file }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(Error::File { what: "lock", path, source }),
        }
    }

    /// For a message only: 0 where it cannot be read.
    pub fn holder(&self) -> u32 {
        let mut text = String::new();
        let read = File::open(self.path("lock")).and_then(|mut f| f.read_to_string(&mut text));
        read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0)
    }

    pub fn served(&self) -> Option<Served> {
        serde_json::from_slice(&fs::read(self.path("serve.json")).ok()?).ok()
    }

    /// The port that the folder had last, so that a kubeconfig and an environment stay good.
    pub fn last_port(&self) -> u16 {
        fs::read_to_string(self.path("port")).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        write_whole(&self.path(name), bytes)
    }

    /// Absent is fine.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File { what: "remove", path, source }),
            _ => Ok(()),
        }
    }

    /// podid's memory of this world goes with the world.
    pub fn remove_states(&self) -> Result<(), Error> {
        let entries = fs::read_dir(&self.dir).map_err(Error::file("read", &self.dir))?;
        for entry in entries.flatten() {
            if let Some(name) = entry.file_name().to_str().filter(|n| n.starts_with("state.json")) {
                self.remove(name)?;
            }
        }
        Ok(())
    }
}

pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_by(path, |file| file.write_all(bytes)).map(|_| ())
}

/// By a temporary file beside it and a rename: a reader, and a process killed anywhere, finds the old file or the new one. Mode 0600.
/// Answers its length.
pub fn write_by(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<u64, Error> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        write(&mut file)?;
        file.metadata().map(|m| m.len())
    });
    written.and_then(|length| fs::rename(&temporary, path).map(|()| length)).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_folder_and_the_next_is_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("new")).unwrap();
        let held = folder.lock().unwrap();
        assert!(held.is_some());
        assert!(folder.lock().unwrap().is_none());
        assert_eq!(folder.holder(), std::process::id());
        drop(held);
        assert!(folder.lock().unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn files_and_folder_are_for_this_user_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("new")).unwrap();
        folder.write("world.json", b"{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.dir()), 0o700);
        assert_eq!(mode(&folder.path("world.json")), 0o600);
    }
}
