//! All role assignments, found by name and by principal.

use super::{ids, state::Assignment};
use crate::table::{Kept, Table};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// By folded name (a GUID; unique in the tenant), with an index by principal, which every permission check asks.
#[derive(Default, Deserialize)]
#[serde(from = "Table<Assignment>")]
pub struct Assignments {
    all: Table<Assignment>,
    /// Principal and name; one set for all, as most principals have few.
    by_principal: BTreeSet<(String, String)>,
}

impl Serialize for Assignments {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.all.serialize(to)
    }
}

impl From<Table<Assignment>> for Assignments {
    fn from(all: Table<Assignment>) -> Self {
        let by_principal = index(&all);
        Self { all, by_principal }
    }
}

impl Kept for Assignments {
    fn touched(&self) -> bool {
        self.all.touched()
    }
    fn changes(&mut self) -> serde_json::Result<Map<String, Value>> {
        self.all.changes()
    }
    fn apply(&mut self, changes: Map<String, Value>) -> serde_json::Result<()> {
        // one by one: to index all anew for each save that is done again would take minutes in a large world
        for (name, value) in changes {
            self.unindex(&name);
            self.all.apply(Map::from_iter([(name.clone(), value)]))?;
            if let Some(assignment) = self.all.get(&name) {
                self.by_principal.insert((assignment.principal.clone(), name));
            }
        }
        Ok(())
    }
    fn begin(&mut self) {
        self.all.begin();
    }
    fn commit(&mut self) {
        self.all.commit();
    }
    fn undo(&mut self) {
        self.all.undo();
        self.by_principal = index(&self.all);
    }
}

fn index(all: &Table<Assignment>) -> BTreeSet<(String, String)> {
    all.iter().map(|(name, assignment)| (assignment.principal.clone(), name.clone())).collect()
}

impl Assignments {
    fn unindex(&mut self, name: &str) {
        if let Some(there) = self.all.get(name) {
            self.by_principal.remove(&(there.principal.clone(), name.to_owned()));
        }
    }
    pub fn get(&self, name: &str) -> Option<&Assignment> {
        self.all.get(&ids::fold(name))
    }
    pub fn insert(&mut self, assignment: Assignment) {
        let name = ids::fold(&assignment.name);
        self.unindex(&name);
        self.by_principal.insert((assignment.principal.clone(), name.clone()));
        self.all.insert(name, assignment);
    }
    pub fn remove(&mut self, name: &str) -> Option<Assignment> {
        let name = ids::fold(name);
        self.unindex(&name);
        self.all.remove(&name)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Assignment> {
        self.all.values()
    }
    pub fn of<'a>(&'a self, principal: &str) -> impl Iterator<Item = &'a Assignment> + use<'a> {
        let first = (principal.to_owned(), String::new());
        let principal = principal.to_owned();
        let own = self.by_principal.range(first..).take_while(move |(of, _)| *of == principal);
        own.filter_map(|(_, name)| self.all.get(name))
    }
    /// Takes away those at the (folded) scope and under it, as the deletion of a resource does.
    pub fn drop_under(&mut self, scope: &str) -> Vec<Assignment> {
        let names: Vec<String> = self.all.values().filter(|a| ids::covers(scope, &ids::fold(&a.scope))).map(|a| a.name.clone()).collect();
        names.iter().filter_map(|name| self.remove(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::State;

    #[test]
    fn assignments_that_are_done_again_are_found_by_their_principals() {
        let mut first = crate::azure::seed::new(0);
        let mut copy: State = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        let there = first.assignments.iter().next().unwrap().clone();
        let new = Assignment { name: "NEW".to_owned(), principal: "someone".to_owned(), ..there.clone() };
        first.changes().unwrap();
        first.assignments.remove(&there.name);
        first.assignments.insert(new);
        copy.apply(first.changes().unwrap()).unwrap();
        for state in [&first, &copy] {
            assert_eq!(state.assignments.of("someone").count(), 1);
            assert!(state.assignments.of(&there.principal).all(|a| a.name != there.name));
        }
        assert!(first.changes().unwrap().is_empty() && copy.changes().unwrap().is_empty());
    }
}
