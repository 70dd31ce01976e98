//! The identities, vaults and storage accounts that a spec names, for commands beside it that leave them out.

use super::{known::KnownResources, model::Spec};
use crate::{
    azure::{
        ArmId,
        id::{IDENTITY, STORAGE_ACCOUNT, VAULT},
    },
    engine::resource::Kind as _,
    resources::{identity::Identity, storage_account::StorageAccount, vault::Vault},
};

impl KnownResources {
    pub fn add_spec(&mut self, spec: &Spec, subscription: &str) {
        let identities = spec.workloads.iter().map(|w| (Identity::KIND, IDENTITY, &w.identity.name, &w.identity.resource_group));
        let vaults = spec.vault.iter().chain(&spec.vaults).map(|v| (Vault::KIND, VAULT, &v.name, &v.resource_group));
        let accounts = spec.storage.iter().map(|s| (StorageAccount::KIND, STORAGE_ACCOUNT, &s.name, &s.resource_group));
        for (kind, arm_type, name, group) in identities.chain(vaults).chain(accounts) {
            let group = group.as_ref().or(spec.resource_group.as_ref());
            let id = match (ArmId::parse(name), group) {
                (Some(id), _) => Some(id),
                (None, Some(group)) => {
                    let group = ArmId::parse(group).unwrap_or_else(|| ArmId::group(subscription, group));
                    Some(ArmId::resource(group.subscription_id(), group.group_name().unwrap_or_default(), arm_type, name))
                }
                (None, None) => None,
            };
            if let Some(id) = id {
                self.add(kind, id);
            }
        }
    }
}
