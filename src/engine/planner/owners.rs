//! Whose things are: what the ledger and the things themselves say, who else of this state has them, and what still needs them.

use super::{
    super::{
        desired::{Desired, Intent, Node},
        fault::Fault,
        input::needs,
        key::Key,
        ledger::{Entry, FormerPlace, Ledger, Origin},
        observe::{Recorded, said},
        plan::NewOwner,
        resource::{Backend, Data, ErasedKind, Kinds, NodeContext, Observation, Owner},
    },
    NOTHING, Planner,
    settle::is_ours_as_said,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Apps by what they claim.
pub(super) type Claims = BTreeMap<Key, BTreeSet<String>>;
/// What is cleared away of former places, and who takes over what was shared there.
pub(super) type Leaving = (Vec<(FormerPlace, Option<Value>)>, Vec<NewOwner>);

impl<'a, W: Backend> Planner<'a, W> {
    /// What the ledger says of the place at which the thing is looked for now.
    pub(super) fn said(&self, node: &Node, kind: &dyn ErasedKind<W>, placed: &Value) -> Result<Option<Recorded<'a>>, Fault> {
        let entry = self.ledger.get(&self.desired.app, &node.key);
        Ok(entry.map(|e| said(kind, e, placed)).transpose()?.flatten())
    }

    pub(super) fn context(&self, node: &Node, kind: &dyn ErasedKind<W>, placed: &Value) -> Result<NodeContext<'a>, Fault> {
        let said = self.said(node, kind, placed)?;
        Ok(NodeContext {
            app: &self.desired.app,
            intent: node.intent,
            origin: said.map(|s| s.origin),
            recorded: said.map_or(&NOTHING, |s| s.outputs),
            ours: None,
            recover: self.consent.recover,
        })
    }

    pub(super) fn is_ours(&self, node: &Node, kind: &dyn ErasedKind<W>, placed: &Value, seen: &Observation) -> Result<bool, Fault> {
        let owner = kind.owner(placed, self.context(node, kind, placed)?, &seen.actual)?;
        Ok(match self.said(node, kind, placed)? {
            Some(said) => self.ours_as_said(kind, said, owner, seen)?,
            None => match owner {
                Owner::Ours => true,
                Owner::OtherApp(_) | Owner::Unmarked => false,
                Owner::Unmarkable => node.follows.as_ref().is_some_and(|k| self.follows_ours(k)),
            },
        })
    }

    fn ours_as_said(&self, kind: &dyn ErasedKind<W>, said: Recorded<'_>, owner: Owner, seen: &Observation) -> Result<bool, Fault> {
        is_ours_as_said(kind, said, owner, &seen.actual)
    }

    pub(super) fn follows_ours(&self, key: &Key) -> bool {
        if let Some(ours) = self.ours.get(key) {
            return *ours;
        }
        self.ledger.get(&self.desired.app, key).is_some_and(|e| e.origin == Origin::Created)
    }

    /// Of former places only what podid made or added is cleared away, and only what no other app of this state has.
    pub(super) fn leaving(&self, node: &Node, kind: &dyn ErasedKind<W>) -> Result<Leaving, Fault> {
        if self.observed.unreadable.contains_key(&node.key) {
            let entry = self.ledger.get(&self.desired.app, &node.key);
            return Ok((entry.map(|e| e.left.iter().map(|l| (l.clone(), None)).collect()).unwrap_or_default(), Vec::new()));
        }
        let (mut away, mut new_owners) = (Vec::new(), Vec::new());
        for old in self.observed.old.get(&node.key).into_iter().flatten() {
            let left = &old.left;
            let context = NodeContext {
                app: &self.desired.app,
                intent: Intent::Absent,
                origin: Some(left.origin),
                recorded: &left.outputs,
                ours: None,
                recover: false,
            };
            let owner = kind.owner(&left.placed, context, &old.seen.actual)?;
            if left.origin != Origin::Extended && !self.ours_as_said(kind, left.into(), owner, &old.seen)? {
                continue;
            }
            if kind.data() != Data::None && !self.consent.may_delete_data(&node.key, kind.parent(&left.placed)?.as_ref()) {
                continue;
            }
            match self.claimed_by(kind, node, &left.placed)? {
                Some(app) => {
                    let spec = kind.for_new_owner(&left.placed)?;
                    new_owners.push(NewOwner { app, origin: left.origin, outputs: left.outputs.clone(), spec });
                }
                None => away.push((left.clone(), Some(Value::clone(&old.seen.actual)))),
            }
        }
        Ok((away, new_owners))
    }

    /// Another app of this state that has the same thing at the same place, or reads it.
    pub(super) fn claimed_by(&self, kind: &dyn ErasedKind<W>, node: &Node, placed: &Value) -> Result<Option<String>, Fault> {
        for app in self.claims.get(&node.key).into_iter().flatten() {
            // it may have another thing of that key, elsewhere
            let same = match self.ledger.get(app, &node.key) {
                Some(other) => kind.place(&other.placed)? == kind.place(placed)?,
                None => true,
            };
            if same {
                return Ok(Some(app.clone()));
            }
        }
        Ok(None)
    }
}

/// What other apps of this state made or adopted, and what their resources refer to or read by name, each with the apps that do.
pub(super) fn claims<W: Backend>(desired: &Desired, ledger: &Ledger, kinds: Kinds<W>) -> Result<Claims, Fault> {
    let mut claims = Claims::new();
    for entry in ledger.entries().filter(|e| e.app != desired.app && e.origin != Origin::Existing) {
        let mut keys = kinds.of(&entry.kind)?.needs(&entry.spec)?;
        keys.insert(entry.key.clone());
        for key in keys {
            claims.entry(key).or_default().insert(entry.app.clone());
        }
    }
    Ok(claims)
}

/// What must not go because something of the same app that stays refers to it, each with who does; and what those need in their turn.
pub(super) fn needed<W: Backend>(desired: &Desired, ledger: &Ledger, kinds: Kinds<W>) -> Result<BTreeMap<Key, Key>, Fault> {
    let intent = |key: &Key| desired.nodes.get(key).map(|n| n.intent);
    let mut todo = VecDeque::new();
    for node in desired.nodes.values().filter(|n| n.intent == Intent::Present) {
        let mut needs = node.needs();
        needs.extend(kinds.of(&node.kind)?.needs(&node.spec)?);
        todo.push_back((node.key.clone(), needs));
    }
    // of what is wanted the spec speaks, of the rest the ledger
    let staying = |e: &&Entry| e.origin != Origin::Existing && !matches!(intent(&e.key), Some(Intent::Present | Intent::Absent));
    for entry in ledger.of_app(&desired.app).filter(staying) {
        todo.push_back((entry.key.clone(), kinds.of(&entry.kind)?.needs(&entry.spec)?));
    }
    let mut needed: BTreeMap<Key, Key> = BTreeMap::new();
    while let Some((by, keys)) = todo.pop_front() {
        for key in keys {
            if needed.contains_key(&key) {
                continue;
            }
            if let (Some(Intent::Absent), Some(entry)) = (intent(&key), ledger.get(&desired.app, &key)) {
                todo.push_back((key.clone(), needs(&entry.spec)));
            }
            needed.insert(key, by.clone());
        }
    }
    Ok(needed)
}
