//! From `podid vault migrate-to-rbac` to the graph: the roles that replace a vault's access policies, and after them the switch.

use super::super::{graph::Graph, request::Migration};
use crate::{
    engine::{desired::Intent, fault::Fault, key::Key},
    resources::{
        Cloud,
        policy_role::PolicyRole,
        vault_model::{self, VaultModel},
    },
};

impl Graph<'_> {
    pub(super) fn migrate_vault(&mut self, migration: &Migration) -> Result<(), Fault> {
        let roles: Vec<Key> = migration.roles.iter().map(PolicyRole::key).collect();
        for (key, role) in roles.iter().zip(&migration.roles) {
            self.add(key, role, Intent::Present)?;
        }
        let intent = if migration.is_done { Intent::Existing } else { Intent::Present };
        let key = vault_model::key(migration.switch.vault.name());
        self.desired.add_after::<Cloud, VaultModel>(key, &migration.switch, intent, &roles).map(drop)
    }
}
