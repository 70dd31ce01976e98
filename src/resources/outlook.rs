//! What a look at an object is made with, and what it says that an apply would make of the object.

use super::{conflict::Conflict, takeover::Takeover};
use serde_json::Value;

/// What was consented to, and whether the object is podid's already.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub adopt: bool,
    pub force_conflicts: bool,
    pub mine: bool,
    /// The server is not asked for a dry run.
    pub local: bool,
}

impl Terms {
    /// Whether fields that others own with other values are set all the same.
    pub fn force(self) -> bool {
        self.force_conflicts || (self.adopt && !self.mine)
    }
    pub fn takes_over(self) -> bool {
        self.mine || self.adopt
    }
}

/// What an apply would make of an object that is there, with all that comes before it.
pub enum Outlook {
    Would {
        object: Value,
        taken: Option<Takeover>,
    },
    /// Fields that others own with other values.
    Conflicts(Vec<Conflict>),
}
