//! From what is wanted, what was seen and what is remembered to a plan. Pure: no cloud, no clock, no file.

use super::{
    desired::{Desired, Intent, Node, When, order},
    fault::Fault,
    input::{Outputs, needs, shown},
    key::Key,
    ledger::{Entry, Ledger, Origin},
    observe::Observed,
    plan::{Act, Action, FORMAT, Plan, Refusal, Work},
    resource::{Around, Change, Data, Diff, Erased, Kinds, Owner, Seen, World},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the caller consented to.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// Take over foreign things that differ.
    pub adopt: bool,
    /// Bring soft-deleted things back.
    pub recover: bool,
    /// Names of holders of data that may be deleted.
    pub delete_data: BTreeSet<String>,
}

pub fn plan<W: World>(desired: &Desired, ledger: &Ledger, observed: &Observed, kinds: Kinds<W>, consent: &Consent) -> Result<Plan, Fault> {
    let mut planner =
        Planner { desired, ledger, observed, kinds, consent, ours: BTreeMap::new(), actions: BTreeMap::new(), refused: Vec::new() };
    let sequence = desired.order()?;
    for key in &sequence {
        if desired.nodes[key].intent != Intent::Absent {
            planner.wanted(&desired.nodes[key])?;
        }
    }
    // holders before what they hold: a secret goes or stays with its vault
    for key in &sequence {
        if desired.nodes[key].intent == Intent::Absent {
            planner.unwanted(&desired.nodes[key])?;
        }
    }
    planner.finish()
}

struct Planner<'a, W: World> {
    desired: &'a Desired,
    ledger: &'a Ledger,
    observed: &'a Observed,
    kinds: Kinds<W>,
    consent: &'a Consent,
    /// Whether each thing is ours once the plan is done.
    ours: BTreeMap<Key, bool>,
    actions: BTreeMap<Key, Action>,
    refused: Vec<Refusal>,
}

static NOTHING: Outputs = Outputs::new();

