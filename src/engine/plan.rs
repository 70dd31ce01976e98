//! A plan: a pure value that can be printed, saved, and compared with another. It holds no secret: specs say where a value comes from.

use super::{
    desired::{Node, Requester},
    input::Outputs,
    key::Key,
    ledger::{FormerPlace, Origin},
    resource::Change,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Of a saved plan. 2: with a promise beside the actions.
pub const FORMAT: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It is as it should be, or it is not touched: `why` says so where that is not plain.
    Keep,
    /// It is there and equal; from now on the ledger knows it.
    Adopt,
    Create,
    Update,
    /// What locates it has changed: a new one is made, then the old one is removed.
    Replace,
    Delete,
    /// Another app needs it, and owns it from now on: it gets that app's marks.
    HandOver,
    /// It is gone already, or goes with what it lies in: the ledger only.
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
    /// Whether there is a new thing after it.
    pub fn makes(self) -> bool {
        matches!(self, Self::Create | Self::Replace)
    }
    /// Whether the app has the thing no more after it.
    pub fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::HandOver | Self::Forget)
    }
    /// Whether the world changes by it.
    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace | Self::Delete | Self::HandOver)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub key: Key,
    pub act: Act,
    /// Field by field; for a creation, what it sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It could not be read for want of a right that comes earlier in this plan: it is looked at again before it is written, and what is
    /// somebody else's and differs is refused then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// What people should know beside the act.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
    /// What has to be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Key>,
    /// The az and kubectl lines that it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What the ledger will call it.
    pub origin: Origin,
    /// What execution needs; not part of the promise that a saved plan makes.
    #[serde(skip)]
    pub work: Work,
}

/// Remarks for people. They are not part of the promise that a saved plan makes: two plans that differ only in these are equal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notes(pub Vec<String>);

impl Notes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Notes {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, Default)]
pub struct Work {
    pub node: Option<Arc<Node>>,
    /// The spec with the values known when it was planned.
    pub placed: Arc<Value>,
    pub actual: Option<Arc<Value>>,
    pub outputs: Arc<Outputs>,
    /// Where it was put before, and what was seen there; what could not be looked at in this pass is kept for the next.
    pub left: Vec<(FormerPlace, Option<Value>)>,
    pub recorded: Outputs,
    pub by: Option<Requester>,
    /// Other apps that have the same thing, and own it from now on.
    pub new_owners: Vec<NewOwner>,
}

/// Who takes over what this app made or added.
#[derive(Clone, Debug)]
pub struct NewOwner {
    pub app: String,
    pub origin: Origin,
    pub outputs: Outputs,
    /// What it wants of the resource, where it had none in its own ledger.
    pub spec: Value,
}

impl PartialEq for Work {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    pub key: Key,
    pub reason: String,
    /// How what is there differs from what is wanted, where that is the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub version: u32,
    pub app: String,
    /// In an order in which they can be done one by one.
    pub actions: Vec<Action>,
    pub refused: Vec<Refusal>,
    /// What will not work as it is, although nothing stands in the way of the plan. Not part of the promise that a saved plan makes.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    pub key: Key,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How many of each; `failed` and `not_started` belong to a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    /// A new one is made, and the old one deleted.
    #[serde(default)]
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub keep: usize,
    pub failed: usize,
    pub not_started: usize,
}

impl Summary {
    pub fn count(&mut self, act: Act) {
        match act {
            Act::Create => self.create += 1,
            Act::Update | Act::HandOver => self.update += 1,
            Act::Replace => self.replace += 1,
            Act::Delete => self.delete += 1,
            Act::Adopt => self.adopt += 1,
            Act::Keep => self.keep += 1,
            Act::Forget => {}
        }
    }
}

impl Plan {
    /// Whether the world would change.
    pub fn has_changes(&self) -> bool {
        self.actions.iter().any(|a| a.act.changes())
    }
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.actions.iter().for_each(|a| summary.count(a.act));
        summary
    }
    pub fn action(&self, key: &Key) -> Option<&Action> {
        self.actions.iter().find(|a| a.key == *key)
    }
}
