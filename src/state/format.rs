//! The format of a state file, version 1: a header and the entries of the ledger, as JSON.

use crate::engine::ledger::{Entry, Ledger, Origin};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Write},
};

pub const VERSION: u64 = 1;

/// The cloud, tenant and subscription of a state. Ids are GUIDs, compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureAccount {
    /// The name of the cloud, such as `AzureCloud`.
    pub cloud: String,
    pub tenant: String,
    pub subscription: String,
}

impl AzureAccount {
    pub fn is(&self, other: &Self) -> bool {
        self.cloud.eq_ignore_ascii_case(&other.cloud)
            && self.tenant.eq_ignore_ascii_case(&other.tenant)
            && self.subscription.eq_ignore_ascii_case(&other.subscription)
    }
}

impl fmt::Display for AzureAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tenant {} subscription {}", self.cloud, self.tenant, self.subscription)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// A UUID that never changes: two files of one lineage are versions of each other.
    pub lineage: String,
    /// The number of writes so far.
    pub serial: u64,
    pub world: Option<AzureAccount>,
}

impl Header {
    pub fn fresh() -> Self {
        Self { lineage: uuid::Uuid::new_v4().to_string(), serial: 0, world: None }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateDocument<E> {
    version: u64,
    lineage: String,
    serial: u64,
    #[serde(default)]
    world: Option<AzureAccount>,
    entries: Vec<E>,
}

/// The version field, which documents of all versions have.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    version: Value,
}

/// Why a text is not a state of this version.
#[derive(Debug, PartialEq)]
pub enum FormatError {
    Newer(u64),
    Damaged(String),
}

/// Writes the entries sorted by app and key, so that equal ledgers give equal bytes.
pub fn print(head: &Header, ledger: &Ledger, mut to: impl Write) -> io::Result<()> {
    let paper = StateDocument {
        version: VERSION,
        lineage: head.lineage.clone(),
        serial: head.serial,
        world: head.world.clone(),
        entries: ledger.entries().collect::<Vec<&Entry>>(),
    };
    serde_json::to_writer_pretty(&mut to, &paper)?;
    to.write_all(b"\n")
}

pub fn parse(text: &str) -> Result<(Header, Ledger), FormatError> {
    if text.trim().is_empty() {
        return Err(FormatError::Damaged("it is empty".into()));
    }
    let damaged = |error: serde_json::Error| FormatError::Damaged(error.to_string());
    weigh(text.as_bytes()).map_err(FormatError::Damaged)?;
    // check the version first, because a newer format may differ in anything else
    let versioned: Versioned = serde_json::from_str(text).map_err(damaged)?;
    match versioned.version.as_u64() {
        Some(VERSION) => {}
        Some(newer) if newer > VERSION => return Err(FormatError::Newer(newer)),
        _ => return Err(FormatError::Damaged("it has no version that podid knows".into())),
    }
    let paper: StateDocument<Entry> = serde_json::from_str(text).map_err(damaged)?;
    let mut seen = BTreeSet::new();
    for entry in &paper.entries {
        if !seen.insert((&entry.app, entry.key.as_str())) {
            return Err(FormatError::Damaged(format!("{} of app {} stands in it twice", entry.key, entry.app)));
        }
    }
    let head = Header { lineage: paper.lineage, serial: paper.serial, world: paper.world };
    Ok((head, merged(paper.entries)))
}

/// The highest number of JSON values in a document. Each takes up to about 100 bytes of memory, however short its text is.
const VALUES: usize = 1_000_000;

/// Rejects a document with more values than fit in memory, before it is parsed.
pub(super) fn weigh(json: &[u8]) -> Result<(), String> {
    let (mut values, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => values += 1,
            _ => {}
        }
    }
    if values <= VALUES { Ok(()) } else { Err(format!("it has more than {VALUES} values, the most that podid reads")) }
}

/// Merges entries whose keys differ only in case, which older versions kept as two resources. The most informative entry is kept.
fn merged(entries: Vec<Entry>) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in entries {
        let other = ledger.get(&entry.app, &entry.key).map(|e| e.origin);
        if other.is_none_or(|other| weight(entry.origin) >= weight(other)) {
            ledger.put(entry);
        }
    }
    ledger
}

/// Ranks origins: a created resource ranks highest, because podid must not forget that it created it.
fn weight(origin: Origin) -> u8 {
    match origin {
        Origin::Existing => 0,
        Origin::Adopted => 1,
        Origin::Extended => 2,
        Origin::Created => 3,
    }
}
