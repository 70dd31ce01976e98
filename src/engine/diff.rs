//! What a kind finds out about an object: its differences, its owner, and whether it still exists.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field that differs. `from` is null if it does not exist yet; `to` is null if it is removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub field: String,
    pub from: Value,
    pub to: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Diff {
    Same,
    /// Fields have to change.
    Update(Vec<Change>),
    /// Something is added to a shared object. The parts of others stay as they are, so no consent is needed.
    Extend(Vec<Change>),
    /// It exists in a form that needs a decision first.
    Refuse {
        reason: String,
        way_out: String,
    },
}

/// Who owns an object, by the marks that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It carries the marks of this app.
    Ours,
    /// It carries the marks of another app.
    OtherApp(String),
    /// It carries no marks, although podid would have set some.
    Unmarked,
    /// Objects of this kind cannot carry marks.
    Unmarkable,
}

/// The result of reading an object just before a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Recheck<A> {
    /// The kind does not read again; the observation of the plan still counts.
    NotSupported,
    Absent,
    Found(A),
}
