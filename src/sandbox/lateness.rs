//! How late the sandbox's Azure is: nothing comes true at once there, and a client must have waited.
//! Knows no resource; who is late keeps a `Late` of its own in the world.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// `quick` refuses by count, so a test is late without waiting; `realistic` by the time that was measured on the real service.
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
            _ => Err(format!("'{text}' is no lateness: give none, quick or realistic")),
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

/// What can be late, with the refusals of `quick` and the seconds of `realistic` (medians of recorded traffic).
#[derive(Clone, Copy)]
pub enum Kind {
    /// A new principal, unknown to role assignments.
    Principal,
    /// The DNS name of a new vault.
    VaultName,
    /// A new grant, at the data plane.
    Grant,
    /// A secret that is being deleted or recovered.
    Deletion,
    /// A new federated credential, at the token endpoint.
    Federation,
}

impl Kind {
    const fn measure(self) -> (u32, i64) {
        match self {
            Self::Principal => (2, 26),
            Self::VaultName => (2, 31),
            Self::Grant => (2, 11),
            Self::Deletion => (0, 4),
            // not measured: "seconds to minutes"
            Self::Federation => (2, 20),
        }
    }
}

/// Both measures are kept, so that a change of the setting holds for what is there already.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Late {
    refusals: u32,
    /// Unix nanoseconds.
    until: i64,
}

impl Late {
    /// `since`: when the thing came to be, in unix nanoseconds.
    pub fn new(kind: Kind, lateness: Lateness, since: i64) -> Self {
        let (refusals, seconds) = kind.measure();
        match lateness {
            Lateness::None => Self::default(),
            _ => Self { refusals, until: since + seconds * 1_000_000_000 },
        }
    }

    /// True while it is late; a `quick` refusal is counted.
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
