//! What is written of one kind of fault, whatever workload it is found at: its stable code, its severity, what it means, what causes it, and
//! the commands that help. `podid explain CODE` prints it.

use serde::{Serialize, Serializer};
use std::fmt;

/// The stable number of a kind of fault, written `PODID1234`. The thousands tell the part of the chain: 1 cluster and components, 2 pods,
/// 3 bindings and service accounts, 4 tokens, 5 identities and their roles, 6 grants, 7 vaults, 8 secrets and how they are delivered, 9 lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

const PREFIX: &str = "PODID";

impl Code {
    /// Reads `PODID1234`, in any casing.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, digits) = text.trim().split_at_checked(PREFIX.len())?;
        let is_code = prefix.eq_ignore_ascii_case(PREFIX) && digits.len() == 4;
        is_code.then(|| digits.parse().ok().map(Self)).flatten()
    }

    /// Whether it is of the cluster and its components, and so of many workloads.
    pub fn is_of_cluster(self) -> bool {
        self.0 / 1000 == 1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{:04}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How much a finding matters, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A workload does not get its secrets, or not as the identity that it should have.
    Error,
    /// It works now, and will not for long or not safely.
    Warning,
    /// It is worth to know.
    Info,
}

impl Severity {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A page of `podid explain`. Words in capitals in commands stand for names.
#[derive(Debug)]
pub struct Page {
    pub code: Code,
    pub severity: Severity,
    /// The fault as a clause: `the webhook of Workload ID does not answer`.
    pub title: &'static str,
    /// What it means, in whole sentences.
    pub means: &'static str,
    /// Causes as clauses, the most frequent first.
    pub causes: &'static [&'static str],
    /// Commands of podid that show or fix it.
    pub podid: &'static [&'static str],
    /// The same with az, kubectl and helm.
    pub native: &'static [&'static str],
}

impl Page {
    pub const fn error(code: u16, title: &'static str, means: &'static str) -> Self {
        Self { code: Code(code), severity: Severity::Error, title, means, causes: &[], podid: &[], native: &[] }
    }

    pub const fn warning(code: u16, title: &'static str, means: &'static str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, title, means) }
    }

    pub const fn info(code: u16, title: &'static str, means: &'static str) -> Self {
        Self { severity: Severity::Info, ..Self::error(code, title, means) }
    }

    #[must_use]
    pub const fn causes(self, causes: &'static [&'static str]) -> Self {
        Self { causes, ..self }
    }

    #[must_use]
    pub const fn podid(self, podid: &'static [&'static str]) -> Self {
        Self { podid, ..self }
    }

    #[must_use]
    pub const fn native(self, native: &'static [&'static str]) -> Self {
        Self { native, ..self }
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Page {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_any_casing_and_nothing_else_is_one() {
        assert_eq!(Code::parse(" podid1101 "), Some(Code(1101)));
        assert_eq!(Code(1101).to_string(), "PODID1101");
        for text in ["PODID", "PODID11", "PODID11011", "1101", "PODIDxxxx", "é"] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }
}
