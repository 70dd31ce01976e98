//! The plan's own comparison, for what one proof depends on: what is missing, or differs from what podid wrote, is the cause of a failed proof
//! more often than not, and is named before any text of a component is read. What this login may not look at is left out.

use super::{
    Prover, Target,
    link::{Link, NotProved},
    words,
};
use crate::{
    engine::{
        desired::{Desired, Intent},
        key::Key,
        observe::{Observed, observe},
        plan::{Act, Action, Plan},
        planner::{self, Consent},
        resource::{Change, Side},
    },
    resources::{self, KINDS, Reader, grant, manifest, values::Values, vault},
    spec::suggest,
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// Seconds after which a role assignment holds everywhere.
const SPREAD: i64 = 600;

/// Something that is not as podid wrote it.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) found: NotProved,
    /// False for what Azure may only not show yet.
    pub(super) certain: bool,
    /// Nothing can work without it. What only differs may work all the same: it is a cause once a component reports a problem.
    pub(super) breaks: bool,
}

/// What one comparison found.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// In the order of the chain; what follows from another difference is left out.
    pub(super) differences: Vec<Difference>,
    /// Kinds whose role assignments are so old that Azure has spread them long since.
    spread: Vec<&'static str>,
}

impl Comparison {
    /// Whether a refusal at this link cannot be a right that is on its way.
    pub(super) fn is_spread(&self, link: Link) -> bool {
        let kind = match link {
            Link::Grant => "grant",
            Link::Role => "role",
            _ => return false,
        };
        self.differences.is_empty() && self.spread.contains(&kind)
    }
}

/// All that keeps this proof from succeeding, as far as this login may look.
pub(super) async fn compare(prover: &Prover, target: &Target) -> Comparison {
    let reader = |force| {
        let values = Arc::new(Values::default());
        Reader::new(prover.azure.read(), prover.clusters.clone(), values, resources::content()).consenting(false, force)
    };
    let looks = reader(false);
    let Some(pass) = Box::pin(pass(prover, target, &looks)).await else { return Comparison::default() };
    let conflict = pass.desired.nodes.keys().any(|key| has_conflicts(&pass.observed, key));
    // what others hold against podid is shown with both values, as if podid were to take it back
    let forced = if conflict { Box::pin(self::pass(prover, target, &reader(true))).await } else { None };
    let mut found: Vec<(Key, Difference)> = Vec::new();
    for key in pass.desired.order().unwrap_or_default() {
        if let Some(difference) = pass.difference(prover, target, &key, forced.as_ref()) {
            found.push((key, difference));
        }
    }
    let keys: BTreeSet<Key> = found.iter().map(|(key, _)| key.clone()).collect();
    let mut causes: Vec<Difference> =
        found.into_iter().filter(|(key, _)| pass.behind(key).is_disjoint(&keys)).map(|(_, difference)| difference).collect();
    if !causes.iter().any(|d| d.found.link == Link::Vault) {
        causes.extend(secrets(prover, target, &looks).await);
    }
    causes.sort_by_key(|d| rank(d.found.link));
    Comparison { differences: causes, spread: ["grant", "role"].into_iter().filter(|kind| pass.is_spread(kind)).collect() }
}

