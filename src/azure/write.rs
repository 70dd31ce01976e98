//! Changes resources. Each change is safe to repeat, and waits for the delays of Azure.

use super::{
    ArmId, Identity, NewSecret, NewVault, ObjectKind, OnWait, PolicyEntry, PrincipalKind, Result, RoleAssignment, Secret, SecretInfo, Tags,
    Vault, clients::Clients, deadline, identities, roles, vaults, wait::Waiter,
};
use std::sync::Arc;

#[derive(Clone)]
pub struct Write {
    pub(super) core: Arc<Clients>,
    pub(super) patience: Waiter,
}

impl Write {
    pub(super) fn new(core: Arc<Clients>, on_wait: OnWait) -> Self {
        let patience = Waiter { limit: core.limit, on_wait };
        Self { core, patience }
    }

    /// Runs one call, with all its requests and waits, under one deadline.
    pub(super) async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        deadline::within(self.core.limit, call).await
    }

    pub async fn put_identity(&self, id: &ArmId, location: &str, tags: &Tags) -> Result<Identity> {
        self.call(identities::put(&self.core.arm, id, location, tags)).await
    }

    /// Deletes an identity. An absent one is a success, here and in all `delete_*`.
    pub async fn delete_identity(&self, id: &ArmId) -> Result<()> {
        self.call(identities::delete(&self.core.arm, id)).await
    }

    /// Creates an assignment and retries while Azure returns `PrincipalNotFound`. 409 RoleAssignmentExists is `Conflict`.
    pub async fn put_role_assignment(
        &self,
        scope: &ArmId,
        name: &str,
        role_definition_id: &str,
        principal_id: &str,
        kind: PrincipalKind,
        description: &str,
    ) -> Result<RoleAssignment> {
        let new = roles::NewAssignment { scope, name, role_definition_id, principal_id, kind, description };
        self.call(roles::put(&self.core.arm, &self.patience, &new)).await
    }

    /// Lists the assignments made exactly at this scope, past all caches.
    pub async fn role_assignments(&self, scope: &ArmId) -> Result<Vec<RoleAssignment>> {
        self.call(roles::assignments(&self.core.arm, scope)).await
    }

    /// Lists them until all of `wanted` are there, each a role's GUID and a principal's object id.
    pub async fn await_role_assignments(&self, scope: &ArmId, wanted: &[(String, String)]) -> Result<Vec<RoleAssignment>> {
        self.call(roles::listed(&self.core.arm, &self.patience, scope, wanted)).await
    }

    /// Deletes an assignment by its full id.
    pub async fn delete_role_assignment(&self, id: &str) -> Result<()> {
        self.call(roles::delete(&self.core.arm, id)).await
    }

    /// Creates or recovers a vault, and waits until it is `Succeeded`.
    pub async fn put_vault(&self, vault: &NewVault) -> Result<Vault> {
        self.call(vaults::put(&self.core.arm, &self.patience, vault)).await
    }

    /// Reads a vault past all caches.
    pub async fn vault(&self, id: &ArmId) -> Result<Option<Vault>> {
        self.call(vaults::get(&self.core.arm, id)).await
    }

    /// Waits until an existing vault is `Succeeded`.
    pub async fn await_vault(&self, id: &ArmId) -> Result<Vault> {
        self.call(vaults::settled(&self.core.arm, &self.patience, id, None)).await
    }

    /// Sends a PATCH with nothing but the tags.
    pub async fn tag_vault(&self, id: &ArmId, tags: &Tags) -> Result<Vault> {
        self.call(vaults::tag(&self.core.arm, &self.patience, id, tags)).await
    }

    /// Turns purge protection on for good, by a PATCH with nothing else.
    pub async fn protect_vault(&self, id: &ArmId) -> Result<Vault> {
        self.call(vaults::protect(&self.core.arm, &self.patience, id)).await
    }

    /// Switches the vault from access policies to Azure RBAC, by a PATCH with nothing else.
    pub async fn use_rbac(&self, id: &ArmId) -> Result<Vault> {
        self.call(vaults::use_rbac(&self.core.arm, &self.patience, id)).await
    }

    pub async fn delete_vault(&self, id: &ArmId) -> Result<()> {
        self.call(vaults::delete(&self.core.arm, &self.patience, id)).await
    }

    /// Changes this principal's entry: `add` merges permissions, `replace` sets them. It never sends a PUT of the vault.
    pub async fn add_policy(&self, vault: &ArmId, entry: &PolicyEntry) -> Result<()> {
        self.call(vaults::policy(&self.core.arm, &self.patience, vault, "add", entry)).await
    }

    pub async fn replace_policy(&self, vault: &ArmId, entry: &PolicyEntry) -> Result<()> {
        self.call(vaults::policy(&self.core.arm, &self.patience, vault, "replace", entry)).await
    }

    /// Removes these permissions from this principal's entry, and the entry if it is empty then. Azure compares them case-sensitively: send
    /// them as the vault spells them, and read back. A vault that does not exist counts as success.
    pub async fn remove_policy(&self, vault: &ArmId, entry: &PolicyEntry) -> Result<()> {
        self.call(vaults::policy(&self.core.arm, &self.patience, vault, "remove", entry)).await
    }

    /// Reads back until none of these permissions of the principal is left. Fails with `NotDone` if some stay.
    pub async fn await_revoked(&self, vault: &ArmId, object_id: &str, objects: ObjectKind, permissions: &[String]) -> Result<()> {
        self.call(vaults::revoked(&self.core.arm, &self.patience, vault, object_id, (objects, permissions))).await
    }

    /// Reads the current version past all caches. With `patient`, a 403 is retried (a grant was just made); else it is an error at once.
    pub async fn secret(&self, vault_uri: &str, name: &str, patient: bool) -> Result<Option<Secret>> {
        self.call(self.core.secrets.get_now(vault_uri, name, patient.then_some(&self.patience))).await
    }

    /// Creates a new version; `patient` as above. Retries 409 ObjectIsBeingDeleted/-Recovered; ObjectIsDeletedButRecoverable is `Conflict`.
    pub async fn set_secret(&self, vault_uri: &str, name: &str, new: &NewSecret, patient: bool) -> Result<SecretInfo> {
        self.call(self.core.secrets.set(vault_uri, name, new, &self.patience, patient)).await
    }

    /// Disables one version of a secret.
    pub async fn disable_secret(&self, vault_uri: &str, name: &str, version: &str) -> Result<()> {
        self.call(self.core.secrets.disable(vault_uri, name, version)).await
    }

    /// Sets the tags of the current version; its value stays.
    pub async fn tag_secret(&self, vault_uri: &str, name: &str, tags: &Tags) -> Result<SecretInfo> {
        self.call(self.core.secrets.tag(vault_uri, name, tags)).await
    }

    pub async fn delete_secret(&self, vault_uri: &str, name: &str) -> Result<()> {
        self.call(self.core.secrets.delete(vault_uri, name, &self.patience)).await
    }

    /// Starts the recovery and waits until the secret can be read again.
    pub async fn recover_secret(&self, vault_uri: &str, name: &str, patient: bool) -> Result<()> {
        self.call(self.core.secrets.recover(vault_uri, name, &self.patience, patient)).await
    }
}
