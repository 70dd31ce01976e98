//! How much an API server's answer may be, by its kind. A server that sends more is not the one that was meant, or is broken.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ResponseKind {
    /// An API server takes no object of more than 3 MiB (etcd: 1.5 MiB), and writes some more fields into it.
    Object,
    /// Of 500 objects.
    Page,
    /// The kinds of one group and version.
    Discovery,
    /// One event of a watch, which is an object and a few words.
    Event,
    /// The body of an answer that is no success.
    Refusal,
}

impl ResponseKind {
    pub(super) fn most(self) -> usize {
        match self {
            Self::Object | Self::Event => 8 * MIB,
            Self::Page => 64 * MIB,
            Self::Discovery => 4 * MIB,
            Self::Refusal => MIB,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Page => "a page of a list",
            Self::Discovery => "the kinds of an API group",
            Self::Event => "an event of a watch",
            Self::Refusal => "an error",
        }
    }
}

/// Of one list, with all its pages. With 500 objects on a page these are half a million.
pub(super) const MOST_PAGES: usize = 1000;
pub(super) const MOST_BYTES: usize = 512 * MIB;
/// How often a list may begin again because its pages got too old while they were read.
pub(super) const MOST_RESTARTS: usize = 3;
/// `http::Uri` has 16 bits for the length of an address.
pub(super) const LONGEST_PATH: usize = 60 * KIB;
/// What a login command prints: a token or a certificate.
pub(super) const LOGIN: usize = MIB;

/// `256 KiB`, `32 MiB`.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= MIB => format!("{} MiB", bytes / MIB),
        bytes => format!("{} KiB", bytes / KIB),
    }
}

/// Of a `Retry-After`: digits that are too many are a very long time, and what is no number says nothing.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}
