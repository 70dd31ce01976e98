//! The plan's own comparison, for what one proof depends on: what is missing, or differs from what podid wrote, is the cause of a failed proof
//! more often than not, and is named before any text of a component is read. What this login may not look at is left out.

use super::{other_way::other_way, prover::Prover, target::Target};
use crate::{
    azure::{ArmId, ObjectKind},
    chain::{
        link::{Heals, Link, LinkName, MissingLink, Reason, Resource, VAULT},
        page::Severity,
        texts::shown,
        view::View,
    },
    engine::{
        desired::{Desired, Intent},
        key::Key,
        observe::{Observed, observe},
        plan::{Act, Action, Plan},
        planner::{self, Consent},
        resource::{Change, Kind as _, Side},
    },
    resources::{
        self, KINDS, Reader,
        grant::{self, Grant},
        manifest,
        values::Values,
        vault::{self, RBAC},
    },
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Seconds after which a role assignment holds everywhere.
const SPREAD: i64 = 600;

/// Something that is not as podid wrote it.
#[derive(Clone, Debug)]
pub struct Difference {
    pub missing: MissingLink,
    /// False for what Azure may only not show yet.
    pub certain: bool,
    /// Nothing can work without it. What only differs may work all the same: it is a cause once a component reports a problem.
    pub breaks: bool,
}

/// What one comparison found.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// In the order of the chain; what follows from another difference is left out.
    pub(super) differences: Vec<Difference>,
    /// What is missing of podid's own, where its principal has the right by another way.
    pub(super) spared: Vec<Difference>,
    /// Links whose role assignments are so old that Azure has spread them long since.
    spread: Vec<&'static str>,
    /// Links that Azure shows to be right, and how long it may still take until they count.
    on_the_way: Vec<(LinkName, Duration)>,
}

impl Comparison {
    /// Whether a refusal at this link cannot be a right that is on its way.
    pub(super) fn is_spread(&self, link: LinkName) -> bool {
        self.differences.is_empty() && self.spread.contains(&link.word)
    }

    /// How long a link that Azure shows to be right may still take; None: nothing is known of it.
    pub(super) fn heals(&self, link: LinkName) -> Option<Duration> {
        self.on_the_way.iter().find(|(name, _)| *name == link).map(|(_, bound)| *bound)
    }
}

/// All that keeps this proof from succeeding, as far as this login may look.
pub(super) async fn compare(prover: &Prover, target: &Target) -> Comparison {
    let reader = |force| {
        let values = Arc::new(Values::default());
        Reader::new(prover.azure.read(), prover.clusters.clone(), values, resources::content())
            .consenting(false, force)
            .only_reading(prover.only_reads)
    };
    let looks = reader(false);
    let Some(pass) = Box::pin(pass(prover, target, &looks)).await else { return Comparison::default() };
    let conflict = pass.desired.nodes.keys().any(|key| has_conflicts(&pass.observed, key));
    // what others hold against podid is shown with both values, as if podid were to take it back
    let forced = if conflict { Box::pin(self::pass(prover, target, &reader(true))).await } else { None };
    let (mut found, mut spared) = (Vec::new(), Vec::new());
    for key in pass.desired.order().unwrap_or_default() {
        let Some(difference) = pass.difference(prover, target, &key, forced.as_ref()) else { continue };
        match pass.other_way(target, &key, &looks).await {
            Some((resource, how)) => {
                let what = resource.spared(&difference.missing.what);
                let missing = MissingLink { what, ..difference.missing }.severity(Severity::Warning);
                let missing = missing.because(format!("its principal has the right by another way: {how}"));
                spared.push(Difference { missing, breaks: false, ..difference });
            }
            None => found.push((key, difference)),
        }
    }
    let keys: BTreeSet<Key> = found.iter().map(|(key, _)| key.clone()).collect();
    let mut causes: Vec<Difference> =
        found.into_iter().filter(|(key, _)| pass.behind(key).is_disjoint(&keys)).map(|(_, difference)| difference).collect();
    let mut on_the_way = Vec::new();
    if !causes.iter().any(|d| d.missing.link == VAULT) {
        for reason in seen_in_azure(prover, target, &looks).await {
            match reason.heals {
                Heals::Within(bound) if reason.on_the_way => on_the_way.push((reason.missing.link, bound)),
                _ => match causes.iter_mut().find(|difference| difference.missing.link == reason.missing.link) {
                    // a difference from what podid wrote says more of the same link, and Azure shows it now
                    Some(difference) => difference.certain = true,
                    None => causes.push(Difference { missing: reason.missing, certain: true, breaks: true }),
                },
            }
        }
    }
    causes.sort_by_key(|d| target.rank(d.missing.link));
    Comparison { differences: causes, spared, spread: pass.spread(target), on_the_way }
}

