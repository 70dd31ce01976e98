//! Adds storage accounts and their containers, as resources and as scopes of roles.

use super::{Graph, grantee::RoleScope};
use crate::{
    azure::{ArmId, id::STORAGE_ACCOUNT},
    engine::{desired::Intent, fault::Fault, key::Key},
    resources::{
        container::{self, Container},
        storage_account::{self, StorageAccount},
    },
    spec::reference::NameOrId,
};

impl Graph<'_> {
    pub fn new_storage_account(&mut self, id: ArmId, location: Option<&str>, sku: Option<String>) -> Result<Key, Fault> {
        let id = self.spelling.of_id(id);
        let key = self.spelled(storage_account::key(id.name()));
        let location = Some(self.location_of(&id, location)?);
        self.add(&key, &StorageAccount { id, location, sku }, Intent::Present)?;
        Ok(key)
    }

    pub fn known_storage_account(&mut self, named: &NameOrId, group: Option<&str>) -> Result<Key, Fault> {
        let id = self.arm_id(named, STORAGE_ACCOUNT, group)?;
        let id = self.spelling.of_id(id);
        let key = self.spelled(storage_account::key(id.name()));
        if !self.desired.nodes.contains_key(&key) {
            self.add(&key, &StorageAccount { id, location: None, sku: None }, Intent::Existing)?;
        }
        Ok(key)
    }

    pub fn container(&mut self, account: &Key, name: &str, intent: Intent) -> Result<Key, Fault> {
        let key = self.spelled(container::key(account.names(), name));
        let container = Container { account: storage_account::ID.of(account), account_key: account.clone(), name: name.to_owned() };
        self.add(&key, &container, intent)?;
        Ok(key)
    }

    pub fn storage_account_scope(&mut self, named: &NameOrId) -> Result<RoleScope, Fault> {
        let key = self.known_storage_account(named, None)?;
        Ok(RoleScope { word: key.to_string(), id: storage_account::ID.of(&key), key: Some(key), nodes_of: None })
    }

    pub fn container_scope(&mut self, account: &NameOrId, name: &str) -> Result<RoleScope, Fault> {
        let account = self.known_storage_account(account, None)?;
        self.scope_in(&account, name)
    }

    /// A container of an account of this graph as a scope.
    pub fn scope_in(&mut self, account: &Key, name: &str) -> Result<RoleScope, Fault> {
        let key = self.container(account, name, Intent::Existing)?;
        Ok(RoleScope { word: key.to_string(), id: container::ID.of(&key), key: Some(key), nodes_of: None })
    }
}
