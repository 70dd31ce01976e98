//! What this machine must have to execute a plan. It is checked before anything is asked or written.

use super::{commands, failures::one_failure, hints};
use crate::{
    engine::{
        desired::Desired,
        plan::{Act, Action, Plan},
    },
    failure::Failure,
    resources,
    session::Session,
};
use std::collections::BTreeMap;

/// Asks each kind once that the plan changes.
pub(super) async fn check(session: &Session, plan: &Plan, desired: &Desired) -> Result<(), Failure> {
    // a hand-over only changes marks
    let changes = |action: &&Action| action.act.changes() && action.act != Act::HandOver;
    let first: BTreeMap<&str, &Action> = plan.actions.iter().rev().filter(changes).map(|a| (a.kind.as_str(), a)).collect();
    let mut failures = Vec::new();
    let reaches = commands::reaches(session).await;
    for (kind, action) in first {
        let kind = resources::of(kind).map_err(|fault| Failure::from(&fault))?;
        if let Err(fault) = kind.preflight(&session.clusters).await {
            failures.push((&action.key, hints::told(desired, &action.key, &fault, &reaches)));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(one_failure(failures.into_iter()).because("nothing was changed".to_owned())),
    }
}
