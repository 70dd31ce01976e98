//! Makes a plan from the desired graph, the observation and the ledger. It is pure: no cloud, no clock, no file.

mod contained;
mod owners;
mod recall;
mod replaced;
pub(super) mod settle;
mod spare;
mod unwanted;

use super::{
    desired::{Condition, Desired, Intent, Node, Requester, order},
    fault::Fault,
    input::{Outputs, needs, shown},
    key::Key,
    ledger::{Ledger, Origin},
    observe::Observed,
    plan::{Act, Action, FORMAT, LeftOut, Notes, Plan, Refusal, Work},
    resource::{Backend, Change, ErasedKind, Kinds, NodeContext, Observation, Owner},
};
pub use recall::{all_absent, prune, remembered};
use serde_json::Value;
use settle::{Settled, both, settle};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the caller consented to.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// Foreign resources that differ may be taken over.
    pub adopt: bool,
    /// Soft-deleted resources may be recovered.
    pub recover: bool,
    /// The names of data, or of its holders, that may be deleted: `kv-shop`, `kv-shop/conn`.
    pub delete_data: BTreeSet<String>,
    /// The data that the command itself names for deletion.
    pub named: BTreeSet<Key>,
}

impl Consent {
    /// Returns whether data may be deleted. `holder` is the resource that contains it; consent for the holder covers its content.
    fn may_delete_data(&self, data: &Key, holder: Option<&Key>) -> bool {
        let says = |key: &Key| self.delete_data.iter().any(|name| Key::of(key.kind(), [name.as_str()]) == *key);
        self.named.contains(data) || says(data) || holder.is_some_and(says)
    }
}

pub fn plan<W: Backend>(
    desired: &Desired,
    ledger: &Ledger,
    observed: &Observed,
    kinds: Kinds<W>,
    consent: &Consent,
) -> Result<Plan, Fault> {
    let mut planner = Planner {
        desired,
        ledger,
        observed,
        kinds,
        consent,
        needed: owners::needed(desired, ledger, kinds)?,
        claims: owners::claims(desired, ledger, kinds)?,
        ours: BTreeMap::new(),
        actions: BTreeMap::new(),
        refused: Vec::new(),
        blocked: Vec::new(),
    };
    let sequence = desired.order()?;
    for key in &sequence {
        if desired.nodes[key].intent != Intent::Absent {
            planner.wanted(&desired.nodes[key])?;
        }
    }
    // holders first: a secret is deleted or kept with its vault
    for key in &sequence {
        if desired.nodes[key].intent == Intent::Absent {
            planner.unwanted(&desired.nodes[key])?;
        }
    }
    planner.finish()
}

struct Planner<'a, W: Backend> {
    desired: &'a Desired,
    ledger: &'a Ledger,
    observed: &'a Observed,
    kinds: Kinds<W>,
    consent: &'a Consent,
    /// Resources that must be kept, each with the resource that needs it.
    needed: BTreeMap<Key, Key>,
    /// Resources that other apps of this state created, adopted or read.
    claims: owners::Claims,
    /// Whether each resource is ours after the plan.
    ours: BTreeMap<Key, bool>,
    actions: BTreeMap<Key, Action>,
    refused: Vec<Refusal>,
    /// Resources of ours that stay because of their deletion blockers.
    blocked: Vec<Key>,
}

/// Returns why a resource is not ours although the state says so.
fn contradiction(other: &str) -> String {
    format!("it carries the marks of app {other}, although the state says that podid made it for this app")
}

static NOTHING: Outputs = Outputs::new();

