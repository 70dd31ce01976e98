//! Roles: the built-in ones with their real GUIDs and permissions (Azure RBAC documentation, "Azure built-in roles"), and custom ones.

use super::ids;
use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::LazyLock};

/// One entry of a role. Its `not…` lists restrict only this entry.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    pub actions: Vec<String>,
    pub not_actions: Vec<String>,
    pub data_actions: Vec<String>,
    pub not_data_actions: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Role {
    pub guid: String,
    pub name: String,
    pub description: Option<String>,
    pub permissions: Vec<Permission>,
    /// None for a built-in role.
    pub custom: Option<CustomRole>,
}

/// The additional fields of a custom role. Times are unix nanoseconds.
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomRole {
    pub assignable_scopes: Vec<String>,
    pub created: i64,
    pub updated: i64,
    pub created_by: String,
    pub updated_by: String,
}

impl Role {
    /// Returns whether the role can be assigned at the scope.
    pub fn is_for(&self, scope: &str) -> bool {
        let scope = ids::fold(scope);
        self.custom.as_ref().is_none_or(|c| c.assignable_scopes.iter().any(|s| ids::covers(&ids::fold(s), &scope)))
    }
}

pub const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

#[derive(Deserialize)]
struct Line {
    name: String,
    guid: String,
    description: String,
    #[serde(flatten)]
    permission: Permission,
}

static BUILT_IN: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let lines: Vec<Line> = serde_json::from_str(include_str!("roles.json")).unwrap_or_default();
    let role =
        |l: Line| Role { guid: l.guid, name: l.name, description: Some(l.description), permissions: vec![l.permission], custom: None };
    lines.into_iter().map(role).collect()
});

static BY_GUID: LazyLock<HashMap<&str, &Role>> = LazyLock::new(|| BUILT_IN.iter().map(|role| (role.guid.as_str(), role)).collect());

/// Finds a role by its GUID in any case.
pub fn find<'a>(roles: &'a Table<Role>, guid: &str) -> Option<&'a Role> {
    let guid = ids::fold(guid);
    BY_GUID.get(guid.as_str()).copied().or_else(|| roles.get(&guid))
}

/// Iterates over custom roles first, as Azure lists them.
pub fn all(roles: &Table<Role>) -> impl Iterator<Item = &Role> {
    roles.values().chain(BUILT_IN.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_role_has_a_guid_and_a_name_of_its_own() {
        let guids: std::collections::BTreeSet<&str> = BUILT_IN.iter().map(|r| r.guid.as_str()).collect();
        let names: std::collections::BTreeSet<&str> = BUILT_IN.iter().map(|r| r.name.as_str()).collect();
        assert!(BUILT_IN.len() > 70 && guids.len() == BUILT_IN.len() && names.len() == BUILT_IN.len());
        assert!(guids.iter().all(|g| ids::is_guid(g) && *g == ids::fold(g)));
        assert_eq!(BY_GUID[OWNER].permissions[0].actions, ["*"]);
    }
}
