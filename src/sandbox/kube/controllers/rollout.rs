//! Rolls out a new template: step by step within maxUnavailable and maxSurge, or all pods at once (kubernetes,
//! `pkg/controller/deployment/{rolling,recreate}.go`).

use super::super::store::meta;
use super::controller_client::{ControllerClient, controller, count};
use super::deployment_sets::DeploymentSets;
use super::progress;
use super::revisions::{self, replicas};
use serde_json::Value;

pub fn rolling(client: &mut ControllerClient<'_>, sets: &mut DeploymentSets) -> Option<()> {
    sets.sync_new(client, true)?;
    let changed = scale_new(client, sets)? || scale_down_old(client, sets)?;
    if !changed && progress::complete(&sets.deployment, &sets.deployment["status"]) {
        sets.clean_up(client);
    }
    progress::write(client, sets, true)
}

/// Scales the new set towards its final size; returns whether it changed.
fn scale_new(client: &mut ControllerClient<'_>, sets: &mut DeploymentSets) -> Option<bool> {
    let Some(new) = sets.new.clone() else { return Some(false) };
    let (size, wanted) = (replicas(&new), replicas(&sets.deployment));
    let next = if size > wanted { wanted } else { sets.allowed_replicas(&new) };
    if size == wanted || next == size {
        return Some(false);
    }
    let changed = sets.resize(client, &new, next)?;
    let did = changed.is_some();
    sets.new = changed.or(Some(new));
    Some(did)
}

/// Scales the old sets down: first unavailable pods, then pods that are no longer needed.
fn scale_down_old(client: &mut ControllerClient<'_>, sets: &mut DeploymentSets) -> Option<bool> {
    let Some(new) = sets.new.clone() else { return Some(false) };
    if revisions::total(&sets.old) == 0 {
        return Some(false);
    }
    let least = replicas(&sets.deployment) - revisions::max_unavailable(&sets.deployment);
    let lacking = replicas(&new) - count(&new["status"]["availableReplicas"]);
    let mut room = revisions::total(sets.all()) - least - lacking;
    if room <= 0 {
        return Some(false);
    }
    let mut changed = false;
    for at in 0..sets.old.len() {
        let set = sets.old[at].clone();
        let broken = replicas(&set) - count(&set["status"]["availableReplicas"]);
        let less = broken.min(room).min(replicas(&set));
        if less > 0 {
            if let Some(smaller) = sets.resize(client, &set, replicas(&set) - less)? {
                sets.old[at] = smaller;
            }
            room -= less;
            changed = true;
        }
    }
    let mut room = revisions::sum(sets.all(), "availableReplicas") - least;
    for at in 0..sets.old.len() {
        let set = sets.old[at].clone();
        let less = replicas(&set).min(room);
        if less > 0 {
            if let Some(smaller) = sets.resize(client, &set, replicas(&set) - less)? {
                sets.old[at] = smaller;
            }
            room -= less;
            changed = true;
        }
    }
    Some(changed)
}

pub fn recreate(client: &mut ControllerClient<'_>, sets: &mut DeploymentSets) -> Option<()> {
    sets.sync_new(client, false)?;
    let mut changed = false;
    for at in 0..sets.old.len() {
        let set = sets.old[at].clone();
        if replicas(&set) > 0
            && let Some(smaller) = sets.resize(client, &set, 0)?
        {
            sets.old[at] = smaller;
            changed = true;
        }
    }
    if changed || old_pods_run(client, sets) {
        return progress::write(client, sets, true);
    }
    sets.sync_new(client, true)?;
    let wanted = replicas(&sets.deployment);
    if let Some(new) = sets.new.clone().filter(|new| replicas(new) != wanted) {
        sets.new = sets.resize(client, &new, wanted)?.or(Some(new));
    }
    if progress::complete(&sets.deployment, &sets.deployment["status"]) {
        sets.clean_up(client);
    }
    progress::write(client, sets, true)
}

fn old_pods_run(client: &ControllerClient<'_>, sets: &DeploymentSets) -> bool {
    let old: Vec<&str> = sets.old.iter().map(|set| meta(set, "uid")).collect();
    let of_old = |pod: &Value| controller(pod).is_some_and(|c| old.contains(&c["uid"].as_str().unwrap_or_default()));
    let over = |pod: &Value| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    revisions::sum(&sets.old, "replicas") > 0
        || client.list("pods", meta(&sets.deployment, "namespace")).iter().any(|pod| of_old(pod) && !over(pod))
}