impl<W: Backend> Planner<'_, W> {
    fn wanted(&mut self, node: &Node) -> Result<(), Fault> {
        let kind = self.kinds.of(&node.kind)?;
        let placed = self.observed.placed.get(&node.key).cloned().unwrap_or_else(|| Arc::clone(&node.spec));
        let seen = self.observed.seen.get(&node.key).and_then(Option::as_ref);
        match node.intent {
            Intent::Existing | Intent::Optional => {
                if let (Intent::Existing, Some(fault)) = (node.intent, self.observed.unreadable.get(&node.key)) {
                    return Err(fault.clone());
                }
                let ours = match seen {
                    Some(seen) => self.is_ours(node, kind, &placed, seen)?,
                    None => false,
                };
                self.ours.insert(node.key.clone(), ours);
                match seen {
                    Some(seen) => {
                        let origin = self.context(node, kind, &placed)?.origin.unwrap_or(Origin::Existing);
                        let why = (origin == Origin::Existing).then(|| "existing".to_owned());
                        self.act(node, kind, Act::Keep, origin, Vec::new(), why, placed, Some(seen))?;
                    }
                    None if node.intent == Intent::Existing => {
                        let (reason, way_out) = kind.not_found(&placed)?;
                        self.refuse(node, reason, way_out);
                    }
                    None => {}
                }
                return Ok(());
            }
            Intent::Assumed => {
                if self.observed.known.get(&node.key).is_none_or(|o| o.is_empty()) {
                    self.refuse(
                        node,
                        format!("{} is not in the state, and this run may not look for it", node.key),
                        "Run the other half first with the same state file (`--only azure`), or run without `--only`.".into(),
                    );
                }
                // what podid made stays made while nobody looks
                let recorded = self.ledger.get(&self.desired.app, &node.key).map(|entry| entry.origin);
                self.ours.insert(node.key.clone(), recorded == Some(Origin::Created));
                return Ok(());
            }
            Intent::Present | Intent::Absent => {}
        }
        if node.when.as_ref().is_some_and(|when| !self.condition_holds(when)) {
            self.ours.insert(node.key.clone(), false);
            // it was needed while the holder was ours
            if self.ledger.get(&self.desired.app, &node.key).is_some() {
                return self.unwanted(node);
            }
            return Ok(());
        }
        self.present(node, kind, placed, seen)
    }

    fn condition_holds(&self, when: &Condition) -> bool {
        let published = when.or.as_ref().and_then(|or| self.observed.known.get(&when.ours)?.get(or));
        self.ours.get(&when.ours).copied().unwrap_or(false) || published == Some(&Value::Bool(true))
    }

    fn present(&mut self, node: &Node, kind: &dyn ErasedKind<W>, placed: Arc<Value>, seen: Option<&Observation>) -> Result<(), Fault> {
        if let Some(fault) = self.observed.unreadable.get(&node.key) {
            return self.unseen(node, kind, placed, fault);
        }
        let (left, _) = self.leaving(node, kind)?;
        let deletion = replaced::deletion(&left);
        let replaced = |act: Act| if deletion.is_some() { Act::Replace } else { act };
        let Some(seen) = seen else {
            let created = || -> Result<Vec<Change>, Fault> {
                let fields = kind.creation_summary(&placed)?.into_iter().filter(|(_, to)| !to.is_null());
                Ok(fields.map(|(field, to)| Change { field: field.into(), from: Value::Null, to: shown(&to) }).collect())
            };
            let changes = if deletion.is_some() { replaced::changes(kind, &placed, &left)? } else { created()? };
            self.ours.insert(node.key.clone(), true);
            let (act, why) = (replaced(Act::Create), both(deletion, kind.plan_note(&node.spec)?));
            return self.act(node, kind, act, Origin::Created, changes, why, placed, None);
        };
        let context = self.context(node, kind, &placed)?;
        let ours = self.is_ours(node, kind, &placed, seen)?;
        self.ours.insert(node.key.clone(), ours);
        let recorded = context.origin;
        match settle(kind, node, &placed, NodeContext { ours: Some(ours), ..context }, &seen.actual, self.consent.adopt)? {
            Settled::Do { act, origin, changes, why } => {
                let contradicted = match kind.owner(&placed, context, &seen.actual)? {
                    Owner::OtherApp(other) if recorded == Some(Origin::Created) => Some(contradiction(&other)),
                    _ => None,
                };
                let why = both(contradicted, why);
                self.act(node, kind, replaced(act), origin, changes, both(deletion, why), placed, Some(seen))
            }
            Settled::Refused { reason, way_out, changes } => {
                self.refused.push(Refusal { key: node.key.clone(), reason, changes, way_out: Some(way_out) });
                Ok(())
            }
        }
    }

    /// Plans a resource that could not be read for lack of a permission. If this plan grants the permission, or it was just granted, the
    /// resource is read again before it is written; otherwise this is a fault.
    fn unseen(&mut self, node: &Node, kind: &dyn ErasedKind<W>, placed: Arc<Value>, fault: &Fault) -> Result<(), Fault> {
        let granted =
            node.needs().iter().all(|k| self.actions.contains_key(k) || self.observed.known.get(k).is_some_and(|o| !o.is_empty()));
        if !granted {
            return Err(fault.clone());
        }
        let recorded = self.said(node, kind, &placed)?.map(|s| s.origin);
        self.ours.insert(node.key.clone(), recorded == Some(Origin::Created));
        let when = kind.parent(&placed)?.map_or_else(|| "it".to_owned(), |holder| holder.to_string());
        let wanted = kind.creation_summary(&placed)?.into_iter().filter(|(_, to)| !to.is_null());
        let compared = |to: Value| match shown(&to) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let changes = wanted.map(|(field, to)| Change {
            field: field.into(),
            from: Value::Null,
            to: format!("{} (compared once podid may read {when})", compared(to)).into(),
        });
        let changes: Vec<Change> = changes.collect();
        let origin = recorded.filter(|o| *o != Origin::Existing).unwrap_or(Origin::Created);
        self.act(node, kind, Act::Update, origin, changes, kind.plan_note(&node.spec)?, placed, None)?;
        self.actions.entry(node.key.clone()).and_modify(|a| a.unseen = true);
        Ok(())
    }

    fn refuse(&mut self, node: &Node, reason: String, way_out: String) {
        self.refused.push(Refusal { key: node.key.clone(), reason, changes: Vec::new(), way_out: Some(way_out) });
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where an action is put together")]
    fn act(
        &mut self,
        node: &Node,
        kind: &dyn ErasedKind<W>,
        act: Act,
        origin: Origin,
        changes: Vec<Change>,
        why: Option<String>,
        placed: Arc<Value>,
        seen: Option<&Observation>,
    ) -> Result<(), Fault> {
        let said = self.said(node, kind, &placed)?;
        let (left, new_owners) = self.leaving(node, kind)?;
        let notes = match seen.filter(|_| node.intent == Intent::Present) {
            Some(seen) => Notes(kind.notes(&placed, &seen.actual)?),
            None => Notes::default(),
        };
        let commands = if act.changes() && act != Act::Delete { kind.commands(&shown(&placed)).unwrap_or_default() } else { Vec::new() };
        // a resource that is only kept or deleted keeps its requester
        let by = match (node.intent, self.ledger.get(&self.desired.app, &node.key)) {
            (Intent::Absent, Some(entry)) => entry.by,
            // a single command does not remove a resource from the spec
            (_, Some(entry)) if entry.by == Requester::Spec => Requester::Spec,
            _ => self.desired.by,
        };
        let action = Action {
            key: node.key.clone(),
            act,
            changes,
            why,
            unseen: false,
            notes,
            after: Vec::new(),
            commands,
            kind: node.kind.clone(),
            cluster: node.cluster.clone(),
            origin,
            work: Work {
                node: self.desired.nodes.shared(&node.key),
                placed,
                actual: seen.map(|s| s.actual.clone()),
                outputs: seen.map(|s| s.outputs.clone()).unwrap_or_default(),
                left,
                recorded: said.map(|s| s.outputs.clone()).unwrap_or_default(),
                by: Some(by),
                new_owners,
            },
        };
        self.actions.insert(node.key.clone(), action);
        Ok(())
    }

    /// Orders the actions: puts before deletions, puts after what they need, deletions after what needs them.
    fn finish(mut self) -> Result<Plan, Fault> {
        self.keep_needs_of_blocked();
        self.spare()?;
        self.keep_containers()?;
        let mut edges: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
        let keys: BTreeSet<Key> = self.actions.keys().cloned().collect();
        let removal = |a: &Action| a.act.removes() || a.work.node.as_ref().is_some_and(|n| n.intent == Intent::Absent);
        let removals: BTreeSet<Key> = self.actions.values().filter(|a| removal(a)).map(|a| a.key.clone()).collect();
        for key in &keys {
            edges.entry(key.clone()).or_default();
        }
        for action in self.actions.values() {
            let Some(node) = &action.work.node else { continue };
            for need in node.needs().into_iter().chain(needs(&action.work.placed)).filter(|k| keys.contains(k)) {
                if removals.contains(&action.key) && removals.contains(&need) {
                    edges.entry(need).or_default().insert(action.key.clone());
                } else if !removals.contains(&action.key) && !removals.contains(&need) {
                    edges.entry(action.key.clone()).or_default().insert(need);
                }
            }
        }
        let sequence = order(&edges)?;
        for key in &keys {
            let after: Vec<Key> = edges[key].iter().filter(|k| self.actions.get(*k).is_some_and(|a| a.act.changes())).cloned().collect();
            if let Some(action) = self.actions.get_mut(key) {
                action.after = after;
            }
        }
        let (puts, gone): (Vec<Key>, Vec<Key>) = sequence.into_iter().partition(|k| !removals.contains(k));
        let actions = puts.into_iter().chain(gone).filter_map(|k| self.actions.remove(&k)).collect();
        Ok(Plan {
            version: FORMAT,
            app: self.desired.app.clone(),
            actions,
            refused: self.refused,
            warnings: Vec::new(),
            left_out: LeftOut::default(),
        })
    }
}
