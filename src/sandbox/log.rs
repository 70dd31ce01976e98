//! `requests.jsonl`: one line for each request, written before the answer is sent; and the same as text for `--log`. It contains no bodies
//! and no tokens, and hides secrets in queries.

use super::{azure::times, error::Error, folder::Folder};
use podid_files as files;
use serde::{Deserialize, Serialize};
use std::{
    borrow::Cow,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How much of the end of the file is searched for the last numbers.
const TAIL: u64 = 1 << 16;

pub struct Log {
    path: PathBuf,
    open: Mutex<OpenLog>,
    connections: AtomicU64,
    /// Receives each line as text.
    reader: OnceLock<Reader>,
}

pub type Reader = Arc<dyn Fn(&str) + Send + Sync>;

/// An answered request.
pub struct LogEntry<'a> {
    /// The number of the connection.
    pub conn: u64,
    /// `client`, or the name of a simulated component.
    pub by: &'a str,
    pub method: &'a str,
    pub host: &'a str,
    /// With the query.
    pub path: &'a str,
    pub status: u16,
    pub took: Duration,
}

struct OpenLog {
    file: File,
    n: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    n: u64,
    host: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    conn: u64,
    by: &'a str,
}

fn append(path: &Path) -> Result<File, Error> {
    Ok(files::open_to_append(path)?)
}

/// Hides the values of query parameters that may hold a secret: a SAS, a code, or a misplaced token.
fn without_secrets(path: &str) -> Cow<'_, str> {
    const NAMES: [&str; 8] = ["secret", "token", "password", "assertion", "sig", "code", "key", "credential"];
    let hides = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| NAMES.iter().any(|n| name.to_ascii_lowercase().contains(n)));
    match path.split_once('?') {
        Some((path, query)) if query.split('&').any(hides) => {
            let pairs = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name, _)) if hides(pair) => format!("{name}=***"),
                _ => pair.to_owned(),
            });
            Cow::Owned(format!("{path}?{}", pairs.collect::<Vec<_>>().join("&")))
        }
        _ => Cow::Borrowed(path),
    }
}

/// Returns whether the file was deleted while it is open.
#[cfg(unix)]
fn unlinked(file: &File) -> bool {
    file.metadata().is_ok_and(|m| std::os::unix::fs::MetadataExt::nlink(&m) == 0)
}
#[cfg(not(unix))]
fn unlinked(_file: &File) -> bool {
    false
}

/// What a new log reads of the lines of its file.
#[derive(Deserialize)]
struct Numbers {
    n: u64,
    conn: u64,
}

impl Log {
    /// The numbers continue those of the file.
    pub fn open(folder: &Folder) -> Result<Self, Error> {
        let path = folder.path("requests.jsonl");
        let mut file = append(&path)?;
        let (mut n, mut conn) = (0, 0);
        let length = file.metadata().map_err(Error::file("read", &path))?.len();
        let mut tail = Vec::new();
        let from = SeekFrom::Start(length.saturating_sub(TAIL));
        file.seek(from).and_then(|_| file.read_to_end(&mut tail)).map_err(Error::file("read", &path))?;
        for line in tail.split(|b| *b == b'\n') {
            if let Ok(line) = serde_json::from_slice::<Numbers>(line) {
                n = line.n.max(n);
                conn = line.conn.max(conn);
            }
        }
        // an unfinished line of a killed process must not swallow the next one
        if tail.last().is_some_and(|b| *b != b'\n') {
            file.write_all(b"\n").map_err(Error::file("write", &path))?;
        }
        Ok(Self { path, open: Mutex::new(OpenLog { file, n }), connections: AtomicU64::new(conn), reader: OnceLock::new() })
    }

    /// Returns the number of a new TCP connection.
    pub fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Sets the reader; it can be set once.
    pub fn read_by(&self, reader: Reader) {
        let _ = self.reader.set(reader);
    }

    pub fn write(&self, answered: &LogEntry<'_>) -> Result<(), Error> {
        let LogEntry { conn, by, method, host, status, .. } = *answered;
        let path = &*without_secrets(answered.path);
        if let Some(reader) = &self.reader.get() {
            let (at, took) = (times::ticks(times::now()), answered.took.as_secs_f64() * 1000.0);
            reader(&format!("{at} {by} {method} {host}{path} {status} {took:.1} ms"));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if unlinked(&open.file) {
            open.file = append(&self.path)?;
        }
        let line = Line { n: open.n + 1, host, method, path, status, conn, by };
        let mut text = serde_json::to_string(&line).map_err(|why| Error::Damaged { path: self.path.clone(), why: why.to_string() })?;
        text.push('\n');
        open.n += 1;
        open.file.write_all(text.as_bytes()).map_err(Error::file("write", &self.path))
    }

    /// Deletes the file and starts the numbers at 1.
    pub fn reset(&self) -> Result<(), Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match std::fs::remove_file(&self.path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::File { what: "remove", path: self.path.clone(), source });
            }
            _ => {}
        }
        *open = OpenLog { file: append(&self.path)?, n: 0 };
        self.connections.store(0, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_queries_are_not_logged() {
        for (path, written) in [
            ("/a/b", "/a/b"),
            ("/a?api-version=7.4&$filter=x eq 'code'", "/a?api-version=7.4&$filter=x eq 'code'"),
            ("/a?access_token=eyJ0&api-version=1&SIG=x=y", "/a?access_token=***&api-version=1&SIG=***"),
            ("/token?client_secret=s", "/token?client_secret=***"),
        ] {
            assert_eq!(without_secrets(path), written);
        }
    }
}
