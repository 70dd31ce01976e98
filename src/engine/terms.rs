//! The terms that all files of the engine use: intents, requesters, acts and origins.

use super::key::Key;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// It must exist as its spec says.
    Present,
    /// It must exist, and is only read.
    Existing,
    /// It is read for its outputs, if it exists.
    Optional,
    /// It is not observed: its outputs are those of the ledger, or of the node itself (`--only`).
    Assumed,
    /// It is deleted if it is ours.
    Absent,
}

/// The requester of a resource: `up` prunes only those that a spec requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requester {
    Spec,
    Command,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The resource that must be ours.
    pub ours: Key,
    /// Its output that may be true instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It is not changed. `why` has the reason, unless it is simply up to date.
    Keep,
    /// It exists as wanted; it is added to the ledger.
    Adopt,
    Create,
    Update,
    /// Its place has changed: a new one is created, then the old one is deleted.
    Replace,
    Delete,
    /// Another app needs it and becomes its owner: it gets that app's marks.
    HandOver,
    /// It no longer exists, or is deleted with its holder: only the ledger changes.
    Forget,
}

impl Act {
    pub fn word(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Adopt => "adopt",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::HandOver => "hand over",
            Self::Forget => "forget",
        }
    }
    /// Returns whether it creates an object.
    pub fn makes(self) -> bool {
        matches!(self, Self::Create | Self::Replace)
    }
    /// Returns whether the app no longer has the object after it.
    pub fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::HandOver | Self::Forget)
    }
    /// Returns whether it changes anything but the ledger.
    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace | Self::Delete | Self::HandOver)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// podid created it.
    Created,
    /// It existed as wanted, or was taken over with consent. It is not ours to delete.
    Adopted,
    /// It belongs to another owner, and podid added something; only that is ours.
    Extended,
    /// It must exist, and is only read.
    Existing,
}

/// Whether a deletion would destroy data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    None,
    /// It holds data: it is only deleted if `--delete-data` names it.
    Holder,
    /// It is the data. It is kept as long as its holder is kept and ours; otherwise it is only deleted if `--delete-data` names it.
    Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Azure,
    Kubernetes,
}
