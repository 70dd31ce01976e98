//! From an old template to a new one: step by step within what may be missing and what may be too many, or all at once
//! (kubernetes, `pkg/controller/deployment/{rolling,recreate}.go`).

use super::super::store::meta;
use super::deployments::Family;
use super::hand::{Hand, controller, count};
use super::progress;
use super::revisions::{self, replicas};
use serde_json::Value;

pub fn rolling(hand: &mut Hand<'_>, family: &mut Family) -> Option<()> {
    family.find_new(hand, true)?;
    let changed = grow(hand, family)? || shrink(hand, family)?;
    if !changed && progress::complete(&family.deployment, &family.deployment["status"]) {
        family.clean_up(hand);
    }
    progress::write(hand, family, true)
}

/// The new set towards its size; whether it changed.
fn grow(hand: &mut Hand<'_>, family: &mut Family) -> Option<bool> {
    let Some(new) = family.new.clone() else { return Some(false) };
    let (size, wanted) = (replicas(&new), replicas(&family.deployment));
    let next = if size > wanted { wanted } else { family.room_for(&new) };
    if size == wanted || next == size {
        return Some(false);
    }
    let changed = family.resize(hand, &new, next)?;
    let did = changed.is_some();
    family.new = changed.or(Some(new));
    Some(did)
}

/// The old sets towards nothing: first what does not run, then what is not needed any more.
fn shrink(hand: &mut Hand<'_>, family: &mut Family) -> Option<bool> {
    let Some(new) = family.new.clone() else { return Some(false) };
    if revisions::total(&family.old) == 0 {
        return Some(false);
    }
    let least = replicas(&family.deployment) - revisions::may_be_missing(&family.deployment);
    let lacking = replicas(&new) - count(&new["status"]["availableReplicas"]);
    let mut room = revisions::total(family.all()) - least - lacking;
    if room <= 0 {
        return Some(false);
    }
    let mut changed = false;
    for at in 0..family.old.len() {
        let set = family.old[at].clone();
        let broken = replicas(&set) - count(&set["status"]["availableReplicas"]);
        let less = broken.min(room).min(replicas(&set));
        if less > 0 {
            if let Some(smaller) = family.resize(hand, &set, replicas(&set) - less)? {
                family.old[at] = smaller;
            }
            room -= less;
            changed = true;
        }
    }
    let mut room = revisions::sum(family.all(), "availableReplicas") - least;
    for at in 0..family.old.len() {
        let set = family.old[at].clone();
        let less = replicas(&set).min(room);
        if less > 0 {
            if let Some(smaller) = family.resize(hand, &set, replicas(&set) - less)? {
                family.old[at] = smaller;
            }
            room -= less;
            changed = true;
        }
    }
    Some(changed)
}

pub fn recreate(hand: &mut Hand<'_>, family: &mut Family) -> Option<()> {
    family.find_new(hand, false)?;
    let mut changed = false;
    for at in 0..family.old.len() {
        let set = family.old[at].clone();
        if replicas(&set) > 0
            && let Some(smaller) = family.resize(hand, &set, 0)?
        {
            family.old[at] = smaller;
            changed = true;
        }
    }
    if changed || old_pods_run(hand, family) {
        return progress::write(hand, family, true);
    }
    family.find_new(hand, true)?;
    let wanted = replicas(&family.deployment);
    if let Some(new) = family.new.clone().filter(|new| replicas(new) != wanted) {
        family.new = family.resize(hand, &new, wanted)?.or(Some(new));
    }
    if progress::complete(&family.deployment, &family.deployment["status"]) {
        family.clean_up(hand);
    }
    progress::write(hand, family, true)
}

fn old_pods_run(hand: &Hand<'_>, family: &Family) -> bool {
    let old: Vec<&str> = family.old.iter().map(|set| meta(set, "uid")).collect();
    let of_old = |pod: &Value| controller(pod).is_some_and(|c| old.contains(&c["uid"].as_str().unwrap_or_default()));
    let over = |pod: &Value| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    revisions::sum(&family.old, "replicas") > 0
        || hand.list("pods", meta(&family.deployment, "namespace")).iter().any(|pod| of_old(pod) && !over(pod))
}
