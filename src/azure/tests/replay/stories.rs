//! The exact results of known recordings: the kinds of calls, how many of each, and what they returned. Other recordings are only checked
//! by the rules.

/// The results by the source of the recording.
const KNOWN: &[(&str, &[&str])] = &[
    ("azure-cli-extensions/test_aks_create_with_oidc_issuer_enabled.yaml", &["aks.GET: absent", "aks.GET: found"]),
    ("azure-cli-extensions/test_aks_create_with_pod_identity_enabled.yaml", &["aks.GET: absent", "11 × aks.GET: found"]),
    ("azure-cli-extensions/test_aks_create_with_workload_identity_enabled.yaml", &["aks.GET: absent", "aks.GET: found"]),
    ("azure-cli/test_federated_identity_credential.yaml", &["rg.GET: found", "identity.PUT: found"]),
    (
        "aso/Test_ManagedIdentity_UserAssignedIdentity_20230131_CRUD.yaml",
        &["rg.GET: found", "3 × identity.PUT: found", "2 × identity.GET: found", "identity.DELETE: done", "identity.GET: absent"],
    ),
    (
        "azure-cli/test_identity_management.yaml",
        &["rg.GET: found", "identity.PUT: found", "identity.list.GET: 1 of a list", "identity.DELETE: done"],
    ),
    ("aso/Test_Resources_ResourceGroup_CRUD.yaml", &["3 × rg.GET: found", "rg.GET: absent"]),
    (
        "azure-cli/test_aks_create_default_service_without_skip_role_assignment.yaml",
        &[
            "3 × rg.GET: found",
            "2 × roleDefinition.list.GET: found",
            "roleAssignment.PUT: found",
            "2 × aks.GET: found",
            "roleAssignment.list.GET: 1 of a list",
            "roleAssignment.PUT: RoleAssignmentExists",
        ],
    ),
    (
        "azure-cli/test_aks_create_default_service_with_virtual_node_addon.yaml",
        &[
            "aks.GET: absent",
            "roleAssignment.list.GET: 0 of a list",
            "30 × roleDefinition.list.GET: found",
            "30 × graph.sp.list.GET: found",
            "30 × roleAssignment.PUT: AuthorizationFailed Microsoft.Authorization/roleAssignments/write",
            "8 × aks.GET: found",
        ],
    ),
    (
        "aso/Test_Authorization_RoleAssignment_OnResourceGroup_CRUD.yaml",
        &[
            "rg.GET: found",
            "2 × identity.PUT: found",
            "identity.GET: found",
            "roleAssignment.PUT: waited 5 ×, then found",
            "roleAssignment.DELETE: done",
            "identity.DELETE: done",
        ],
    ),
    (
        "azure-cli/test_role_assignment_create_update.yaml",
        &[
            "3 × roleDefinition.list.GET: found",
            "4 × roleAssignment.PUT: found",
            "3 × roleAssignment.list.GET: 1 of a list",
            "3 × roleAssignment.DELETE: done",
        ],
    ),
    (
        "sdk-go/TestRecover.json",
        &[
            "secret.PUT: found",
            "2 × secret.DELETE: done",
            "deletedSecret.GET: absent",
            "deletedSecret.GET: found",
            "deletedSecret.recover.POST: waited 1 ×, then done",
        ],
    ),
    (
        "azure-cli/test_keyvault_secret.yaml",
        &[
            "2 × vault.GET: found",
            "vault.PUT: found",
            "9 × secret.PUT: found",
            "3 × secret.list.GET: 2 of a list",
            "4 × secret.versions.GET: found",
            "7 × secret.GET: found",
            "3 × secret.DELETE: done",
            "3 × secret.list.GET: 0 of a list",
        ],
    ),
    ("aso/Test_Storage_StorageAccount_20250601_CRUD.yaml", &["rg.GET: found"]),
    (
        "c7n/KeyVaultTest.test_update_access_policy.json",
        &["vault.list.GET: 5 of a list", "vault.accessPolicies.PUT: done", "vault.GET: found"],
    ),
    (
        "aso/Test_KeyVault_WhenRecoverSpecified_RecoversSuccessfully.yaml",
        &["rg.GET: found", "4 × deletedVault.GET: found", "2 × vault.PUT: found", "2 × vault.GET: found", "2 × vault.DELETE: done"],
    ),
    (
        "aso/Test_KeyVault_Vault_20230701_CRUD.yaml",
        &["rg.GET: found", "2 × deletedVault.GET: found", "vault.PUT: found", "vault.GET: found", "vault.DELETE: done"],
    ),
];

pub fn differs(name: &str, source: &str, stories: &[String]) -> Option<String> {
    let Some((_, known)) = KNOWN.iter().find(|(of, _)| *of == source) else {
        super::record::say(&format!(
            "replay: {name}: its story is not known ({source}); only the rules were held:\n{}",
            squeezed(stories).join("\n")
        ));
        return None;
    };
    let stories = squeezed(stories);
    (stories != *known).then(|| format!("{name}: another story than is known of it:\n  {}", stories.join("\n  ")))
}

/// Returns each kind once, with its count, in the order of first occurrence.
fn squeezed(stories: &[String]) -> Vec<String> {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for story in stories {
        match kinds.iter_mut().find(|(kind, _)| kind == story) {
            Some((_, times)) => *times += 1,
            None => kinds.push((story, 1)),
        }
    }
    kinds.into_iter().map(|(story, times)| if times > 1 { format!("{times} × {story}") } else { story.to_owned() }).collect()
}
