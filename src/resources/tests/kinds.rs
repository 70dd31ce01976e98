//! What the table of kinds says of its kinds.

use crate::{
    engine::resource::Side,
    resources::{access::Access, all, content, kind::HintScope, role_for},
};

#[test]
fn every_kind_in_a_cluster_says_its_rights_and_no_other_does() {
    // the rights on what a manifest or a chart holds, on a workload of any kind, or on one object by its name, depend on it
    let own = ["object", "helmrelease", "wiring", "installation", "component", "ingressclass"];
    for kind in all().filter(|kind| !own.contains(&kind.kind())) {
        for access in [Access::Read, Access::Write, Access::Delete] {
            assert_eq!(kind.access(access).is_empty(), kind.side() == Side::Azure, "{} {access:?}", kind.kind());
        }
    }
}

#[test]
fn podids_own_kinds_of_objects_count_as_content_of_a_namespace() {
    let kinds: Vec<String> = content().into_iter().map(|api| api.kind).collect();
    assert_eq!(kinds, ["AzureIdentity", "AzureIdentityBinding", "SecretProviderClass", "AzurePodIdentityException"]);
}

#[test]
fn the_narrowest_role_of_all_kinds_is_hinted_at() {
    let role = |action: &str| role_for(action).map(|found| (found.role, found.scope));
    let group = |role| Some((role, HintScope::Group));
    assert_eq!(role("Microsoft.Authorization/roleAssignments/write"), group("Role Based Access Control Administrator"));
    assert_eq!(role("microsoft.managedidentity/userassignedidentities/assign/action"), group("Managed Identity Operator"));
    assert_eq!(role("Microsoft.ManagedIdentity/userAssignedIdentities/write"), group("Managed Identity Contributor"));
    assert_eq!(role("Microsoft.KeyVault/vaults/write"), group("Key Vault Contributor"));
    let data = Some(("Key Vault Secrets Officer", HintScope::Resource));
    assert_eq!(role("Microsoft.KeyVault/vaults/secrets/getSecret/action"), data);
    assert_eq!(role("Microsoft.KeyVault/vaults/secrets/read"), data, "a secret is data also where it is only read");
    assert_eq!(role("Microsoft.KeyVault/vaults/read"), group("Reader"));
    assert_eq!(role("Microsoft.Storage/storageAccounts/write"), group("Storage Account Contributor"));
    assert_eq!(role("Microsoft.Sql/servers/write"), None);
}
