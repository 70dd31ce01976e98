//! The sandbox's folder: who holds its lock, where it is served, and how its files are read and written.

use super::error::Error;
use podid_files as files;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

#[derive(Clone)]
pub struct Folder {
    dir: PathBuf,
}

/// A lock on the folder. The system releases it when the process ends, for whatever reason.
pub struct FolderLock {
    _file: File,
}

/// The content of `serve.json`: the process that serves the folder.
#[derive(Clone, Serialize, Deserialize)]
pub struct Served {
    pub pid: u32,
    /// The address for clients on this machine.
    pub address: SocketAddr,
    /// The address for other machines, if they can reach the listener.
    #[serde(default)]
    pub open_to_all: Option<SocketAddr>,
    /// The metadata services of nodes by cluster name.
    #[serde(default)]
    pub imds: BTreeMap<String, SocketAddr>,
}

impl Folder {
    /// Opens the folder and creates it for this user only, if it does not exist. A folder that others may write to is rejected.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        files::private_folder(dir)?;
        let dir = fs::canonicalize(dir).map_err(Error::file("find", dir))?;
        Ok(Self { dir })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns None while another process holds the lock.
    pub fn lock(&self) -> Result<Option<FolderLock>, Error> {
        let path = self.path("lock");
        let Some(mut file) = files::lock::try_take(&path)? else { return Ok(None) };
        let note = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        note.map_err(Error::file("write", &path))?;
        for name in FILES {
            files::sweep(&self.path(name));
        }
        Ok(Some(FolderLock { _file: file }))
    }

    /// Returns the process that holds the lock, for messages; 0 if it is unknown.
    pub fn holder(&self) -> u32 {
        self.text("lock").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    pub fn served(&self) -> Option<Served> {
        let served: Served = serde_json::from_str(&self.text("serve.json")?).ok()?;
        // a file created by somebody else must not lead to another machine
        is_local(served.address.ip()).then_some(served)
    }

    /// Returns the last port of the folder, so that kubeconfigs and environments stay valid.
    pub fn last_port(&self) -> u16 {
        self.text("port").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Returns None if the file does not exist.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        let Some(mut file) = files::open_existing(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::file("read", path))?;
        Ok(Some(bytes))
    }

    /// Returns None if the file cannot be read.
    fn text(&self, name: &str) -> Option<String> {
        String::from_utf8(self.read(name).ok()??).ok()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        write_whole(&self.path(name), bytes)
    }

    /// A missing file is not an error.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::File { what: "remove", path, source }),
            _ => Ok(()),
        }
    }

    /// The folder of the logs of programs.
    pub fn logs(&self) -> PathBuf {
        self.path("logs")
    }

    /// Removes the logs of all programs.
    pub fn remove_logs(&self) -> Result<(), Error> {
        let path = self.logs();
        match fs::remove_dir_all(&path) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", &path)(why)),
            _ => Ok(()),
        }
    }

    /// Removes podid's state files of this world.
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

/// Files that are replaced as a whole.
const FILES: [&str; 6] = ["world.json", "keys.json", "ca.pem", "kubeconfig", "port", "serve.json"];

/// Returns whether the address belongs to this machine.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_by(path, |file| file.write_all(bytes)).map(|_| ())
}

/// Does the same as `files::replace`.
pub fn write_by(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<u64, Error> {
    Ok(files::replace(path, write)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_process_holds_the_folder() {
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
    fn files_and_folder_are_private_to_the_user() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("new")).unwrap();
        folder.write("world.json", b"{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.dir()), 0o700);
        assert_eq!(mode(&folder.path("world.json")), 0o600);
    }
}
