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
}

pub enum Until {
    /// An object in the pod's namespace.
    Object { api: Api, name: String, read: Read },
    /// The pod's container runs.
    Runs { detail: String },
}

/// None: the stage is not reached yet.
pub type Read = Box<dyn Fn(&Value) -> Option<Result<Reached, MissingLink>> + Send + Sync>;

#[derive(Debug, Default)]
pub struct Reached {
    pub detail: String,
    /// File name and version of each secret that the pod got, where the delivery says them.
    pub versions: BTreeMap<String, String>,
}

pub enum Otherwise {
    /// The first link whose check finds something.
    Chain,
    Reason(Reason),
    Nothing,
}
