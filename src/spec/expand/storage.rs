//! Storage accounts of a spec, the containers that a workload uses, and single commands about both.

use super::super::{
    graph::{Graph, grantee::RoleScope},
    model::{BlobAccess, StorageSpec, StorageUse},
    names::name_in,
    reference::NameOrId,
};
use crate::{
    azure::id::STORAGE_ACCOUNT,
    engine::{desired::Intent, fault::Fault, key::Key, resource::Kind as _},
    resources::{
        container::Container,
        kind::spec_of,
        roles,
        storage_account::{self, StorageAccount},
    },
};

/// Roles that allow what ARM offers of an account, and nothing of its data.
const CONTROL_PLANE: [&str; 4] = [roles::CONTRIBUTOR, roles::OWNER, roles::READER, roles::STORAGE_ACCOUNT_CONTRIBUTOR];

/// What the plan says of a role at an account or a container that does not open its blobs.
pub(super) fn control_plane_note(role: &str, scope: &RoleScope) -> Option<String> {
    let in_storage = [StorageAccount::KIND, Container::KIND].iter().any(|kind| scope.word.starts_with(&format!("{kind}/")));
    let named = CONTROL_PLANE.iter().any(|known| known.eq_ignore_ascii_case(role));
    (in_storage && named).then(|| {
        format!(
            "a role of the control plane: it does not let a token read or write blobs, which takes {} or {}",
            roles::BLOB_DATA_READER,
            roles::BLOB_DATA_CONTRIBUTOR
        )
    })
}

impl Graph<'_> {
    pub(super) fn spec_storage(&mut self, storage: &StorageSpec) -> Result<(), Fault> {
        let id = self.arm_id(&NameOrId::new(&storage.name), STORAGE_ACCOUNT, storage.resource_group.as_deref())?;
        let key = self.new_storage_account(id, storage.location.as_deref(), storage.sku.clone())?;
        for container in &storage.containers {
            self.container(&key, &container.name, Intent::Present)?;
        }
        Ok(())
    }

    /// The identity's role on a container's blobs.
    pub(super) fn storage_use(&mut self, used: &StorageUse, identity: &Key) -> Result<(), Fault> {
        let role = match used.access {
            BlobAccess::Read => roles::BLOB_DATA_READER,
            BlobAccess::Write => roles::BLOB_DATA_CONTRIBUTOR,
        };
        let to = self.grantee(identity);
        let account = self.spelled(storage_account::key(name_in(&used.account)));
        let scope = self.scope_in(&account, &used.container)?;
        self.add_role(role, to, scope, None, None).map(drop)
    }

    /// `remove`: its containers that podid made go with it.
    pub(super) fn storage_account_request(
        &mut self,
        name: &NameOrId,
        group: Option<&str>,
        location: Option<&str>,
        sku: Option<&String>,
        remove: bool,
    ) -> Result<(), Fault> {
        let id = self.arm_id(name, STORAGE_ACCOUNT, group)?;
        let key = self.new_storage_account(id, location, sku.cloned())?;
        if remove {
            let memory = self.context.memory;
            let own = memory.ledger().of_app(memory.app());
            let containers = own.filter_map(|entry| spec_of::<Container>(&entry.kind, &entry.spec));
            for container in containers.filter(|container| container.account_key == key) {
                self.container(&key, &container.name, Intent::Present)?;
            }
        }
        Ok(())
    }
}
