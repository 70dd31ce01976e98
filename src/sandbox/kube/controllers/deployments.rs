//! The deployment controller (kubernetes, `pkg/controller/deployment`): finds the replica sets of each deployment and decides whether to scale
//! them or to roll out a new template. `rollout` replaces templates, `progress` writes the status.

use super::super::store::meta;
use super::conditions::{condition, set_condition};
use super::controller_client::ControllerClient;
use super::deployment_sets::{DeploymentSets, SETS};
use super::revisions::{self, DESIRED, annotation, is_rolling, replicas};
use super::{progress, rollout};
use serde_json::Value;

pub fn reconcile(client: &mut ControllerClient<'_>) {
    let all: Vec<String> = client.store.with_prefix("deployments.apps/").map(|(at, _)| at.clone()).collect();
    for at in all {
        let Some(deployment) = client.store.get(&at).cloned() else { continue };
        let uid = meta(&deployment, "uid").to_owned();
        // `None` means that a write was refused; the next change, or the next retry, tries again.
        client.unless_backing_off(&uid, |client| {
            let _ = reconcile_one(client, deployment);
        });
    }
}

fn reconcile_one(client: &mut ControllerClient<'_>, deployment: Value) -> Option<()> {
    let candidates = client.list(SETS, meta(&deployment, "namespace"));
    let sets = client.claim(SETS, &deployment, candidates);
    let (new, old) = revisions::split(&deployment, sets);
    let mut sets = DeploymentSets { deployment, new, old };
    if !sets.deployment["metadata"]["deletionTimestamp"].is_null() {
        sets.sync_new(client, false)?;
        return progress::write(client, &mut sets, false);
    }
    pause(client, &mut sets)?;
    let paused = sets.deployment["spec"]["paused"] == true;
    let scaled = paused || {
        sets.sync_new(client, false)?;
        let wanted = replicas(&sets.deployment);
        revisions::active(&sets.old)
            .chain(sets.new.iter().filter(|set| replicas(set) > 0))
            .any(|set| annotation(set, DESIRED).is_some_and(|recorded| recorded != wanted))
    };
    if scaled {
        sets.sync_new(client, false)?;
        sets.scale(client)?;
        if paused {
            sets.clean_up(client);
        }
        return progress::write(client, &mut sets, false);
    }
    if is_rolling(&sets.deployment) { rollout::rolling(client, &mut sets) } else { rollout::recreate(client, &mut sets) }
}

/// Records a pause, and its end, as a condition, so that the time does not count against the deadline.
fn pause(client: &mut ControllerClient<'_>, sets: &mut DeploymentSets) -> Option<()> {
    let deployment = &sets.deployment;
    let reason = condition(&deployment["status"], "Progressing").map(|c| c["reason"].clone()).unwrap_or_default();
    if deployment["spec"]["progressDeadlineSeconds"].is_null() || reason == "ProgressDeadlineExceeded" {
        return Some(());
    }
    let (reason, message) = match (deployment["spec"]["paused"] == true, reason == "DeploymentPaused") {
        (true, false) => ("DeploymentPaused", "Deployment is paused"),
        (false, true) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return Some(()),
    };
    let mut status = deployment["status"].clone();
    set_condition(&mut status, "Progressing", "Unknown", reason, message);
    sets.deployment["status"] = status;
    sets.save_status(client)
}
