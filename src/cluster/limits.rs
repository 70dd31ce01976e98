//! Limits for responses of an API server, by what they contain. A server that sends more is the wrong one, or broken.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The time limits of one request, and of all requests that belong together.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) timeout: Duration,
    pub(super) whole: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ResponseKind {
    /// One object. An API server accepts at most 3 MiB (etcd: 1.5 MiB), and adds some fields.
    Object,
    /// A page of 500 objects.
    Page,
    /// The kinds of one group and version.
    Discovery,
    /// One event of a watch, which contains an object.
    Event,
    /// The body of an error response.
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

/// Limits of one list with all its pages: half a million objects, at 500 on a page.
pub(super) const MOST_PAGES: usize = 1000;
pub(super) const MOST_BYTES: usize = 512 * MIB;
/// How often a list may restart because its pages expired while they were read.
pub(super) const MOST_RESTARTS: usize = 3;
/// The longest path of a URL, whose length `http::Uri` stores in 16 bits.
pub(super) const LONGEST_PATH: usize = 60 * KIB;
/// The longest output of a login command, which is a token or a certificate.
pub(super) const LOGIN: usize = MIB;

/// Formats a size: `256 KiB`, `32 MiB`.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= MIB => format!("{} MiB", bytes / MIB),
        bytes => format!("{} KiB", bytes / KIB),
    }
}

/// Parses `Retry-After`. Too many digits are a very long time; anything but a number is ignored.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}
