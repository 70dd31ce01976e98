//! Lets one process at a time use a state: a lock of the operating system on `FILE.lock`, and a line in it that describes the holder.

use super::{Error, file::beside};
use crate::files;
use std::{
    env, fs,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

/// The file is kept when the lock is released: removing it would let two processes lock two files of one name.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

const PAUSE: Duration = Duration::from_millis(50);

impl Lock {
    pub fn take(state: &Path, timeout: Duration, command: &str) -> Result<Self, Error> {
        let path = beside(state, ".lock");
        let begun = Instant::now();
        let file = loop {
            match files::lock::try_take(&path)? {
                Some(file) => break file,
                None if begun.elapsed() < timeout => thread::sleep(PAUSE.min(timeout)),
                None => return Err(held_by(state, &path)),
            }
        };
        let mut lock = Self { file, path };
        lock.sign(command).map_err(Error::io(&lock.path, "write"))?;
        Ok(lock)
    }

    /// Fails if the lock file was removed or replaced: another process may have locked the new one, so nothing may be written any more.
    pub fn check(&self) -> Result<(), Error> {
        if files::lock::has_name(&self.file, &self.path).map_err(Error::io(&self.path, "look at"))? {
            return Ok(());
        }
        Err(Error::LockLost { path: self.path.clone() })
    }

    fn sign(&mut self, command: &str) -> std::io::Result<()> {
        let line = format!("{}\n{}\n", jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"), holder(command));
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(line.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // removes the former holder from the file; closing it releases the lock
        let _ = self.file.set_len(0);
    }
}

/// Returns the line about the holder: `user@host pid 4711: podid up`.
fn holder(command: &str) -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| env::var(name).ok()).unwrap_or_else(|| "someone".into());
    let host = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| env::var(name).ok()))
        .unwrap_or_else(|| "this host".into());
    let command = command.replace(['\n', '\r'], " ");
    format!("{user}@{} pid {}: {command}", host.trim(), process::id())
}

fn held_by(state: &Path, lock: &Path) -> Error {
    let mut text = String::new();
    // Windows does not let others read a locked file, so no holder is reported there
    let _ = File::open(lock).and_then(|mut file| file.read_to_string(&mut text));
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let since = lines.next().unwrap_or("a moment ago").to_owned();
    let holder = lines.next().unwrap_or("another process").to_owned();
    Error::Locked { path: state.to_owned(), holder, since }
}
