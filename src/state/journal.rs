//! The journal next to the state file: what a run changed since the file was written. Each group of changes is one line, which is synced
//! before the run goes on, so that the whole file is written once for a run and not once for a change.
//!
//! The first line says on which version of the file the changes build (lineage, serial, and a digest of the content). Each line begins with a
//! checksum over itself and the lines before it. A line that a killed process did not finish is ignored; any other damage is an error.

use super::{
    Error,
    file::{beside, bounded, sync_folder},
    format::{Header, weigh},
};
use crate::{
    engine::ledger::{Ledger, LedgerChange},
    files,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

pub const VERSION: u64 = 1;

/// The version of the state file on which the changes build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalBase {
    journal: u64,
    pub lineage: String,
    pub serial: u64,
    digest: String,
}

impl JournalBase {
    pub fn of(head: &Header, ledger: &Ledger) -> io::Result<Self> {
        let mut digest = Sha256::new();
        super::format::print(head, ledger, io::BufWriter::new(&mut digest))?;
        Ok(Self { journal: VERSION, lineage: head.lineage.clone(), serial: head.serial, digest: hex(&digest.finalize()) })
    }
}

pub fn path(state: &Path) -> PathBuf {
    beside(state, ".journal")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the checksum of a line. It includes the checksum of the line before, so that a missing or misplaced line is detected, too.
fn checksum(before: &str, text: &[u8]) -> String {
    let digest = Sha256::new().chain_update(before).chain_update(text).finalize();
    hex(&digest[..8])
}

/// A journal that this process writes.
pub struct Journal {
    file: File,
    state: PathBuf,
    last: String,
    /// The file may end in half a line, so nothing may be appended.
    broken: bool,
    pub counts: Counts,
}

/// What was written so far, for the log and for tests: the cost of a run must grow only with its changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub lines: u64,
    pub bytes: u64,
    pub syncs: u64,
}

impl Journal {
    /// Creates a journal, which must not exist yet. An existing file or link in its place is never opened for writing.
    pub fn create(state: &Path, base: &JournalBase) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path(state)).map_err(Error::io(&path(state), "create"))?;
        let mut journal = Self { file, state: state.to_owned(), last: String::new(), broken: false, counts: Counts::default() };
        journal.line(base)?;
        sync_folder(state).map_err(Error::io(&path(state), "write"))?;
        Ok(journal)
    }

    pub fn append(&mut self, changes: &[LedgerChange]) -> Result<(), Error> {
        self.line(&changes)
    }

    fn line(&mut self, content: &impl Serialize) -> Result<(), Error> {
        let failed = |state: &Path, error: io::Error| Error::io(&path(state), "write")(error);
        if self.broken {
            return Err(failed(&self.state, io::Error::other("an earlier write failed")));
        }
        let text = serde_json::to_vec(content).map_err(|error| failed(&self.state, error.into()))?;
        let sum = checksum(&self.last, &text);
        let mut line = format!("{sum} ").into_bytes();
        line.extend_from_slice(&text);
        line.push(b'\n');
        self.broken = true;
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(|error| failed(&self.state, error))?;
        self.broken = false;
        self.last = sum;
        self.counts.lines += 1;
        self.counts.bytes += u64::try_from(line.len()).unwrap_or_default();
        self.counts.syncs += 1;
        Ok(())
    }
}

/// The content of a journal that was read.
#[derive(Debug, PartialEq)]
pub struct JournalContent {
    /// None if its writer was killed before the first line was complete.
    pub base: Option<JournalBase>,
    pub changes: Vec<LedgerChange>,
    /// Why the rest cannot be read.
    pub damage: Option<String>,
}

impl JournalContent {
    /// Returns whether the ledger already has all changes.
    pub fn is_in(&self, ledger: &Ledger) -> bool {
        self.damage.is_none() && {
            let mut after = ledger.clone();
            self.changes.iter().cloned().for_each(|change| after.apply(change));
            after == *ledger
        }
    }
}

/// Reads the journal. None if there is none.
pub fn read(state: &Path) -> Result<Option<JournalContent>, Error> {
    let Some(file) = open(state)? else { return Ok(None) };
    let bytes = bounded(file).map_err(Error::io(&path(state), "read"))?;
    let parsed = bytes.and_then(|bytes| weigh(&bytes).and_then(|()| parse(&bytes)));
    parsed.map(Some).map_err(|why| Error::Journal { state: state.to_owned(), why })
}

/// Opens the journal with the same checks as the state file, because anybody may have written to the folder.
fn open(state: &Path) -> Result<Option<File>, Error> {
    files::open_existing(&path(state)).map_err(|error| match error {
        files::Error::Unsafe { fault, .. } => Error::Journal { state: state.to_owned(), why: format!("it {fault}") },
        other => other.into(),
    })
}

/// Parses a journal. Errors contain none of its text.
fn parse(bytes: &[u8]) -> Result<JournalContent, String> {
    let mut found = JournalContent { base: None, changes: Vec::new(), damage: None };
    let mut last = String::new();
    let mut rest = bytes;
    for number in 1_u64.. {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        // blocks that never reached the disk are zeros
        if after.is_empty() && line.contains(&0) {
            break;
        }
        let text = line.split_at_checked(17).filter(|(sum, text)| *sum == format!("{} ", checksum(&last, text)).as_bytes());
        let Some((sum, text)) = text else {
            let why = format!("line {number} is damaged");
            return if number == 1 { Err(why) } else { Ok(JournalContent { damage: Some(why), ..found }) };
        };
        last = String::from_utf8_lossy(&sum[..16]).into_owned();
        if number == 1 {
            found.base = Some(base(text)?);
            continue;
        }
        match serde_json::from_slice::<Vec<LedgerChange>>(text) {
            Ok(changes) => found.changes.extend(changes),
            Err(why) => {
                return Ok(JournalContent { damage: Some(format!("line {number}, column {} is not understood", why.column())), ..found });
            }
        }
    }
    Ok(found)
}

fn base(text: &[u8]) -> Result<JournalBase, String> {
    let value: Value = serde_json::from_slice(text).map_err(|_| "line 1 is not understood".to_owned())?;
    match value.get("journal").and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(|_| "line 1 is not understood".to_owned()),
        Some(newer) => Err(format!("it was written by a newer podid (journal format {newer}; this one knows {VERSION})")),
        None => Err("line 1 is not understood".to_owned()),
    }
}

/// Removes the journal. An absent one is a success.
pub fn remove(state: &Path) -> Result<(), Error> {
    match fs::remove_file(path(state)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&path(state), "remove")(error)),
        _ => Ok(()),
    }
}

/// Renames the journal to `FILE.journal.old`: it is not used any more, but nothing is lost.
pub fn set_aside(state: &Path) -> Result<(), Error> {
    match fs::rename(path(state), beside(state, ".journal.old")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&path(state), "move aside")(error)),
        _ => Ok(()),
    }
}
