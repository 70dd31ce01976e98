//! What a survey needs: of a cluster's RBAC, from the table of the kinds that it lists, and of Azure, from the table by which it asks and names
//! what it could not read.

use super::kinds::{self, Reach};
use crate::resources::access::{self, Right};

const LIST: &[&str] = &["list"];

/// The lists of all kinds. What only matters in the namespaces that are looked at is listed there.
pub fn rights() -> Vec<Right> {
    let right = |kind: &&'static kinds::SurveyedKind| {
        let reach = match kind.reach {
            Reach::Namespace => access::Reach::Within,
            Reach::Everywhere | Reach::Cluster => access::Reach::Everywhere,
        };
        Right::new(kind.group, kind.plural, LIST, reach)
    };
    kinds::ALL.iter().map(right).collect()
}

/// Something that is read of Azure.
pub struct AzureRead {
    /// As a gap names it.
    pub what: &'static str,
    /// The action that a role must allow; of the directory, the permission of Microsoft Graph.
    pub action: &'static str,
    pub plane: Plane,
    /// What is lost without it, where the rest is read all the same.
    pub without: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    Control,
    /// The data of a vault: in one with access policies, the permission `list`.
    Data,
    Directory,
}

const fn control(what: &'static str, action: &'static str) -> AzureRead {
    AzureRead { what, action, plane: Plane::Control, without: None }
}

pub static CLUSTER: AzureRead = control("the managed cluster", "Microsoft.ContainerService/managedClusters/read");
pub static BINDINGS: AzureRead = control("identity bindings", "Microsoft.ContainerService/managedClusters/identityBindings/read");
pub static SCALE_SETS: AzureRead = control("scale sets of the nodes", "Microsoft.Compute/virtualMachineScaleSets/read");
pub static IDENTITIES: AzureRead = control("managed identities", "Microsoft.ManagedIdentity/userAssignedIdentities/read");
pub static CREDENTIALS: AzureRead =
    control("federated credentials", "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read");
pub static GRANTS: AzureRead = control("role assignments", "Microsoft.Authorization/roleAssignments/read");
pub static ROLES: AzureRead = control("role definitions", "Microsoft.Authorization/roleDefinitions/read");
pub static DENIALS: AzureRead = control("deny assignments", "Microsoft.Authorization/denyAssignments/read");
pub static VAULTS: AzureRead = control("vaults", "Microsoft.KeyVault/vaults/read");
pub static SUBSCRIPTIONS: AzureRead = AzureRead {
    without: Some("vaults of other subscriptions are not found by their names"),
    ..control("other subscriptions", "Microsoft.Resources/subscriptions/read")
};
pub static SECRETS: AzureRead =
    AzureRead { plane: Plane::Data, ..control("secrets", "Microsoft.KeyVault/vaults/secrets/readMetadata/action") };
pub static NAMES: AzureRead = AzureRead {
    plane: Plane::Directory,
    without: Some("principals that are not identities of the subscription are shown by their ids"),
    ..control("names of principals", "Directory.Read.All")
};
pub static GROUPS: AzureRead = AzureRead {
    plane: Plane::Directory,
    without: Some("whether an identity has a right through a group is not known"),
    ..control("groups of identities", "Application.Read.All")
};
pub static MEMBERS: AzureRead = AzureRead {
    plane: Plane::Directory,
    without: Some("whether a principal may read through a group is not known"),
    ..control("members of groups", "GroupMember.Read.All")
};

/// All of it.
pub static AZURE: &[&AzureRead] = &[
    &CLUSTER,
    &BINDINGS,
    &SCALE_SETS,
    &IDENTITIES,
    &CREDENTIALS,
    &GRANTS,
    &ROLES,
    &DENIALS,
    &VAULTS,
    &SUBSCRIPTIONS,
    &SECRETS,
    &NAMES,
    &GROUPS,
    &MEMBERS,
];

/// Built-in roles that allow all of it: of the resources, and of what a vault with Azure RBAC shows of its secrets.
pub const BUILT_IN: [(&str, Plane); 2] = [("Reader", Plane::Control), ("Key Vault Reader", Plane::Data)];
