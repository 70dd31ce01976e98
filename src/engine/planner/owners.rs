//! Ownership: what ledger and marks say about a resource, which other apps of this state use it, and what still needs it.

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

/// The apps by the resources that they use.
pub(super) type Claims = BTreeMap<Key, BTreeSet<String>>;
/// The former places to delete, and the apps that become owners of shared ones.
pub(super) type Leaving = (Vec<(FormerPlace, Option<Value>)>, Vec<NewOwner>);

impl<'a, W: Backend> Planner<'a, W> {
    /// Returns the recorded data for the place where the resource is now.
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
        self.is_owned(node, kind, placed, (owner, seen))
    }

    /// Returns whether a resource with this owner is podid's.
    pub(super) fn is_owned(
        &self,
        node: &Node,
        kind: &dyn ErasedKind<W>,
        placed: &Value,
        (owner, seen): (Owner, &Observation),
    ) -> Result<bool, Fault> {
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

    /// Returns the former places to delete: those that podid created or extended, and that no other app of this state uses.
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

    /// Returns another app of this state that uses the same resource at the same place.
    pub(super) fn claimed_by(&self, kind: &dyn ErasedKind<W>, node: &Node, placed: &Value) -> Result<Option<String>, Fault> {
        for app in self.claims.get(&node.key).into_iter().flatten() {
            // the other app may have a different resource with that key, at another place
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

/// Returns the resources that other apps of this state created or adopted, and those that these refer to or read by name, each with its
/// apps.
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

/// Returns the resources that must be kept because a resource of the app that stays needs them, directly or indirectly; each with the one
/// that needs it.
pub(super) fn needed<W: Backend>(desired: &Desired, ledger: &Ledger, kinds: Kinds<W>) -> Result<BTreeMap<Key, Key>, Fault> {
    let intent = |key: &Key| desired.nodes.get(key).map(|n| n.intent);
    let mut todo = VecDeque::new();
    for node in desired.nodes.values().filter(|n| n.intent == Intent::Present) {
        let mut needs = node.needs();
        needs.extend(kinds.of(&node.kind)?.needs(&node.spec)?);
        todo.push_back((node.key.clone(), needs));
    }
    // for wanted resources the spec counts, for the others the ledger
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
