//! The accepted differences, each with its reason: a newer record or a document that it contradicts, or something that the sandbox does not
//! do. `accepted.yaml` lists them by operation and place, never by record, so that they also hold for records that are not in the repository.

use super::{compare::Difference, record::Record};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The operation, with `*` for any text.
    pub op: String,
    pub status: Option<u16>,
    /// Only api-versions before this one.
    pub before: Option<String>,
    /// Only api-versions from this one on.
    pub from: Option<String>,
    /// The places of differences, with `*` for any text.
    pub places: Vec<String>,
    pub reason: String,
}

pub struct Accepted {
    entries: Vec<Entry>,
    used: Vec<bool>,
}

impl Accepted {
    pub fn load() -> Self {
        let entries: Vec<Entry> = serde_saphyr::from_str(include_str!("accepted.yaml")).unwrap();
        assert!(entries.iter().all(|e| !e.reason.trim().is_empty()), "each accepted difference has its reason");
        let used = vec![false; entries.len()];
        Self { entries, used }
    }

    /// Returns whether all of the differences are accepted.
    pub fn all(&mut self, record: &Record, differences: &[Difference]) -> bool {
        let mut needed = Vec::new();
        for difference in differences {
            match self.entries.iter().position(|e| e.fits(record, difference)) {
                Some(at) => needed.push(at),
                None => return false,
            }
        }
        for at in needed {
            self.used[at] = true;
        }
        true
    }

    pub fn covers(&self, record: &Record, difference: &Difference) -> bool {
        self.entries.iter().any(|e| e.fits(record, difference))
    }

    pub fn unused(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().zip(&self.used).filter(|(_, used)| !**used).map(|(entry, _)| entry)
    }
}

impl Entry {
    fn fits(&self, record: &Record, difference: &Difference) -> bool {
        like(&self.op, &record.op)
            && self.status.is_none_or(|s| s == record.status)
            && self.before.as_ref().is_none_or(|v| record.api_version.as_str() < v.as_str())
            && self.from.as_ref().is_none_or(|v| record.api_version.as_str() >= v.as_str())
            && self.places.iter().any(|p| like(p, &difference.place))
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        if part.is_empty() {
            continue;
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        open = false;
    }
    rest.is_empty() || open || pattern.ends_with('*')
}
