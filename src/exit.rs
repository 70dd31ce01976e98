//! The exit codes. Scripts rely on these numbers.

/// An exit code. It does not depend on `-o` or on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed: an action failed (the others are done and recorded), no login, forbidden, unreachable, not proved.
    Failed = 1,
    /// A usage error in flags or spec.
    Usage = 2,
    /// Differences or findings exist; only with `--exit-code`.
    Differs = 3,
    /// Refused: something needs a decision (no consent, name taken, missing group, ambiguous, CRD missing, saved plan outdated).
    Refused = 4,
    /// The state (or the sandbox's data) is locked or unreadable, or is for another subscription.
    State = 5,
    /// A bug in podid, or a state that could not be saved.
    Bug = 70,
    /// Interrupted; actions that were running are recorded.
    Interrupted = 130,
}

impl Exit {
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
