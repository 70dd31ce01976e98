//! What the program's exit code says. Scripts rely on these numbers.

/// They do not depend on `-o`, nor on whether there is a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed: an action failed (the rest is done and recorded), no login, forbidden, unreachable, not proved.
    Failed = 1,
    /// Wrong use: flags, spec.
    Usage = 2,
    /// There are differences or findings; only with `--exit-code`.
    Differs = 3,
    /// Refused: something needs a decision (no consent, name taken, missing group, ambiguous, CRD missing, reality moved).
    Refused = 4,
    /// The state (or the sandbox's world) is locked or unreadable, or it is of another world.
    State = 5,
    /// A bug of podid, or a state that could not be saved.
    Bug = 70,
    /// Interrupted; what was in flight is recorded.
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
