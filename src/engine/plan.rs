//! A plan: a value that can be printed, saved, and compared with another. It holds no secrets: a spec names the source of a secret.

pub use super::terms::Act;
use super::{
    input::Outputs,
    key::Key,
    ledger::FormerPlace,
    nodes::Node,
    resource::Change,
    terms::{Origin, Requester},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The version of a saved plan. Version 2 has a promise beside the actions.
pub const FORMAT: u32 = 2;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    pub key: Key,
    pub act: Act,
    /// The changes field by field; for a creation, the fields that it sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// It could not be read, because an earlier action of this plan grants the permission. It is read again before it is written; if it
    /// belongs to another owner and differs, the action is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// Notes for people.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
    /// The actions that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Key>,
    /// The az and kubectl commands with the same effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its origin in the ledger after the action.
    pub origin: Origin,
    /// What the execution needs. It is not part of the promise of a saved plan.
    #[serde(skip)]
    pub work: Work,
}

/// Notes for people. They are not part of the promise of a saved plan: two plans that differ only in notes are equal.
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
    /// The former places, with the object that was observed there. None if it was not observed in this pass.
    pub left: Vec<(FormerPlace, Option<Value>)>,
    pub recorded: Outputs,
    pub by: Option<Requester>,
    /// Other apps that use the same object, and own it from now on.
    pub new_owners: Vec<NewOwner>,
}

/// An app that becomes the owner of what this app created or added.
#[derive(Clone, Debug)]
pub struct NewOwner {
    pub app: String,
    pub origin: Origin,
    pub outputs: Outputs,
    /// The spec for the new owner, for an app without an entry of its own.
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
    /// The differences, if they are the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub version: u32,
    pub app: String,
    /// The actions in an order in which they can be done one by one.
    pub actions: Vec<Action>,
    pub refused: Vec<Refusal>,
    /// Warnings about what will not work although the plan can be executed. They are not part of the promise of a saved plan.
    #[serde(skip)]
    pub warnings: Vec<Warning>,
    #[serde(skip)]
    pub left_out: LeftOut,
}

/// What a flag keeps out of a run. It is not part of the promise of a saved plan, which has the flags themselves.
#[derive(Clone, Debug, Default)]
pub struct LeftOut {
    /// `--only azure`
    pub flag: &'static str,
    pub keys: Vec<Key>,
}

impl PartialEq for LeftOut {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    pub key: Key,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The number of actions of each sort; `failed` and `not_started` belong to a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    /// A new one is created and the old one deleted.
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
    /// Returns whether the plan changes anything but the ledger.
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
