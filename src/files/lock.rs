//! Locks a file with a lock of the operating system, which ends with its process. The file may be removed or replaced while podid waits:
//! only the file that has the name counts, so that no two processes hold locks under one name.

use super::{Error, open_lock};
use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Locks the file that has this name now, and creates it if needed. None while another process holds the lock.
pub fn try_take(path: &Path) -> Result<Option<File>, Error> {
    loop {
        let file = open_lock(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
        }
        if has_name(&file, path).map_err(Error::io("look at", path))? {
            return Ok(Some(file));
        }
    }
}

/// Returns whether the open file is still the one with this name; links are not followed.
#[cfg(unix)]
pub fn has_name(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let held = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns true, because Windows cannot remove an open file.
#[cfg(not(unix))]
pub fn has_name(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::{
        fs,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn an_open_file_is_distinguished_from_a_new_one_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = try_take(&path).unwrap().unwrap();
        assert!(has_name(&held, &path).unwrap());
        assert!(try_take(&path).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        assert!(!has_name(&held, &path).unwrap());
        fs::write(&path, "").unwrap();
        assert!(!has_name(&held, &path).unwrap(), "another file has the name now");
    }

    /// The holder removes the file before it releases the lock: whoever opened it before then would get the lock of a file without a name.
    #[test]
    fn a_file_that_each_holder_removes_has_one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (holders, broken) = (AtomicUsize::new(0), AtomicBool::new(false));
        let end = Instant::now() + Duration::from_millis(500);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let Some(file) = try_take(&path).unwrap() else { continue };
                        if holders.fetch_add(1, Ordering::SeqCst) != 0 {
                            broken.store(true, Ordering::SeqCst);
                        }
                        thread::yield_now();
                        holders.fetch_sub(1, Ordering::SeqCst);
                        fs::remove_file(&path).unwrap();
                        drop(file);
                    }
                });
            }
        });
        assert!(!broken.load(Ordering::SeqCst), "two threads held the lock");
    }
}
