//! Missing rights: the action, the scope and the role that would allow it.

use crate::errors::lab::Lab;
use insta::assert_snapshot;
use serde_json::json;

const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const ACCESS_ADMINISTRATOR: &str = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// Replaces the caller's only role, Owner of the subscription, by another one.
fn demoted(lab: &Lab, role: &str) {
    lab.edit_world(|world| {
        let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
        let owner = assignments.values_mut().find(|a| a["role"] == OWNER).unwrap();
        owner["role"] = json!(role);
    });
}

#[test]
fn a_contributor_may_not_assign_roles_and_learns_who_may() {
    let lab = Lab::with_app();
    lab.done("plan -f app.yaml");
    demoted(&lab, CONTRIBUTOR);
    assert_snapshot!(lab.fails("up -f app.yaml --yes --parallelism 1"), @r#"
    exit 1
    error: could not create role/virtual-machine-contributor/cluster/aks-mi/cluster/aks-mi/nodes, create grant/kv-shop-errors/caller, create grant/kv-shop-errors/shop-mid, create role/managed-identity-operator/cluster/aks-mi/identity/shop-mid: this login ([ID]) may not do Microsoft.Authorization/roleAssignments/write
      because none of its role assignments allows this at /subscriptions/[ID]/resourceGroups/MC_podid-lab_aks-mi_westeurope
      because none of its role assignments allows this at /subscriptions/[ID]/resourceGroups/podid-lab/providers/Microsoft.KeyVault/vaults/kv-shop-errors
      because none of its role assignments allows this at /subscriptions/[ID]/resourcegroups/podid-lab/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop-mid
    hint: The role Role Based Access Control Administrator allows it: `az role assignment create --role "Role Based Access Control Administrator" --assignee [ID] --scope /subscriptions/[ID]/resourceGroups/MC_podid-lab_aks-mi_westeurope`. A new role takes up to 10 minutes.
    hint: The role Role Based Access Control Administrator allows it: `az role assignment create --role "Role Based Access Control Administrator" --assignee [ID] --scope /subscriptions/[ID]/resourceGroups/podid-lab`. A new role takes up to 10 minutes.
    not started: to create azureidentitybinding/aks-mi/shop/shop-mid-binding: role/virtual-machine-contributor/cluster/aks-mi/cluster/aks-mi/nodes failed
    not started: to create secret/kv-shop-errors/conn: grant/kv-shop-errors/caller failed
    "#);
}

#[test]
fn a_reader_may_not_create_an_identity() {
    let lab = Lab::new();
    lab.done("identity list");
    demoted(&lab, READER);
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes"), @r#"
    exit 1
    error: could not create identity/shop-mid: this login ([ID]) may not do Microsoft.ManagedIdentity/userAssignedIdentities/write
      because none of its role assignments allows this at /subscriptions/[ID]/resourceGroups/podid-lab/providers/Microsoft.ManagedIdentity/userAssignedIdentities/shop-mid
    hint: The role Managed Identity Contributor allows it: `az role assignment create --role "Managed Identity Contributor" --assignee [ID] --scope /subscriptions/[ID]/resourceGroups/podid-lab`. A new role takes up to 10 minutes.
    "#);
}

#[test]
fn a_secret_of_a_foreign_vault_needs_a_data_plane_right() {
    let lab = Lab::new();
    lab.done("vault create -n kv-foreign --yes");
    lab.edit_world(|world| {
        world["azure"]["vaults"]["kv-foreign"]["tags"] = json!({});
        let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
        assignments.retain(|_, a| a["role"] == OWNER);
    });
    assert_snapshot!(lab.fails("vault secret set conn --vault kv-foreign --generate --yes --state other.json"), @r#"
    exit 1
    error: this login ([ID]) may not do Microsoft.KeyVault/vaults/secrets/getSecret/action
      because none of its role assignments allows this at /subscriptions/[ID]/resourcegroups/podid-lab/providers/microsoft.keyvault/vaults/kv-foreign/secrets/conn
    hint: The role Key Vault Secrets Officer allows it: `az role assignment create --role "Key Vault Secrets Officer" --assignee [ID] --scope /subscriptions/[ID]/resourcegroups/podid-lab/providers/microsoft.keyvault/vaults/kv-foreign`. A new role takes up to 10 minutes.
    "#);
    assert_snapshot!(lab.fails("vault secret list --vault kv-foreign"), @r#"
    exit 1
    error: this login ([ID]) may not do Microsoft.KeyVault/vaults/secrets/readMetadata/action
      because none of its role assignments allows this at /subscriptions/[ID]/resourcegroups/podid-lab/providers/microsoft.keyvault/vaults/kv-foreign
    hint: The role Key Vault Secrets Officer allows it: `az role assignment create --role "Key Vault Secrets Officer" --assignee [ID] --scope /subscriptions/[ID]/resourcegroups/podid-lab/providers/microsoft.keyvault/vaults/kv-foreign`. A new role takes up to 10 minutes.
    "#);
}

#[test]
fn an_access_policy_on_an_rbac_vault_is_refused() {
    let lab = Lab::new();
    lab.done("identity create -n shop-mid --yes");
    lab.done("vault create -n kv-shop-rbac --model rbac --yes");
    assert_snapshot!(lab.fails("vault grant --vault kv-shop-rbac --to identity/shop-mid --secrets get,list --yes"), @r#"
    exit 4
    error: grant/kv-shop-rbac/shop-mid: vault/kv-shop-rbac is an RBAC vault: it has no access policies, so `--secrets` cannot be given there
    hint: Leave `--secrets` out: then the role Key Vault Secrets User is assigned.
    "#);
}

#[test]
fn a_migration_says_which_role_allows_its_two_steps() {
    let lab = Lab::new();
    lab.done("vault create -n kv-shop-old --model access-policy --yes");
    demoted(&lab, CONTRIBUTOR);
    assert_snapshot!(lab.fails("vault migrate-to-rbac kv-shop-old --settle 0 --yes"), @r#"
    exit 1
    error: could not create policyrole/kv-shop-old/[ID]/key-vault-secrets-officer: this login ([ID]) may not do Microsoft.Authorization/roleAssignments/write
      because none of its role assignments allows this at /subscriptions/[ID]/resourceGroups/podid-lab/providers/Microsoft.KeyVault/vaults/kv-shop-old
    hint: The role Role Based Access Control Administrator allows it: `az role assignment create --role "Role Based Access Control Administrator" --assignee [ID] --scope /subscriptions/[ID]/resourceGroups/podid-lab`. A new role takes up to 10 minutes.
    not started: to update vaultmodel/kv-shop-old: policyrole/kv-shop-old/[ID]/key-vault-secrets-officer failed
    "#);
    lab.edit_world(|world| {
        let assignments = world["azure"]["assignments"].as_object_mut().unwrap();
        assignments.values_mut().find(|a| a["role"] == CONTRIBUTOR).unwrap()["role"] = json!(ACCESS_ADMINISTRATOR);
    });
    assert_snapshot!(lab.fails("vault migrate-to-rbac kv-shop-old --settle 0 --yes"), @r#"
    exit 1
    error: could not update vaultmodel/kv-shop-old: this login ([ID]) may not do Microsoft.KeyVault/vaults/write
      because none of its role assignments allows this at /subscriptions/[ID]/resourceGroups/podid-lab/providers/Microsoft.KeyVault/vaults/kv-shop-old
    hint: The role Key Vault Contributor allows it: `az role assignment create --role "Key Vault Contributor" --assignee [ID] --scope /subscriptions/[ID]/resourceGroups/podid-lab`. A new role takes up to 10 minutes.
    "#);
}

#[test]
fn endless_throttling_says_when_to_retry() {
    let lab = Lab::new().served();
    let throttled = json!({ "error": { "code": "TooManyRequests", "message": "The request was throttled." } });
    lab.set(&json!({ "fail": [{ "method": "PUT", "host": "management.azure.com", "status": 429, "body": throttled, "headers": { "Retry-After": "1" } }] }));
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes --timeout 5s"), @r#"
    exit 1
    error: could not create identity/shop-mid: Azure limits the rate of requests: The request was throttled.
    hint: Run the same command again in 1 s; with a lower `--parallelism`, podid sends fewer requests at once.
    "#);
}

#[test]
fn errors_of_azure_are_quoted() {
    let lab = Lab::new().served();
    let broken = json!({ "error": { "code": "InternalServerError", "message": "The server encountered an unexpected condition." } });
    lab.set(&json!({ "fail": [{ "method": "PUT", "host": "management.azure.com", "status": 500, "body": broken }] }));
    assert_snapshot!(lab.fails("identity create -n shop-mid --yes --timeout 5s"), @r#"
    exit 1
    error: could not create identity/shop-mid: Azure failed with 500 InternalServerError: The server encountered an unexpected condition.
    hint: Run the same command again; completed changes are recorded and not repeated.
    "#);
}
