//! The sandbox's folder: who holds it, where it is served, and how a file in it is written whole. Knows not what is in the files.

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
    /// Where it listens, where other machines reach it, too.
    #[serde(default)]
    pub open_to_all: Option<SocketAddr>,
    /// The metadata services of nodes, by the name of their cluster.
    #[serde(default)]
    pub imds: BTreeMap<String, SocketAddr>,
}

impl Folder {
    /// Made if missing, for this user only; one that others may write is refused.
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

    /// None while another holds it.
    pub fn lock(&self) -> Result<Option<Lock>, Error> {
        let path = self.path("lock");
        let Some(mut file) = files::lock::try_take(&path)? else { return Ok(None) };
        let note = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        note.map_err(Error::file("write", &path))?;
        for name in FILES {
            files::sweep(&self.path(name));
        }
        Ok(Some(Lock { _file: file }))
    }

    /// For a message only: 0 where it cannot be read.
    pub fn holder(&self) -> u32 {
        self.text("lock").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    pub fn served(&self) -> Option<Served> {
        let served: Served = serde_json::from_str(&self.text("serve.json")?).ok()?;
        // a file that somebody else put there must not lead to another machine
        is_local(served.address.ip()).then_some(served)
    }

    /// The port that the folder had last, so that a kubeconfig and an environment stay good.
    pub fn last_port(&self) -> u16 {
        self.text("port").and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// None where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        let Some(mut file) = files::open_existing(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::file("read", path))?;
        Ok(Some(bytes))
    }

    /// None where it cannot be read.
    fn text(&self, name: &str) -> Option<String> {
        String::from_utf8(self.read(name).ok()??).ok()
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

/// What is replaced as a whole.
const FILES: [&str; 6] = ["world.json", "keys.json", "ca.pem", "kubeconfig", "port", "serve.json"];

/// Whether an address is one of this machine's: a loopback one, or one that it can listen on.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || std::net::UdpSocket::bind((address, 0)).is_ok()
}

pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    write_by(path, |file| file.write_all(bytes)).map(|_| ())
}

/// As `files::replace`.
pub fn write_by(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<u64, Error> {
    Ok(files::replace(path, write)?)
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
