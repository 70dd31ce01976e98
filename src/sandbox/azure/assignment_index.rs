//! The index of role assignments by name and by principal.

use super::ids;
use crate::table::{Kept, Table};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

#[derive(Clone, Serialize, Deserialize)]
pub struct Assignment {
    pub name: String,
    /// In the casing of the request.
    pub scope: String,
    pub role: String,
    pub principal: String,
    pub principal_type: String,
    pub description: Option<String>,
    pub condition: Option<String>,
    pub condition_version: Option<String>,
    pub delegated: Option<String>,
    pub created: i64,
    pub updated: i64,
    pub created_by: String,
    pub updated_by: String,
}

/// Role assignments by lower-case name (a GUID, unique in the tenant), with an index by principal, because every permission check looks
/// them up by principal.
#[derive(Default, Deserialize)]
#[serde(from = "Table<Assignment>")]
pub struct Assignments {
    all: Table<Assignment>,
    /// Pairs of principal and name. One set for all principals, because most of them have few assignments.
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
        // update the index entry by entry: rebuilding it for every replayed save would take minutes in a large world
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
        if let Some(existing) = self.all.get(name) {
            self.by_principal.remove(&(existing.principal.clone(), name.to_owned()));
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
    /// Removes the assignments at the (lower-case) scope and below it, as the deletion of a resource does.
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
    fn replayed_assignments_are_found_by_principal() {
        let mut first = crate::azure::seed::new(0);
        let mut copy: State = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        let existing = first.assignments.iter().next().unwrap().clone();
        let new = Assignment { name: "NEW".to_owned(), principal: "someone".to_owned(), ..existing.clone() };
        first.changes().unwrap();
        first.assignments.remove(&existing.name);
        first.assignments.insert(new);
        copy.apply(first.changes().unwrap()).unwrap();
        for state in [&first, &copy] {
            assert_eq!(state.assignments.of("someone").count(), 1);
            assert!(state.assignments.of(&existing.principal).all(|a| a.name != existing.name));
        }
        assert!(first.changes().unwrap().is_empty() && copy.changes().unwrap().is_empty());
    }
}
