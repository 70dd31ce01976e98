//! Types and ids of the modelled resources. Managed Identity and AKS return ids with a lower-case `resourcegroups`, other services do not.

use super::{
    ids,
    state::{Identity, ScaleSet, Vault},
};

pub const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";
pub const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
pub const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
pub const STORAGE_ACCOUNT: &str = "Microsoft.Storage/storageAccounts";
pub const VAULT: &str = "Microsoft.KeyVault/vaults";

/// Returns the key of a cluster in the state.
pub fn cluster_key(subscription: &str, group: &str, name: &str) -> String {
    ids::fold(&ids::resource_id(subscription, group, CLUSTER, name))
}

pub fn identity(subscription: &str, identity: &Identity) -> String {
    ids::low_group_id(subscription, &identity.group, IDENTITY, &identity.name)
}

/// Returns the key of an identity in the state.
pub fn identity_key(subscription: &str, group: &str, name: &str) -> String {
    ids::fold(&ids::low_group_id(subscription, group, IDENTITY, name))
}

pub fn scale_set(subscription: &str, set: &ScaleSet) -> String {
    ids::resource_id(subscription, &set.group, SCALE_SET, &set.name)
}

pub fn vault(subscription: &str, vault: &Vault) -> String {
    ids::resource_id(subscription, &vault.group, VAULT, &vault.name)
}
