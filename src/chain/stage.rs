//! What a proof waits for, one stage after the other: a delivery says it, `verify` waits.

use super::link::{LinkName, MissingLink, Reason};
use crate::cluster::Api;
use serde_json::Value;
use std::collections::BTreeMap;

pub struct Stage {
    /// What a proof calls the step.
    pub step: &'static str,
    /// `waiting until the driver has mounted the secrets`
    pub waits_for: String,
    /// `the pod did not get its secrets`
    pub in_vain: String,
    pub until: Until,
    /// The link that is named for a text which no symptom knows.
    pub link: LinkName,
    /// What keeps it from being reached where no event says more.
    pub otherwise: Otherwise,
    /// Reasons of events that say more than all others.
    pub telling: &'static [&'static str],
    /// Reasons of events that belong to an earlier stage.
    pub over: &'static [&'static str],
    /// Returns what the pod's container reports as wrong, given the pod. It counts more than any event.
    pub report: Option<Report>,
}

pub enum Until {
    /// An object in the pod's namespace.
    Object { api: Api, name: String, read: Read },
    /// The pod itself shows it. This needs no right to watch the pods of a namespace.
    Pod(Read),
}

impl Until {
    /// The pod's container runs.
    pub fn runs(reached: impl Fn() -> Reached + Send + Sync + 'static) -> Self {
        let running = |pod: &Value| pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running");
        Self::Pod(Box::new(move |pod| running(pod).then(|| Ok(reached()))))
    }
}

/// None: the stage is not reached yet.
pub type Read = Box<dyn Fn(&Value) -> Option<Result<Reached, MissingLink>> + Send + Sync>;
pub type Report = Box<dyn Fn(&Value) -> Option<String> + Send + Sync>;

#[derive(Debug, Default)]
pub struct Reached {
    pub detail: String,
    /// The secrets that the pod got, by file name or name; each with its version, where the delivery reports it.
    pub versions: BTreeMap<String, Option<String>>,
}

pub enum Otherwise {
    /// The first link whose check finds something.
    Chain,
    Reason(Reason),
    Nothing,
}

/// What the container of a proof's pod runs.
pub struct Program {
    /// The image, if the user names no other.
    pub image: &'static str,
    pub command: Vec<String>,
}