impl<'a, W: World> Planner<'a, W> {
    fn around(&self, node: &Node) -> Around<'a> {
        let entry = self.ledger.get(&self.desired.app, &node.key);
        Around {
            app: &self.desired.app,
            intent: node.intent,
            origin: entry.map(|e| e.origin),
            recorded: entry.map_or(&NOTHING, |e| &e.outputs),
            ours: None,
            recover: self.consent.recover,
        }
    }

    fn wanted(&mut self, node: &Node) -> Result<(), Fault> {
        let kind = self.kinds.of(&node.kind)?;
        let placed = self.observed.placed.get(&node.key).cloned().unwrap_or_else(|| node.spec.clone());
        let seen = self.observed.seen.get(&node.key).and_then(Option::as_ref);
        match node.intent {
            Intent::Existing | Intent::Optional => {
                let ours = match seen {
                    Some(seen) => self.is_ours(node, kind, &placed, self.around(node), seen)?,
                    None => false,
                };
                self.ours.insert(node.key.clone(), ours);
                match seen {
                    Some(seen) => {
                        let origin = self.around(node).origin.unwrap_or(Origin::Existing);
                        self.act(node, kind, Act::Keep, origin, Vec::new(), Some("existing".into()), placed, Some(seen))?;
                    }
                    None if node.intent == Intent::Existing => {
                        let (reason, way_out) = kind.missing(&placed)?;
                        self.refuse(node, reason, way_out);
                    }
                    None => {}
                }
                return Ok(());
            }
            Intent::Assumed => {
                if self.observed.known.get(&node.key).is_none_or(Outputs::is_empty) {
                    self.refuse(
                        node,
                        format!("{} is not in the state, and this run may not look for it", node.key),
                        "Run the other half first with the same state file (`--only azure`), or run without `--only`.".into(),
                    );
                }
                self.ours.insert(node.key.clone(), false);
                return Ok(());
            }
            Intent::Present | Intent::Absent => {}
        }
        if node.when.as_ref().is_some_and(|when| !self.holds(when)) {
            self.ours.insert(node.key.clone(), false);
            // it was needed once, while the holder was ours
            if self.ledger.get(&self.desired.app, &node.key).is_some() {
                return self.unwanted(node);
            }
            return Ok(());
        }
        self.present(node, kind, placed, seen)
    }

    fn holds(&self, when: &When) -> bool {
        let published = self.observed.known.get(&when.ours).and_then(|outputs| outputs.get(&when.or));
        self.ours.get(&when.ours).copied().unwrap_or(false) || published == Some(&Value::Bool(true))
    }

    fn present(&mut self, node: &Node, kind: &dyn Erased<W>, placed: Value, seen: Option<&Seen>) -> Result<(), Fault> {
        let around = self.around(node);
        let old = self.observed.old.get(&node.key);
        if let Some(fault) = self.observed.blind.get(&node.key) {
            return self.unseen(node, kind, placed, fault);
        }
        let Some(seen) = seen else {
            let changes = kind.summary(&placed)?.into_iter().filter(|(_, to)| !to.is_null());
            let changes = changes.map(|(field, to)| Change { field: field.into(), from: Value::Null, to: shown(&to) }).collect::<Vec<_>>();
            let act = if old.is_some() { Act::Replace } else { Act::Create };
            self.ours.insert(node.key.clone(), true);
            return self.act(node, kind, act, Origin::Created, changes, kind.note(&node.spec)?, placed, None);
        };
        let ours = self.is_ours(node, kind, &placed, around, seen)?;
        self.ours.insert(node.key.clone(), ours);
        let recorded = around.origin;
        let origin = if ours { Origin::Created } else { recorded.filter(|o| *o != Origin::Created).unwrap_or(Origin::Adopted) };
        let replaced = |act: Act| if old.is_some() { Act::Replace } else { act };
        match kind.diff(&placed, Around { ours: Some(ours), ..around }, &seen.actual)? {
            Diff::Same if ours || recorded.is_some_and(|o| o != Origin::Existing) => {
                self.act(node, kind, replaced(Act::Keep), origin, Vec::new(), None, placed, Some(seen))
            }
            Diff::Same => self.act(node, kind, Act::Adopt, Origin::Adopted, Vec::new(), None, placed, Some(seen)),
            Diff::Update(changes) if ours => {
                self.act(node, kind, replaced(Act::Update), origin, changes, kind.note(&node.spec)?, placed, Some(seen))
            }
            Diff::Update(changes) if self.consent.adopt => {
                self.act(node, kind, Act::Update, Origin::Adopted, changes, Some("taken over by --adopt".into()), placed, Some(seen))
            }
            Diff::Update(changes) => {
                let fields: Vec<&str> = changes.iter().map(|c| c.field.as_str()).collect();
                self.refuse(
                    node,
                    format!("{} is there, is not podid's (app {}), and differs in {}", node.key, self.desired.app, fields.join(", ")),
                    "Take it over as it is wanted with `--adopt`, or choose another name.".into(),
                );
                Ok(())
            }
            Diff::Extend(changes) => {
                let origin = if ours { Origin::Created } else { Origin::Extended };
                self.act(node, kind, replaced(Act::Update), origin, changes, kind.note(&node.spec)?, placed, Some(seen))
            }
            Diff::Refuse { reason, way_out } => {
                self.refuse(node, reason, way_out);
                Ok(())
            }
        }
    }

    /// It cannot be looked at for want of a right: fine where the right is about to be given or was just given, else a fault.
    fn unseen(&mut self, node: &Node, kind: &dyn Erased<W>, placed: Value, fault: &Fault) -> Result<(), Fault> {
        let granted =
            node.needs().iter().all(|k| self.actions.contains_key(k) || self.observed.known.get(k).is_some_and(|o| !o.is_empty()));
        if !granted {
            return Err(fault.clone());
        }
        self.ours.insert(node.key.clone(), true);
        let change = Change { field: "value".into(), from: Value::String("(cannot be read yet)".into()), to: Value::Null };
        self.act(node, kind, Act::Update, Origin::Created, vec![change], kind.note(&node.spec)?, placed, None)
    }

    fn unwanted(&mut self, node: &Node) -> Result<(), Fault> {
        let kind = self.kinds.of(&node.kind)?;
        let around = self.around(node);
        let entry = self.ledger.get(&self.desired.app, &node.key);
        let placed = match entry {
            Some(entry) => entry.placed.clone(),
            None => self.observed.placed.get(&node.key).cloned().unwrap_or_else(|| node.spec.clone()),
        };
        let holder = kind.within(&node.spec)?.filter(|k| self.desired.nodes.get(k).is_some_and(|n| n.intent == Intent::Absent));
        let Some(seen) = self.observed.seen.get(&node.key).and_then(Option::as_ref) else {
            self.ours.insert(node.key.clone(), false);
            if let Some(entry) = entry {
                let origin = entry.origin;
                self.act(node, kind, Act::Forget, origin, Vec::new(), Some("gone already".into()), placed, None)?;
            }
            return Ok(());
        };
        let ours = match around.origin {
            Some(Origin::Extended) => true,
            _ => self.is_ours(node, kind, &placed, around, seen)?,
        };
        self.ours.insert(node.key.clone(), ours);
        if !ours {
            // an adopted thing stays, and is forgotten; what was never ours or known is not worth a word
            if entry.is_some_and(|e| e.origin != Origin::Existing) {
                let why = "it was there before podid: not podid's to delete";
                self.act(node, kind, Act::Keep, Origin::Adopted, Vec::new(), Some(why.into()), placed, Some(seen))?;
            } else if entry.is_some() {
                self.act(node, kind, Act::Forget, Origin::Existing, Vec::new(), None, placed, Some(seen))?;
            }
            return Ok(());
        }
        let origin = around.origin.unwrap_or(Origin::Created);
        if let Some(dependent) = self.needed_by(&node.key) {
            let why = format!("{dependent} needs it");
            return self.act(node, kind, Act::Keep, origin, Vec::new(), Some(why), placed, Some(seen));
        }
        if let Some(other) = self.shared_with(kind, node, &placed)? {
            let why = format!("app {other} uses it too, and owns it from now on");
            return self.act(node, kind, Act::Forget, origin, Vec::new(), Some(why), placed, Some(seen));
        }
        let holder_act = holder.as_ref().and_then(|k| self.actions.get(k)).map(|a| a.act);
        let (act, why) = match (kind.data(), holder_act) {
            (_, Some(Act::Delete)) => (Act::Forget, holder.map(|k| format!("goes with {k}"))),
            (Data::Content, Some(Act::Keep)) if holder.as_ref().is_some_and(|k| self.ours.get(k) == Some(&true)) => {
                (Act::Keep, holder.map(|k| format!("stays in {k}")))
            }
            (Data::Holder, _) if !self.consent.delete_data.contains(node.key.names()) => {
                let name = node.key.names();
                (Act::Keep, Some(format!("it holds data: `--delete-data {name}` deletes it")))
            }
            _ => match kind.holds(&placed, &seen.actual)? {
                Some(what) => (Act::Keep, Some(what)),
                None => (Act::Delete, None),
            },
        };
        self.act(node, kind, act, origin, Vec::new(), why, placed, Some(seen))
    }

    fn is_ours(&self, node: &Node, kind: &dyn Erased<W>, placed: &Value, around: Around<'_>, seen: &Seen) -> Result<bool, Fault> {
        let owner = kind.owner(placed, around, &seen.actual)?;
        let entry = self.ledger.get(&self.desired.app, &node.key);
        Ok(match entry {
            // killed between intent and record: what the thing itself says decides, and a thing that cannot tell was ours to make
            Some(entry) if entry.origin == Origin::Created && entry.doing.is_some() && entry.outputs.is_empty() => owner != Owner::Others,
            Some(entry) if entry.origin == Origin::Created => owner == Owner::Ours || kind.same(placed, &entry.outputs, &seen.actual)?,
            Some(_) => owner == Owner::Ours,
            None => match owner {
                Owner::Ours => true,
                Owner::Others => false,
                Owner::Untold => node.follows.as_ref().is_some_and(|k| self.follows_ours(k)),
            },
        })
    }

    fn follows_ours(&self, key: &Key) -> bool {
        if let Some(ours) = self.ours.get(key) {
            return *ours;
        }
        self.ledger.get(&self.desired.app, key).is_some_and(|e| e.origin == Origin::Created)
    }

    /// Something of the same app that stays and refers to it.
    fn needed_by(&self, key: &Key) -> Option<&'a Key> {
        let stays = |e: &&Entry| self.desired.nodes.get(&e.key).is_none_or(|n| n.intent != Intent::Absent);
        self.ledger
            .of_app(&self.desired.app)
            .filter(stays)
            .find(|e| e.origin != Origin::Existing && needs(&e.spec).contains(key))
            .map(|e| &e.key)
    }

    /// Another app of this state that has the same thing at the same place.
    fn shared_with(&self, kind: &dyn Erased<W>, node: &Node, placed: &Value) -> Result<Option<&'a str>, Fault> {
        let place = kind.place(placed)?;
        for other in self.ledger.entries().filter(|e| e.app != self.desired.app && e.key == node.key && e.kind == node.kind) {
            if other.cluster == node.cluster && kind.place(&other.placed)? == place && other.origin != Origin::Existing {
                return Ok(Some(&other.app));
            }
        }
        Ok(None)
    }

    fn refuse(&mut self, node: &Node, reason: String, way_out: String) {
        self.refused.push(Refusal { key: node.key.clone(), reason, way_out: Some(way_out) });
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where an action is put together")]
    fn act(
        &mut self,
        node: &Node,
        kind: &dyn Erased<W>,
        act: Act,
        origin: Origin,
        changes: Vec<Change>,
        why: Option<String>,
        placed: Value,
        seen: Option<&Seen>,
    ) -> Result<(), Fault> {
        let entry = self.ledger.get(&self.desired.app, &node.key);
        let commands = if act.changes() && act != Act::Delete { kind.commands(&shown(&placed)).unwrap_or_default() } else { Vec::new() };
        let old = self.observed.old.get(&node.key).filter(|_| act == Act::Replace);
        let action = Action {
            key: node.key.clone(),
            act,
            changes,
            why,
            after: Vec::new(),
            commands,
            kind: node.kind.clone(),
            cluster: node.cluster.clone(),
            origin,
            work: Work {
                node: Some(node.clone()),
                placed,
                actual: seen.map(|s| s.actual.clone()),
                outputs: seen.map(|s| s.outputs.clone()).unwrap_or_default(),
                old: old.map(|o| (o.placed.clone(), o.seen.actual.clone())),
                recorded: entry.map(|e| e.outputs.clone()).unwrap_or_default(),
                known_as: entry.map(|e| e.origin),
                by: Some(self.desired.by),
            },
        };
        self.actions.insert(node.key.clone(), action);
        Ok(())
    }

    /// Puts before deletions; puts after what they need, deletions after what needs them.
    fn finish(mut self) -> Result<Plan, Fault> {
        let mut edges: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
        let keys: BTreeSet<Key> = self.actions.keys().cloned().collect();
        let removal =
            |a: &Action| matches!(a.act, Act::Delete | Act::Forget) || a.work.node.as_ref().is_some_and(|n| n.intent == Intent::Absent);
        let removals: BTreeSet<Key> = self.actions.values().filter(|a| removal(a)).map(|a| a.key.clone()).collect();
        for key in &keys {
            edges.entry(key.clone()).or_default();
        }
        for action in self.actions.values() {
            let Some(node) = &action.work.node else { continue };
            for need in node.needs().into_iter().chain(needs(&action.work.placed)).filter(|k| keys.contains(k)) {
                if removals.contains(&action.key) && removals.contains(&need) {
                    edges.entry(need).or_default().insert(action.key.clone());
                } else if !removals.contains(&action.key) {
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
        Ok(Plan { version: FORMAT, app: self.desired.app.clone(), actions, refused: self.refused })
    }
}

/// The graph of everything that an app has left: what the ledger knows, and what `wanted` names beside that, all to be taken away.
pub fn all_absent<W: World>(app: &str, ledger: &Ledger, wanted: Option<Desired>, kinds: Kinds<W>) -> Result<Desired, Fault> {
    let mut desired = wanted.unwrap_or_else(|| Desired::new(app, super::desired::By::Spec));
    for node in desired.nodes.values_mut() {
        if node.intent == Intent::Present {
            node.intent = Intent::Absent;
        }
    }
    for entry in ledger.of_app(app) {
        let node = absent_node(entry);
        let existing = desired.nodes.entry(entry.key.clone()).or_insert(node);
        if entry.origin != Origin::Existing {
            existing.spec = entry.spec.clone();
            existing.intent = Intent::Absent;
        }
    }
    // what is only read is read only where something has to be found by it
    let needed: BTreeSet<Key> =
        closure(&desired, desired.nodes.values().filter(|n| n.intent == Intent::Absent && ledger.get(app, &n.key).is_none()));
    for (key, node) in &mut desired.nodes {
        if matches!(node.intent, Intent::Existing | Intent::Optional) {
            node.intent = if ledger.get(app, key).is_none() && needed.contains(key) { Intent::Optional } else { Intent::Absent };
        }
        let _ = kinds.of(&node.kind)?;
    }
    Ok(desired)
}

fn closure<'a>(desired: &Desired, from: impl Iterator<Item = &'a Node>) -> BTreeSet<Key> {
    let mut todo: Vec<Key> = from.flat_map(Node::needs).collect();
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

fn absent_node(entry: &Entry) -> Node {
    Node {
        key: entry.key.clone(),
        kind: entry.kind.clone(),
        spec: entry.spec.clone(),
        intent: Intent::Absent,
        cluster: entry.cluster.clone(),
        when: None,
        follows: None,
    }
}

/// The graph of everything that the ledger says an app has, as it was wanted.
pub fn remembered(app: &str, ledger: &Ledger) -> Desired {
    let mut desired = Desired::new(app, super::desired::By::Command);
    for entry in ledger.of_app(app) {
        let intent = if entry.origin == Origin::Existing { Intent::Existing } else { Intent::Present };
        desired.nodes.insert(entry.key.clone(), Node { intent, ..absent_node(entry) });
    }
    desired
}

/// Adds to a spec's graph what an earlier `up` of the same app brought and the spec no longer names.
pub fn prune(desired: &mut Desired, ledger: &Ledger) {
    for entry in ledger.of_app(&desired.app.clone()).filter(|e| e.by == super::desired::By::Spec) {
        if !desired.nodes.contains_key(&entry.key) {
            desired.nodes.insert(entry.key.clone(), absent_node(entry));
        }
    }
}