/// What the links that look into Azure find there.
async fn seen_in_azure(prover: &Prover, target: &Target, reader: &Reader) -> Vec<Reason> {
    let Ok(cluster) = prover.clusters.reader(&target.bound.cluster).await else { return Vec::new() };
    let view = View { azure: Some(&reader.azure), ..target.view(&cluster, &prover.commands) };
    let mut found = Vec::new();
    for link in &target.links {
        if let Some(check) = link.check.filter(|check| check.side == Side::Azure) {
            found.extend((check.look)(&view, link).await);
        }
    }
    found
}

fn has_conflicts(observed: &Observed, key: &Key) -> bool {
    let seen = observed.seen.get(key).and_then(Option::as_ref);
    seen.is_some_and(|seen| manifest::has_conflicts(&seen.actual))
}

/// One look at everything that the proof depends on.
struct Pass {
    desired: Desired,
    observed: Observed,
    plan: Plan,
}

async fn pass(prover: &Prover, target: &Target, reader: &Reader) -> Option<Pass> {
    let ledger = &prover.ledger;
    let mut desired = planner::remembered(&target.bound.app, ledger);
    let relevant = relevant(&desired, target);
    let others: Vec<Key> = desired.nodes.keys().filter(|key| !relevant.contains(key)).cloned().collect();
    others.iter().for_each(|key| desired.nodes.remove(key));
    // what cannot be looked at is taken from the state, so that what depends on it can be looked at all the same
    let mut left = desired.nodes.len();
    let observed = loop {
        let faults = match Box::pin(observe(&desired, ledger, KINDS, reader, false)).await {
            Ok(observed) => break observed,
            Err(faults) => faults,
        };
        for (key, _) in &faults {
            if let Some(node) = desired.nodes.get_mut(key) {
                node.intent = Intent::Assumed;
            }
        }
        left = left.checked_sub(1)?;
    };
    let plan = planner::plan(&desired, ledger, &observed, KINDS, &Consent::default()).ok()?;
    Some(Pass { desired, observed, plan })
}

/// The objects of mode and delivery, all that they refer to, and the identity's rights to the vault. Secrets are looked at by a list of the vault.
fn relevant(desired: &Desired, target: &Target) -> BTreeSet<Key> {
    let mut todo: Vec<Key> = target.delivered.keys.iter().chain(&target.bound.keys).cloned().collect();
    let vault = vault::key(&target.delivered.vault.name);
    if let Some(identity) = &target.bound.identity.key {
        let own = grant::key(vault.names(), identity.names(), ObjectKind::Secret);
        let reads = |needs: &BTreeSet<Key>| needs.contains(&vault) && needs.contains(identity);
        let grants = desired.nodes.values().filter(|n| n.kind == Grant::KIND && (n.key == own || reads(&n.needs())));
        todo.extend(grants.map(|n| n.key.clone()));
    }
    closure(desired, todo)
}

fn closure(desired: &Desired, mut todo: Vec<Key>) -> BTreeSet<Key> {
    let mut found = BTreeSet::new();
    while let Some(key) = todo.pop() {
        if let Some(node) = desired.nodes.get(&key)
            && found.insert(key)
        {
            todo.extend(node.needs());
        }
    }
    found
}

