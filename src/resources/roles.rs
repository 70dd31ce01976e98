//! Built-in roles by name, with the GUIDs of Microsoft's built-in roles page (2026-04), and the names of role assignments.

use uuid::Uuid;

pub const MANAGED_IDENTITY_OPERATOR: &str = "Managed Identity Operator";
pub const VIRTUAL_MACHINE_CONTRIBUTOR: &str = "Virtual Machine Contributor";
pub const SECRETS_USER: &str = "Key Vault Secrets User";
pub const CRYPTO_USER: &str = "Key Vault Crypto User";
pub const CRYPTO_OFFICER: &str = "Key Vault Crypto Officer";
pub const CRYPTO_SERVICE_ENCRYPTION_USER: &str = "Key Vault Crypto Service Encryption User";
pub const CERTIFICATES_OFFICER: &str = "Key Vault Certificates Officer";
pub const VAULT_READER: &str = "Key Vault Reader";
pub const VAULT_ADMINISTRATOR: &str = "Key Vault Administrator";
pub const CERTIFICATE_USER: &str = "Key Vault Certificate User";
pub const SECRETS_OFFICER: &str = "Key Vault Secrets Officer";
pub const OWNER: &str = "Owner";
pub const CONTRIBUTOR: &str = "Contributor";
pub const READER: &str = "Reader";
pub const MANAGED_IDENTITY_CONTRIBUTOR: &str = "Managed Identity Contributor";
pub const RBAC_ADMINISTRATOR: &str = "Role Based Access Control Administrator";
pub const ACR_PULL: &str = "AcrPull";
pub const AKS_USER: &str = "Azure Kubernetes Service Cluster User Role";
pub const AKS_ADMIN: &str = "Azure Kubernetes Service Cluster Admin Role";
pub const AKS_CONTRIBUTOR: &str = "Azure Kubernetes Service Contributor Role";
pub const STORAGE_ACCOUNT_CONTRIBUTOR: &str = "Storage Account Contributor";
pub const BLOB_DATA_READER: &str = "Storage Blob Data Reader";
pub const BLOB_DATA_CONTRIBUTOR: &str = "Storage Blob Data Contributor";
pub const KEY_VAULT_CONTRIBUTOR: &str = "Key Vault Contributor";

const BUILT_IN: &[(&str, &str)] = &[
    (OWNER, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    (CONTRIBUTOR, "b24988ac-6180-42a0-ab88-20f7382dd24c"),
    (READER, "acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    ("User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
    (RBAC_ADMINISTRATOR, "f58310d9-a9f6-439a-9e8d-f62e7b41a168"),
    (MANAGED_IDENTITY_OPERATOR, "f1a07417-d97a-45cb-824c-7a7467783830"),
    (MANAGED_IDENTITY_CONTRIBUTOR, "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59"),
    (VIRTUAL_MACHINE_CONTRIBUTOR, "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"),
    ("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7"),
    (AKS_CONTRIBUTOR, "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8"),
    (AKS_USER, "4abbcc35-e782-43d8-92c5-2d3f1bd2253f"),
    (AKS_ADMIN, "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8"),
    (ACR_PULL, "7f951dda-4ed3-4680-a7ca-43fe172d538d"),
    (BLOB_DATA_READER, "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
    (BLOB_DATA_CONTRIBUTOR, "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
    ("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),
    ("Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88"),
    (STORAGE_ACCOUNT_CONTRIBUTOR, "17d1049b-9a84-46fb-8f53-869881c3d3ab"),
    (VAULT_ADMINISTRATOR, "00482a5a-887f-4fb3-b363-3b7fe8e74483"),
    (VAULT_READER, "21090545-7ca7-4776-b22c-e363652d74d2"),
    (SECRETS_OFFICER, "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"),
    (SECRETS_USER, "4633458b-17de-408a-b874-0445c86b69e6"),
    (CERTIFICATES_OFFICER, "a4417e6f-fecd-4de8-b567-7b0420556985"),
    (CERTIFICATE_USER, "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba"),
    (CRYPTO_OFFICER, "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"),
    (CRYPTO_USER, "12338af0-0e69-4776-bea7-57ae8d297424"),
    (CRYPTO_SERVICE_ENCRYPTION_USER, "e147488a-f6f5-4113-8e2d-b22465e65bf6"),
    ("Key Vault Purge Operator", "a68e7c17-0ab2-4c09-9a58-125dae29748c"),
    ("Key Vault Data Access Administrator", "8b54135c-b56d-4d72-a534-26097cfdc8d8"),
];

/// The GUID of a built-in role, by its name without regard to case.
pub fn guid(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, guid)| *guid)
}

/// The name of a built-in role, by its GUID.
pub fn name(guid: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(_, g)| g.eq_ignore_ascii_case(guid)).map(|(name, _)| *name)
}

/// The role as Azure spells it, where it is a built-in one by name or GUID; a GUID of another one in lower case.
pub fn canonical(role: &str) -> String {
    let built_in = BUILT_IN.iter().find(|(name, guid)| name.eq_ignore_ascii_case(role) || guid.eq_ignore_ascii_case(role));
    match built_in {
        Some((name, _)) => (*name).to_owned(),
        None if Uuid::try_parse(role).is_ok() => role.to_ascii_lowercase(),
        None => role.to_owned(),
    }
}

/// `managed-identity-operator`: a role's name as a part of a key.
pub fn slug(role: &str) -> String {
    let mut slug = String::new();
    for c in role.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_matches('-').to_owned()
}

/// The namespace of role assignment names: UUID v5 of the DNS name `role-assignments.podid`.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x5918_fa2d_c169_58c2_b36b_c8e8_bbb6_9d31);

/// A role assignment's name: UUID v5 in `NAMESPACE` of `SCOPE|ROLE GUID|PRINCIPAL`, all in lower case, the scope without a trailing slash.
/// Names are unique across subscriptions, and an assignment's principal cannot change, so all three are in it.
pub fn assignment_name(scope: &str, role_guid: &str, principal: &str) -> String {
    let canonical = format!("{}|{}|{}", scope.trim_end_matches('/'), role_guid, principal).to_ascii_lowercase();
    Uuid::new_v5(&NAMESPACE, canonical.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignments_name_does_not_depend_on_casing() {
        let lower = assignment_name("/subscriptions/s/resourcegroups/g", "f1a07417-d97a-45cb-824c-7a7467783830", "aa");
        let upper = assignment_name("/subscriptions/S/resourceGroups/G/", "F1A07417-D97A-45CB-824C-7A7467783830", "AA");
        assert_eq!(lower, upper);
        assert_ne!(lower, assignment_name("/subscriptions/s", "f1a07417-d97a-45cb-824c-7a7467783830", "aa"));
    }

    #[test]
    fn the_namespace_is_the_documented_one() {
        assert_eq!(NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"role-assignments.podid"));
    }

    #[test]
    fn a_roles_name_becomes_a_part_of_a_key() {
        assert_eq!(slug("Managed Identity Operator"), "managed-identity-operator");
        assert_eq!(slug("  My (odd) Röle "), "my-odd-r-le");
    }
}
