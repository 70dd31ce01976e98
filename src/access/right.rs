//! The rights that podid looks for, with the actions that roles name them by.

use crate::{
    azure::{AzureAction, ObjectKind},
    resources::{data_roles::PermissionSet, roles},
    survey::AzureSurvey,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureRight {
    ReadSecrets,
    ChangeSecrets,
    /// Putting a managed identity on machines, as MIC and AKS do it.
    HandOut,
    /// Changing the machines of a cluster, as MIC does it.
    ChangeNodes,
}

impl AzureRight {
    /// The actions, any of which is the right.
    pub fn actions(self) -> &'static [AzureAction] {
        match self {
            Self::ReadSecrets => &[AzureAction::Data("Microsoft.KeyVault/vaults/secrets/getSecret/action")],
            Self::ChangeSecrets => &[AzureAction::Data("Microsoft.KeyVault/vaults/secrets/setSecret/action")],
            // as refusals name it, and as Managed Identity Operator has it
            Self::HandOut => &[
                AzureAction::Control("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"),
                AzureAction::Control("Microsoft.ManagedIdentity/userAssignedIdentities/any/assign/action"),
            ],
            // the role-assignment page of aad-pod-identity
            Self::ChangeNodes => &[AzureAction::Control("Microsoft.Compute/virtualMachineScaleSets/write")],
        }
    }

    /// Whether a built-in role allows it, where its definition could not be read.
    fn is_of(self, role: &str) -> bool {
        let has = |word| {
            let wanted = PermissionSet::of(ObjectKind::Secret, [word]).unwrap_or_default();
            !wanted.is_empty() && PermissionSet::of_role(role).contains(wanted)
        };
        match self {
            Self::ReadSecrets => has("get"),
            Self::ChangeSecrets => has("set"),
            Self::HandOut => [roles::MANAGED_IDENTITY_OPERATOR, roles::OWNER, roles::CONTRIBUTOR].contains(&role),
            Self::ChangeNodes => [roles::VIRTUAL_MACHINE_CONTRIBUTOR, roles::OWNER, roles::CONTRIBUTOR].contains(&role),
        }
    }
}

/// Whether a role, given by its GUID, allows a right. None: it is a custom role whose definition could not be read.
pub fn allows(azure: &AzureSurvey, role: &str, right: AzureRight) -> Option<bool> {
    if let Some(known) = azure.roles.iter().find(|one| one.role.eq_ignore_ascii_case(role)) {
        return Some(right.actions().iter().any(|action| known.allows(*action)));
    }
    match roles::name(role) {
        Some(name) => Some(right.is_of(name)),
        None => azure.roles.is_whole().then_some(false),
    }
}

/// The name of a role that is given by its GUID; of an unknown one the GUID.
pub fn role_name(azure: &AzureSurvey, role: &str) -> String {
    let known = azure.roles.iter().find(|one| one.role.eq_ignore_ascii_case(role)).map(|one| one.name.clone());
    known.filter(|name| !name.is_empty()).or_else(|| roles::name(role).map(str::to_owned)).unwrap_or_else(|| role.to_owned())
}
