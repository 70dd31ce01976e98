//! Vaults of both models, their policies, and secrets with soft delete.

use crate::az::program::Az;
use crate::common::{World, objects::text};
use serde_json::{Value, json};

#[test]
fn a_vault_has_the_defaults_of_the_current_az() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let vault = az.json("keyvault create -g podid-lab -n by-roles");
    assert_eq!(vault["properties"]["enableRbacAuthorization"], true);
    assert_eq!(vault["properties"]["accessPolicies"], json!([]));
    assert_eq!(text(&vault, "/properties/provisioningState"), "Succeeded");
    // az itself refuses this.
    let refused = az.fails(1, r#"keyvault set-policy -n by-roles --secret-permissions get --spn "$AZURE_CLIENT_ID""#);
    assert!(refused.contains("Cannot set policies to a vault with '--enable-rbac-authorization' specified"), "{refused}");
    // Creating a vault does not grant access to its secrets.
    let refused = az.fails(1, "keyvault secret set --vault-name by-roles -n a --value b");
    assert!(refused.contains("ForbiddenByRbac") && refused.contains("vaults/secrets/setSecret/action"), "{refused}");
    let role = r#"--role "Key Vault Secrets Officer" --assignee "$AZURE_CLIENT_ID""#;
    az.json(&format!("role assignment create {role} --scope {}", text(&vault, "/id")));
    az.json("keyvault secret set --vault-name by-roles -n a --value b");
    let url = "https://by-roles.vault.azure.net/secrets/a?api-version=7.4";
    assert_eq!(az.text(&format!("rest --method get --resource https://vault.azure.net --url {url} --query value")), "b");
}

/// Returns the permissions of one principal, sorted: az sends them in a random order.
fn policies(value: &Value, principal: &str) -> Value {
    let entries = value["properties"]["accessPolicies"].as_array().unwrap();
    let entry = entries.iter().find(|entry| text(entry, "/objectId") == principal);
    let mut permissions = entry.map(|entry| entry["permissions"].clone()).unwrap_or_default();
    for names in permissions.as_object_mut().into_iter().flat_map(|kinds| kinds.values_mut()).filter_map(Value::as_array_mut) {
        names.sort_by_key(Value::to_string);
    }
    permissions
}

#[test]
fn policies_are_set_by_kind_and_removed() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let vault = az.json("keyvault create -g podid-lab -n by-policies --enable-rbac-authorization false");
    // az grants the caller everything.
    let caller = text(&vault, "/properties/accessPolicies/0/objectId").to_owned();
    assert_eq!(policies(&vault, &caller)["secrets"], json!(["all"]));
    let twice = az.fails(1, "keyvault create -g podid-lab -n by-policies");
    assert!(twice.contains("already exists"), "{twice}");
    let identity = az.json("identity create -g podid-lab -n one");
    let (client, principal) = (text(&identity, "/clientId"), text(&identity, "/principalId"));
    az.json(&format!("keyvault set-policy -n by-policies --secret-permissions get --spn {client}"));
    let vault = az.json(&format!("keyvault set-policy -n by-policies --key-permissions get list --object-id {principal}"));
    // A kind that is not named stays, one that is named is replaced.
    assert_eq!(policies(&vault, principal), json!({"certificates": null, "keys": ["get", "list"], "secrets": ["get"], "storage": null}));
    let vault = az.json(&format!("keyvault set-policy -n by-policies --secret-permissions list --object-id {principal}"));
    assert_eq!(policies(&vault, principal)["secrets"], json!(["list"]));
    let vault = az.json(&format!("keyvault delete-policy -n by-policies --object-id {principal}"));
    assert_eq!(policies(&vault, principal), Value::Null);
    assert_ne!(policies(&vault, &caller), Value::Null);
    az.fails(1, "keyvault set-policy -n nosuch --secret-permissions get --object-id x");
}

#[test]
fn secrets_have_versions_and_attributes_and_can_be_recovered() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    az.json("keyvault create -g podid-lab -n by-policies --enable-rbac-authorization false");
    let secret = |verb: &str, more: &str| format!("keyvault secret {verb} --vault-name by-policies -n Settings--ValueOne {more}");
    let first = az.json(&secret("set", "--value one"));
    assert_eq!(first["tags"], json!({"file-encoding": "utf-8"}));
    let second = az.json(&secret("set", "--value two"));
    assert_ne!(first["id"], second["id"]);
    assert_eq!(az.json(&secret("show", "")), second);
    assert_eq!(az.text(&format!("keyvault secret show --id {} --query value", text(&first, "/id"))), "one");
    let listed = az.json("keyvault secret list --vault-name by-policies");
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["name"], &listed[0]["value"]),
        (1, &json!("Settings--ValueOne"), &Value::Null)
    );
    let missing = az.fails(3, "keyvault secret show --vault-name by-policies -n nosuch");
    assert!(missing.contains("(SecretNotFound)"), "{missing}");
    let refused = az.fails(1, "keyvault secret set --vault-name by-policies -n a_b --value x");
    assert!(refused.contains("(BadParameter)"), "{refused}");

    let off = az.json(&secret("set-attributes", "--enabled false --content-type text/plain"));
    assert_eq!((&off["attributes"]["enabled"], text(&off, "/contentType")), (&json!(false), "text/plain"));
    let refused = az.fails(1, &secret("show", ""));
    assert!(refused.contains("Operation get is not permitted on this object."), "{refused}");
    az.json(&secret("set-attributes", "--enabled true"));

    let gone = az.json(&secret("delete", ""));
    assert_eq!(text(&gone, "/recoveryId"), "https://by-policies.vault.azure.net/deletedsecrets/Settings--ValueOne");
    az.fails(3, &secret("show", ""));
    let refused = az.fails(1, &secret("set", "--value three"));
    assert!(refused.contains("ObjectIsDeletedButRecoverable"), "{refused}");
    az.json(&secret("recover", ""));
    assert_eq!(az.text(&secret("show", "--query value")), "two");
}

#[test]
fn a_deleted_vault_keeps_its_name_until_it_is_purged() {
    let world = World::served();
    let Some(az) = Az::signed_in(&world) else { return };
    let vault = az.json("keyvault create -g podid-lab -n one-of-them --enable-rbac-authorization false");
    az.json("keyvault secret set --vault-name one-of-them -n a --value b");
    assert_eq!(az.json("keyvault list --query [].name"), json!(["one-of-them"]));
    az.run("keyvault delete -n one-of-them").ok();
    assert_eq!(az.json("keyvault list"), json!([]));
    az.fails(1, "keyvault show -n one-of-them");
    let deleted = az.json("keyvault list-deleted");
    assert_eq!((deleted.as_array().unwrap().len(), &deleted[0]["properties"]["vaultId"]), (1, &vault["id"]));
    let refused = az.fails(1, "keyvault create -g podid-lab -n one-of-them");
    assert!(refused.contains("already in use") || refused.contains("deleted state"), "{refused}");
    let back = az.json("keyvault recover -n one-of-them");
    assert_eq!((&back["id"], &back["properties"]["accessPolicies"]), (&vault["id"], &vault["properties"]["accessPolicies"]));
    assert_eq!(az.text("keyvault secret show --vault-name one-of-them -n a --query value"), "b");
    az.run("keyvault delete -n one-of-them").ok();
    az.run("keyvault purge -n one-of-them").ok();
    assert_eq!(az.json("keyvault list-deleted"), json!([]));
    az.json("keyvault create -g podid-lab -n one-of-them");
}
