//! The order of actions. Each starts as soon as its dependencies are done, in the plan's order, deletions after everything else. The cost
//! per action does not depend on the length of the plan.

use super::super::{
    key::Key,
    plan::{Act, Action, Plan},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Queue<'a> {
    /// The actions in the plan's order; the numbers below are indices in this list.
    actions: Vec<&'a Action>,
    by_key: BTreeMap<&'a Key, usize>,
    dependents: BTreeMap<&'a Key, Vec<usize>>,
    /// For each action, the number of dependencies that are not done.
    lacking: Vec<usize>,
    /// Actions that were neither started nor lost.
    waiting: BTreeSet<usize>,
    ready: BTreeSet<usize>,
    ready_deletions: BTreeSet<usize>,
    /// Actions that wait for an action that was not done.
    hopeless: BTreeSet<usize>,
    /// The reasons of the actions that were not done.
    lost: BTreeMap<&'a Key, &'static str>,
    /// The number of actions other than deletions that have not ended.
    puts: usize,
}

impl<'a> Queue<'a> {
    pub fn new(plan: &'a Plan) -> Self {
        let actions: Vec<&Action> = plan.actions.iter().filter(|a| a.act.changes()).collect();
        let mut queue = Self {
            by_key: actions.iter().enumerate().map(|(at, a)| (&a.key, at)).collect(),
            dependents: BTreeMap::new(),
            lacking: actions.iter().map(|a| a.after.len()).collect(),
            waiting: (0..actions.len()).collect(),
            ready: BTreeSet::new(),
            ready_deletions: BTreeSet::new(),
            hopeless: BTreeSet::new(),
            lost: BTreeMap::new(),
            puts: actions.iter().filter(|a| !a.act.removes()).count(),
            actions,
        };
        for at in 0..queue.actions.len() {
            for key in &queue.actions[at].after {
                queue.dependents.entry(key).or_default().push(at);
            }
            if queue.lacking[at] == 0 {
                queue.is_ready(at);
            }
        }
        queue
    }

    fn is_ready(&mut self, at: usize) {
        let deletion = self.actions[at].act == Act::Delete;
        if deletion { &mut self.ready_deletions } else { &mut self.ready }.insert(at);
    }

    pub fn next_ready(&mut self) -> Option<&'a Action> {
        let at = match self.ready.pop_first() {
            Some(at) => at,
            None if self.puts == 0 => self.ready_deletions.pop_first()?,
            None => return None,
        };
        self.waiting.remove(&at);
        Some(self.actions[at])
    }

    /// Returns an action that cannot start, with the reason. Actions that wait for it cannot start either.
    pub fn next_lost(&mut self) -> Option<(&'a Action, String)> {
        let action = self.actions[self.hopeless.pop_first()?];
        let why = action.after.iter().find_map(|key| self.lost.get(key).map(|what| format!("{key} {what}"))).unwrap_or_default();
        self.ended(&action.key, Some("was not done"));
        Some((action, why))
    }

    /// Marks an action as ended. `lost` is the reason if it was not done.
    pub fn ended(&mut self, key: &Key, lost: Option<&'static str>) {
        let Some(at) = self.by_key.get(key).copied() else { return };
        let action = self.actions[at];
        self.waiting.remove(&at);
        if !action.act.removes() {
            self.puts -= 1;
        }
        if let Some(what) = lost {
            self.lost.insert(&action.key, what);
        }
        for dependent in self.dependents.remove(key).unwrap_or_default() {
            self.lacking[dependent] -= 1;
            if lost.is_some() && self.waiting.contains(&dependent) {
                self.hopeless.insert(dependent);
            } else if self.lacking[dependent] == 0 && self.waiting.contains(&dependent) && !self.hopeless.contains(&dependent) {
                self.is_ready(dependent);
            }
        }
    }

    /// Returns the actions that were never started.
    pub fn left(&self) -> impl Iterator<Item = &'a Action> {
        self.waiting.iter().map(|at| self.actions[*at])
    }
}
