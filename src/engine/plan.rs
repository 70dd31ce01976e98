//! A plan: a pure value that can be printed, saved, and compared with another. It holds no secret: specs say where a value comes from.

use super::{
    desired::{By, Node},
    input::Outputs,
    key::Key,
    ledger::Origin,
    resource::Change,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const FORMAT: u32 = 1;

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
            Self::Forget => "forget",
        }
    }
    /// Whether the world changes by it.
    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Replace | Self::Delete)
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

#[derive(Clone, Debug, Default)]
pub struct Work {
    pub node: Option<Node>,
    /// The spec with the values known when it was planned.
    pub placed: Value,
    pub actual: Option<Value>,
    pub outputs: Outputs,
    /// For a replacement: where the old one was put, and what was seen of it.
    pub old: Option<(Value, Value)>,
    pub recorded: Outputs,
    /// The ledger's word on it before.
    pub known_as: Option<Origin>,
    pub by: Option<By>,
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
}

/// How many of each; `failed` and `not_started` belong to a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub create: usize,
    pub update: usize,
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
            Act::Update | Act::Replace => self.update += 1,
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
