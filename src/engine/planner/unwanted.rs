//! Decides about a resource that is to be deleted: it is deleted, handed over, forgotten, or kept with a reason.

use super::{
    super::{
        desired::{Intent, Node},
        fault::Fault,
        input::Outputs,
        ledger::Origin,
        observe::stays,
        plan::{Act, NewOwner},
        resource::{Backend, Data, ErasedKind, Owner},
    },
    Planner, contradiction,
};
use serde_json::Value;
use std::sync::Arc;

impl<W: Backend> Planner<'_, W> {
    pub(super) fn unwanted(&mut self, node: &Node) -> Result<(), Fault> {
        let kind = self.kinds.of(&node.kind)?;
        let entry = self.ledger.get(&self.desired.app, &node.key);
        let placed = match entry {
            Some(entry) => Arc::clone(&entry.placed),
            None => self.observed.placed.get(&node.key).cloned().unwrap_or_else(|| Arc::clone(&node.spec)),
        };
        let recorded = entry.map(|e| e.origin);
        let within = kind.parent(&placed)?;
        let holder = within.as_ref().filter(|k| self.desired.nodes.get(k).is_some_and(|n| n.intent == Intent::Absent));
        let holder_act = holder.and_then(|k| self.actions.get(k)).map(|a| a.act);
        let holder_ours = holder.is_some_and(|k| self.ours.get(k) == Some(&true));
        let named = |before: &str| holder.map(|k| format!("{before} {k}"));
        if let Some(fault) = self.observed.unreadable.get(&node.key) {
            self.ours.insert(node.key.clone(), false);
            let (act, why) = match holder_act {
                Some(Act::Delete) => (Act::Forget, named("goes with")),
                Some(Act::Keep) if holder_ours => (Act::Keep, named("stays in")),
                _ => return Err(fault.clone()),
            };
            return match recorded {
                Some(origin) => self.act(node, kind, act, origin, Vec::new(), why, placed, None),
                None => Ok(()),
            };
        }
        let (left, _) = self.leaving(node, kind)?;
        // a node whose condition no longer holds was observed where it would be now; the ledger may have another place
        let here = match (entry, self.observed.placed.get(&node.key)) {
            (Some(entry), Some(looked_at)) => stays(kind, entry, looked_at)?,
            _ => true,
        };
        let Some(seen) = self.observed.seen.get(&node.key).and_then(Option::as_ref).filter(|_| here) else {
            self.ours.insert(node.key.clone(), false);
            return match recorded {
                Some(origin) if !left.is_empty() => self.left_behind(node, kind, origin, placed),
                Some(origin) => self.act(node, kind, Act::Forget, origin, Vec::new(), Some("gone already".into()), placed, None),
                None => Ok(()),
            };
        };
        let extended = recorded == Some(Origin::Extended);
        // the request may say more than the ledger of the same resource, such as that it also removes what is not podid's
        let owner = kind.owner(&node.spec, self.context(node, kind, &placed)?, &seen.actual)?;
        let ours = extended || self.is_owned(node, kind, &placed, (owner.clone(), seen))?;
        self.ours.insert(node.key.clone(), ours);
        if !ours {
            // an adopted resource is kept and forgotten; one that was never ours and is not in the ledger needs no action
            return match recorded {
                None => Ok(()),
                Some(_) if !left.is_empty() => self.left_behind(node, kind, Origin::Adopted, placed),
                Some(Origin::Existing) => self.act(node, kind, Act::Forget, Origin::Existing, Vec::new(), None, placed, Some(seen)),
                Some(origin) => {
                    let why = match (origin, owner) {
                        (Origin::Created, Owner::OtherApp(other)) => format!("{}: not podid's to delete", contradiction(&other)),
                        _ => "it was there before podid: not podid's to delete".to_owned(),
                    };
                    self.act(node, kind, Act::Keep, Origin::Adopted, Vec::new(), Some(why), placed, Some(seen))
                }
            };
        }
        let origin = if extended { Origin::Extended } else { Origin::Created };
        if let Some(dependent) = self.needed.get(&node.key) {
            let why = format!("{dependent} needs it");
            return self.act(node, kind, Act::Keep, origin, Vec::new(), Some(why), placed, Some(seen));
        }
        if let Some(other) = self.claimed_by(kind, node, &placed)? {
            let why = format!("app {other} uses it too, and owns it from now on");
            let mut outputs = entry.map(|e| e.outputs.clone()).unwrap_or_default();
            outputs.extend(Outputs::clone(&seen.outputs));
            let spec = kind.for_new_owner(entry.map_or(&node.spec, |e| &e.spec))?;
            let new_owner = NewOwner { app: other, origin, outputs, spec };
            if left.is_empty() {
                // the owner of a resource without marks changes only in the ledger
                let marked = owner != Owner::Unmarkable;
                let act = if marked { Act::HandOver } else { Act::Forget };
                self.act(node, kind, act, origin, Vec::new(), Some(why), placed, Some(seen))?;
            } else {
                self.left_behind(node, kind, origin, placed)?;
            }
            self.actions.entry(node.key.clone()).and_modify(|a| a.work.new_owners.push(new_owner));
            return Ok(());
        }
        let (act, why) = match (kind.data(), holder_act) {
            (_, Some(Act::Delete)) if left.is_empty() => (Act::Forget, named("goes with")),
            (Data::Content, Some(Act::Keep)) if holder_ours && !self.consent.may_delete_data(&node.key, None) => {
                (Act::Keep, named("stays in"))
            }
            (data @ (Data::Holder | Data::Content), _) if !self.consent.may_delete_data(&node.key, within.as_ref()) => {
                let (what, name) = (if data == Data::Holder { "holds" } else { "is" }, node.key.names());
                (Act::Keep, Some(format!("it {what} data: `--delete-data {name}` deletes it")))
            }
            _ => match kind.deletion_blocker(&placed, &seen.actual)? {
                Some(what) => {
                    self.blocked.push(node.key.clone());
                    (Act::Keep, Some(what))
                }
                None => (Act::Delete, None),
            },
        };
        self.act(node, kind, act, origin, Vec::new(), why, placed, Some(seen))
    }

    /// Keeps what a resource needs that stays because of its deletion blocker, directly or indirectly.
    pub(super) fn keep_needs_of_blocked(&mut self) {
        while let Some(by) = self.blocked.pop() {
            let needs = self.actions.get(&by).and_then(|action| action.work.node.as_ref()).map(|node| node.needs()).unwrap_or_default();
            for key in needs {
                let Some(action) = self.actions.get_mut(&key).filter(|action| action.act == Act::Delete) else { continue };
                action.act = Act::Keep;
                action.why = Some(format!("{by} needs it"));
                action.commands.clear();
                self.blocked.push(key);
            }
        }
    }

    /// Deletes what a replacement left at a former place. The resource itself stays, or was deleted before.
    fn left_behind(&mut self, node: &Node, kind: &dyn ErasedKind<W>, origin: Origin, placed: Arc<Value>) -> Result<(), Fault> {
        let why = Some("what a replacement left behind".into());
        self.act(node, kind, Act::Delete, origin, Vec::new(), why, placed, None)
    }
}
