//! Simulated propagation delays of Azure: changes do not take effect at once, so clients must wait. Each delayed thing stores a `Late`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `quick` refuses a number of requests, so tests need not wait; `realistic` uses delays measured on the real service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lateness {
    None,
    #[default]
    Quick,
    Realistic,
}

impl FromStr for Lateness {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "quick" => Ok(Self::Quick),
            "realistic" => Ok(Self::Realistic),
            _ => Err(format!("'{text}' is not a valid lateness; use none, quick or realistic")),
        }
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Quick => "quick",
            Self::Realistic => "realistic",
        })
    }
}

/// What can be delayed, with the refusals for `quick` and the seconds for `realistic` (medians of recorded traffic).
#[derive(Clone, Copy)]
pub enum DelayKind {
    /// A new principal is unknown to role assignments.
    Principal,
    /// The DNS name of a new vault is being registered.
    VaultName,
    /// A new grant has no effect at the data plane.
    Grant,
    /// A secret is being deleted or recovered.
    Deletion,
    /// A new federated credential is unknown to the token endpoint.
    Federation,
}

impl DelayKind {
    const fn measure(self) -> (u32, i64) {
        match self {
            Self::Principal => (2, 26),
            Self::VaultName => (2, 31),
            Self::Grant => (2, 11),
            Self::Deletion => (0, 4),
            // not measured; documented as "seconds to minutes"
            Self::Federation => (2, 20),
        }
    }
}

/// Both the count and the time are stored, so that a changed setting applies to existing resources.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Late {
    refusals: u32,
    /// Unix nanoseconds.
    until: i64,
}

impl Late {
    /// `since` is the time of the change in unix nanoseconds.
    pub fn new(kind: DelayKind, lateness: Lateness, since: i64) -> Self {
        let (refusals, seconds) = kind.measure();
        match lateness {
            Lateness::None => Self::default(),
            _ => Self { refusals, until: since + seconds * 1_000_000_000 },
        }
    }

    /// Returns whether the delay still lasts, and counts a refusal of `quick`.
    pub fn refuses(&mut self, lateness: Lateness, now: i64) -> bool {
        match lateness {
            Lateness::None => false,
            Lateness::Quick if self.refusals == 0 => false,
            Lateness::Quick => {
                self.refusals -= 1;
                true
            }
            Lateness::Realistic => now < self.until,
        }
    }
}
