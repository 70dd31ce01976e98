//! What a link is checked with: readers, and the facts of one workload. No check needs a pod, except those that are about a running one.

use super::{
    commands::Commands,
    facts::{Bound, Delivered},
};
use crate::{
    azure,
    cluster::{self, Api, ObjectRef},
    engine::desired::Requester,
    survey::Survey,
};
use jiff::Timestamp;
use serde_json::Value;

/// A pod that runs, or is about to.
pub struct PodRef {
    pub at: ObjectRef,
    pub uid: String,
    pub made: Option<Timestamp>,
}

pub struct View<'a> {
    /// A new pass for each look: what is read through it stays as it was.
    pub cluster: &'a cluster::Read,
    /// None: Azure is not asked.
    pub azure: Option<&'a azure::Read>,
    pub bound: &'a Bound,
    /// None: only the way to the token is looked at.
    pub delivered: Option<&'a Delivered>,
    /// None: no pod is looked at.
    pub pod: Option<&'a PodRef>,
    pub commands: &'a Commands,
    /// The lists of the cluster and the subscription; None: a proof, which has no time for them.
    pub survey: Option<&'a Survey>,
}

impl View<'_> {
    /// The vault's name; empty where no vault is looked at.
    pub fn vault(&self) -> &str {
        self.delivered.map(|delivered| delivered.vault.name.as_str()).unwrap_or_default()
    }

    /// The command that makes a link again; `words` are those of podid's single command.
    pub fn again(&self, words: &[String]) -> String {
        let by: Requester = self.delivered.map_or(self.bound.by, |delivered| delivered.by);
        self.commands.write_again(&self.bound.app, by, words, &[])
    }

    /// The warnings about an object of this name. Empty for a login that may not read events.
    pub async fn warnings(&self, namespace: &str, name: &str) -> Vec<Value> {
        let api = Api::new("", "v1", "Event", "events");
        let about = format!("involvedObject.name={name},type=Warning");
        self.cluster.selected(&api, Some(namespace), &about).await.unwrap_or_default()
    }
}