impl Pass {
    /// The links all of whose role assignments are old.
    fn spread(&self, target: &Target) -> Vec<&'static str> {
        let created = |key: &Key| self.observed.seen.get(key)?.as_ref()?.actual.pointer("/assignment/created_on")?.as_i64();
        let now = jiff::Timestamp::now().as_second();
        let is_old = |key: &Key| created(key).is_some_and(|at| now - at > SPREAD);
        let spreading = target.links.iter().filter(|link| link.resource.as_ref().is_some_and(|resource| resource.spreads));
        let names: BTreeSet<&'static str> = spreading.map(|link| link.name.word).collect();
        let all_old = |name: &&str| {
            let nodes =
                self.desired.nodes.values().filter(|node| link_of(target, &node.kind, &node.key).is_some_and(|l| l.name.word == *name));
            let mut nodes = nodes.peekable();
            nodes.peek().is_some() && nodes.all(|node| is_old(&node.key))
        };
        names.into_iter().filter(all_old).collect()
    }

    /// Everything that a node refers to, directly or not.
    fn behind(&self, key: &Key) -> BTreeSet<Key> {
        let needs = self.desired.nodes.get(key).map(|n| n.needs().into_iter().collect()).unwrap_or_default();
        closure(&self.desired, needs)
    }

    fn difference(&self, prover: &Prover, target: &Target, key: &Key, forced: Option<&Self>) -> Option<Difference> {
        let node = self.desired.nodes.get(key).filter(|n| n.intent != Intent::Assumed)?;
        let link = link_of(target, &node.kind, key)?;
        let resource = link.resource.as_ref()?;
        let app = &target.bound.app;
        let by = prover.ledger.get(app, key).map_or(target.delivered.by, |e| e.by);
        let write = |more: &[&str]| format!("Write it again: {}.", prover.commands.write_again(app, by, &link.again, more));
        let in_cluster = KINDS.of(&node.kind).is_ok_and(|kind| kind.side() == Side::Kubernetes);
        let certain = !prover.fresh && !resource.spreads || in_cluster;
        let title = format!("{}{}", link.title, (resource.place)(self.placed(key)));
        let found = |what: String, hint: String| {
            Some(Difference { missing: MissingLink::new(link.name, what).page(link.page).hint(hint), certain, breaks: true })
        };
        let differs = |changes: &[String], hint: String| {
            let what = format!("{title} differs from what podid wrote: {}", changes.join(", "));
            Some(Difference { missing: MissingLink::new(link.name, what).page(link.page).hint(hint), certain, breaks: false })
        };
        if let Some(refusal) = self.plan.refused.iter().find(|r| r.key == *key) {
            let way = refusal.way_out.clone().unwrap_or_default();
            let flags: Vec<&str> = ["--force-conflicts", "--adopt", "--recover"].into_iter().filter(|f| way.contains(f)).collect();
            let changes = forced.and_then(|f| f.plan.action(key)).map(|a| changed(&a.changes)).unwrap_or_default();
            return match (has_conflicts(&self.observed, key), flags.is_empty()) {
                (true, _) if !changes.is_empty() => differs(&changes, write(&flags)),
                // only labels or annotations
                (true, _) if forced.is_some() => None,
                (_, false) => found(refusal.reason.clone(), write(&flags)).map(|d| Difference { breaks: !in_cluster, ..d }),
                (_, true) => found(refusal.reason.clone(), way),
            };
        }
        let action = self.plan.action(key)?;
        match (action.act, resource.judge) {
            (Act::Create | Act::Replace, _) => found(format!("{title} {}", resource.missing), write(&[])),
            (_, Some(judge)) => {
                let hint = if resource.way_out.is_empty() { write(&[]) } else { resource.way_out.to_owned() };
                let judged = found(format!("{title} {}", judge(action)?), hint)?;
                Some(Difference { missing: MissingLink { page: resource.judged.or(judged.missing.page), ..judged.missing }, ..judged })
            }
            (Act::Update, None) if in_cluster && !is_unsure(action) => {
                let changes = changed(&action.changes);
                if changes.is_empty() { None } else { differs(&changes, write(&[])) }
            }
            _ => None,
        }
    }

    /// How the principal of a missing role has the right that the role would give it, with what the role is to its link.
    async fn other_way<'t>(&self, target: &'t Target, key: &Key, reader: &Reader) -> Option<(&'t Resource, String)> {
        let node = self.desired.nodes.get(key)?;
        let resource = link_of(target, &node.kind, key)?.resource.as_ref()?;
        let right = resource.right?;
        let is_missing = self.plan.action(key).is_some_and(|action| matches!(action.act, Act::Create | Act::Replace));
        let placed = self.placed(key);
        // a role says where it is, and a grant at which vault
        let scope = placed.get("scope").or_else(|| placed.get("vault"))?.as_str().and_then(ArmId::parse)?;
        let by_role = placed.get("model").is_none_or(|model| model == RBAC);
        let principal = placed.get("principal")?.as_str()?;
        if !is_missing || !by_role {
            return None;
        }
        other_way(&reader.azure, principal, right, &scope).await.map(|how| (resource, how))
    }

    fn placed(&self, key: &Key) -> &Value {
        self.observed.placed.get(key).map_or(&Value::Null, AsRef::as_ref)
    }
}

/// The link that rests on a resource.
fn link_of<'a>(target: &'a Target, kind: &str, key: &Key) -> Option<&'a Link> {
    target.links.iter().find(|link| link.resource.as_ref().is_some_and(|resource| resource.is(kind, key)))
}

/// Some of what it is made of was not known: that is the difference of something else.
fn is_unsure(action: &Action) -> bool {
    action.work.actual.as_ref().is_some_and(|actual| manifest::is_unknown(actual))
}

/// Labels and annotations are marks: they keep no pod from its secrets. Roles have their content beside `spec`.
fn changed(changes: &[Change]) -> Vec<String> {
    let counts = changes.iter().filter(|c| !c.field.starts_with("metadata"));
    counts.map(|c| format!("{} is {} instead of {}", c.field, shown(&c.from), shown(&c.to))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marks_are_not_a_cause_and_a_changed_spec_is_shown_with_both_values() {
        let change = |field: &str, from: Value, to: Value| Change { field: field.into(), from, to };
        let changes = [
            change("metadata.labels", Value::Null, json!({ "managed-by": "podid" })),
            change("spec.parameters.usePodIdentity", json!("false"), json!("true")),
            change("spec.secretObjects", Value::Null, json!([])),
        ];
        assert_eq!(
            changed(&changes),
            [r#"spec.parameters.usePodIdentity is "false" instead of "true""#, "spec.secretObjects is not set instead of []"]
        );
    }
}