/// From the ground up: what comes first may be why the rest is broken.
fn rank(link: Link) -> usize {
    let order = [
        Link::Cluster,
        Link::Identity,
        Link::Role,
        Link::AzureIdentity,
        Link::Binding,
        Link::Vault,
        Link::Grant,
        Link::Secret,
        Link::Class,
    ];
    order.iter().position(|one| *one == link).unwrap_or(order.len())
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
    let mut desired = planner::remembered(&target.app, ledger);
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

/// The class, the binding, all that they refer to, and the identity's rights to the vault. Secrets are looked at by a list of the vault.
fn relevant(desired: &Desired, target: &Target) -> BTreeSet<Key> {
    let mut todo = vec![target.class_key.clone(), target.binding_key.clone()];
    let vault = vault::key(&target.class.vault_name);
    if let Some(identity) = &target.identity_key {
        let own = grant::key(vault.names(), identity.names());
        let reads = |needs: &BTreeSet<Key>| needs.contains(&vault) && needs.contains(identity);
        let grants = desired.nodes.values().filter(|n| n.kind == "grant" && (n.key == own || reads(&n.needs())));
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
    fn is_spread(&self, kind: &str) -> bool {
        let created = |key: &Key| self.observed.seen.get(key)?.as_ref()?.actual.pointer("/assignment/created_on")?.as_i64();
        let now = jiff::Timestamp::now().as_second();
        let mut all = self.desired.nodes.values().filter(|n| n.kind == kind).peekable();
        all.peek().is_some() && all.all(|n| created(&n.key).is_some_and(|at| now - at > SPREAD))
    }

    /// Everything that a node refers to, directly or not.
    fn behind(&self, key: &Key) -> BTreeSet<Key> {
        let needs = self.desired.nodes.get(key).map(|n| n.needs().into_iter().collect()).unwrap_or_default();
        closure(&self.desired, needs)
    }

    fn difference(&self, prover: &Prover, target: &Target, key: &Key, forced: Option<&Self>) -> Option<Difference> {
        let node = self.desired.nodes.get(key).filter(|n| n.intent != Intent::Assumed)?;
        let link = link_of(&node.kind)?;
        let by = prover.ledger.get(&target.app, key).map_or(target.by, |e| e.by);
        let again = |more: &[&str]| prover.commands.write_again(target, &node.kind, by, more);
        let certain = !prover.fresh && !matches!(node.kind.as_str(), "role" | "grant") || is_kubernetes(&node.kind);
        let thing = thing(target, key, &node.kind, self.placed(key));
        let found = |what: String, hint: String| Some(Difference { found: NotProved::new(link, what).hint(hint), certain, breaks: true });
        let differs = |changes: &[String], hint: String| {
            let what = format!("{thing} differs from what podid wrote: {}", changes.join(", "));
            Some(Difference { found: NotProved::new(link, what).hint(hint), certain, breaks: false })
        };
        if let Some(refusal) = self.plan.refused.iter().find(|r| r.key == *key) {
            let way = refusal.way_out.clone().unwrap_or_default();
            let flags: Vec<&str> = ["--force-conflicts", "--adopt", "--recover"].into_iter().filter(|f| way.contains(f)).collect();
            let changes = forced.and_then(|f| f.plan.action(key)).map(|a| changed(&a.changes)).unwrap_or_default();
            return match (has_conflicts(&self.observed, key), flags.is_empty()) {
                (true, _) if !changes.is_empty() => differs(&changes, write(&again(&flags))),
                // only labels or annotations
                (true, _) if forced.is_some() => None,
                (_, false) => {
                    found(refusal.reason.clone(), write(&again(&flags))).map(|d| Difference { breaks: !is_kubernetes(&node.kind), ..d })
                }
                (_, true) => found(refusal.reason.clone(), way),
            };
        }
        let action = self.plan.action(key)?;
        match action.act {
            Act::Create | Act::Replace => found(missing(&node.kind, &thing), write(&again(&[]))),
            Act::Update if node.kind == "grant" => {
                // a description is a mark, too
                let has = action.changes.iter().find(|c| c.field == "secrets").map(|c| shown(&c.from))?;
                found(
                    format!("{thing} is not complete: its access policy allows only {has}, so it may not get secrets"),
                    write(&again(&[])),
                )
            }
            Act::Update if is_kubernetes(&node.kind) && !is_unsure(action) => {
                let changes = changed(&action.changes);
                if changes.is_empty() {
                    return None;
                }
                differs(&changes, write(&again(&[])))
            }
            _ if node.kind == "identity" => {
                let ids = |outputs: &crate::engine::input::Outputs| outputs.get("principal_id").and_then(Value::as_str).map(str::to_owned);
                let (was, is) = (ids(&action.work.recorded)?, ids(&action.work.outputs)?);
                let what = format!("{thing} was deleted and made again under its name: its principal was {was} and is {is} now");
                if was.eq_ignore_ascii_case(&is) { None } else { found(what, write(&again(&[]))) }
            }
            _ => None,
        }
    }

    fn placed(&self, key: &Key) -> &Value {
        self.observed.placed.get(key).map_or(&Value::Null, AsRef::as_ref)
    }
}

fn write(again: &str) -> String {
    format!("Write it again: {again}.")
}

/// Some of what it is made of was not known: that is the difference of something else.
fn is_unsure(action: &Action) -> bool {
    action.work.actual.as_ref().is_some_and(|actual| manifest::is_unknown(actual))
}

fn is_kubernetes(kind: &str) -> bool {
    resources::of(kind).is_ok_and(|kind| kind.side() == Side::Kubernetes)
}

fn link_of(kind: &str) -> Option<Link> {
    Some(match kind {
        "cluster" | "namespace" => Link::Cluster,
        "identity" => Link::Identity,
        "role" => Link::Role,
        "azureidentity" => Link::AzureIdentity,
        "azureidentitybinding" => Link::Binding,
        "vault" => Link::Vault,
        "grant" => Link::Grant,
        "secretproviderclass" => Link::Class,
        _ => return None,
    })
}

/// Labels and annotations are marks: they keep no pod from its secrets.
fn changed(changes: &[Change]) -> Vec<String> {
    let counts = changes.iter().filter(|c| c.field.starts_with("spec") || c.field == "phase");
    counts.map(|c| format!("{} is {} instead of {}", c.field, shown(&c.from), shown(&c.to))).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".into(),
        other => words::cut(&other.to_string()),
    }
}

fn thing(target: &Target, key: &Key, kind: &str, placed: &Value) -> String {
    let text = |field: &str| placed.get(field).and_then(Value::as_str).unwrap_or_default();
    match kind {
        "cluster" => format!("the cluster {}", key.names()),
        "namespace" => format!("the namespace {}", text("name")),
        "identity" => format!("the managed identity {}", key.names()),
        "vault" => format!("the vault {}", key.names()),
        "azureidentity" => format!("the AzureIdentity {}/{}", text("namespace"), text("name")),
        "azureidentitybinding" => format!("the AzureIdentityBinding {}/{}", text("namespace"), text("name")),
        "secretproviderclass" => format!("the SecretProviderClass {}/{}", text("namespace"), text("name")),
        "role" => {
            let to = text("principal");
            format!("the role {} of the cluster {} (principal {to}) at {}", text("role"), target.cluster.name, text("scope"))
        }
        "grant" => {
            format!("the right of the identity {} to read the secrets of the vault {}", target.identity_name, target.class.vault_name)
        }
        _ => key.to_string(),
    }
}

fn missing(kind: &str, thing: &str) -> String {
    match kind {
        "role" => format!("{thing} is not assigned, so MIC cannot put the identity on the nodes"),
        "grant" => format!("{thing} is missing: it may not get secrets"),
        _ => format!("{thing} does not exist"),
    }
}

/// Whether the vault has what the class mounts, as far as this login may list it.
async fn secrets(prover: &Prover, target: &Target, reader: &Reader) -> Vec<Difference> {
    let vault = &target.class.vault_name;
    let Some(uri) = &target.vault_uri else { return Vec::new() };
    let Ok(listed) = reader.azure.secrets(uri).await else { return Vec::new() };
    let mut found = Vec::new();
    for object in &target.class.objects {
        let name = &object.name;
        let difference = match listed.iter().find(|s| s.name.eq_ignore_ascii_case(name)) {
            Some(secret) if secret.enabled => continue,
            Some(_) => NotProved::new(Link::Secret, format!("the secret {name} is disabled in the vault {vault}"))
                .hint(format!("Enable it: {}.", words::enable(vault, name))),
            None if matches!(reader.azure.deleted_secret(uri, name).await, Ok(Some(_))) => {
                NotProved::new(Link::Secret, format!("the secret {name} was deleted from the vault {vault}"))
                    .hint(format!("Bring it back: `az keyvault secret recover --vault-name {vault} --name {name}`."))
            }
            None => {
                let missing = NotProved::new(Link::Secret, format!("the vault {vault} has no secret {name}"));
                let near = suggest::nearest(name, listed.iter().map(|s| s.name.as_str())).map(|near| format!("Did you mean `{near}`? "));
                let set = prover.commands.podid(&["vault", "secret", "set", name, "--vault", vault, "--prompt"]);
                missing.hint(format!("{}Set it by {set}, or correct the name in what mounts it.", near.unwrap_or_default()))
            }
        };
        found.push(Difference { found: difference, certain: true, breaks: true });
    }
    found
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

    #[test]
    fn the_ground_comes_first() {
        assert!(rank(Link::Identity) < rank(Link::Role));
        assert!(rank(Link::Vault) < rank(Link::Secret));
        assert!(rank(Link::Class) < rank(Link::Unknown));
    }
}
