//! Vaults in ARM: creation, both permission models, policies, soft delete, recovery and purge.

use super::{Lab, Lateness};
use serde_json::{Value, json};

fn entry(lab: &Lab, principal: &str, secrets: &Value) -> Value {
    json!({"properties": {"accessPolicies": [{"tenantId": lab.sandbox.access().tenant, "objectId": principal, "permissions": {"secrets": secrets}}]}})
}

#[tokio::test]
async fn a_new_vault_registers_its_name_for_two_reads() {
    let lab = Lab::new(Lateness::Quick).await;
    let made = lab.new_vault("kv-new", true).await;
    assert_eq!(made.status, 200);
    let p = &made.body["properties"];
    assert_eq!((&p["provisioningState"], &p["vaultUri"]), (&json!("RegisteringDns"), &json!("https://kv-new.vault.azure.net")));
    assert_eq!(
        (&p["softDeleteRetentionInDays"], &p["enableSoftDelete"], &p["enableRbacAuthorization"]),
        (&json!(90), &json!(true), &json!(true))
    );
    assert!(made.body["id"].as_str().unwrap().contains("/resourceGroups/podid-lab/"));
    for state in ["RegisteringDns", "RegisteringDns", "Succeeded", "Succeeded"] {
        let seen = lab.arm("GET", &lab.vault_path("kv-new"), None).await;
        assert_eq!(seen.body["properties"]["provisioningState"], state);
        assert_eq!(seen.body["properties"]["vaultUri"], "https://kv-new.vault.azure.net/");
    }
}

#[tokio::test]
async fn the_default_model_depends_on_the_api_version_and_policies_are_required() {
    let lab = Lab::new(Lateness::None).await;
    let tenant = &lab.sandbox.access().tenant;
    let put = async |name: &str, version: &str, extra: Value| {
        let mut properties = json!({"tenantId": tenant, "sku": {"family": "A", "name": "standard"}});
        properties.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let path = format!("{}?api-version={version}", lab.vault_path(name));
        lab.arm("PUT", &path, Some(json!({"location": "westeurope", "properties": properties}))).await
    };
    assert_eq!(put("kv-a", "2026-02-01", json!({})).await.body["properties"]["enableRbacAuthorization"], true);
    assert_eq!(put("kv-b", "2023-07-01", json!({})).await.status, 400);
    assert_eq!(put("kv-b", "2026-02-01", json!({"enableRbacAuthorization": false})).await.code(), "BadRequest");
    let old = put("kv-b", "2023-07-01", json!({"accessPolicies": []})).await;
    assert_eq!((old.status, &old.body["properties"]["provisioningState"]), (200, &json!("Succeeded")));
    assert!(old.body["properties"].get("enableRbacAuthorization").is_none());
    assert!(old.header("azure-deprecating").contains("2026-02-01"));
    assert_eq!(put("kv--c", "2026-02-01", json!({})).await.code(), "VaultNameNotValid");
    assert_eq!(put("kv-a", "2026-02-01", json!({"enablePurgeProtection": false})).await.status, 400);
}

#[tokio::test]
async fn a_vault_name_is_globally_unique_even_when_deleted() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-one", true).await;
    let elsewhere = format!("{}/resourceGroups/other", lab.subscription());
    lab.arm("PUT", &elsewhere, Some(json!({"location": "westeurope"}))).await;
    let body = json!({"location": "westeurope", "properties": {"tenantId": lab.sandbox.access().tenant, "sku": {"family": "A", "name": "standard"}}});
    let path = format!("{elsewhere}/providers/Microsoft.KeyVault/vaults/KV-One");
    let taken = lab.arm("PUT", &path, Some(body.clone())).await;
    assert_eq!((taken.status, taken.code()), (409, "VaultAlreadyExists"));
    let check = format!("{}/providers/Microsoft.KeyVault/checkNameAvailability", lab.subscription());
    let ask = json!({"name": "kv-one", "type": "Microsoft.KeyVault/vaults"});
    assert_eq!(lab.arm("POST", &check, Some(ask.clone())).await.body["reason"], "AlreadyExists");
    assert_eq!(lab.arm("DELETE", &lab.vault_path("kv-one"), None).await.status, 200);
    assert_eq!(lab.arm("DELETE", &lab.vault_path("kv-one"), None).await.status, 204);
    assert_eq!(lab.arm("PUT", &path, Some(body)).await.code(), "VaultAlreadyExists");
    let deleted = format!("{}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kv-one", lab.subscription());
    let seen = lab.arm("GET", &deleted, None).await;
    assert_eq!(seen.body["properties"]["vaultId"], lab.vault_path("kv-one"));
    assert!(!seen.body["properties"]["deletionDate"].as_str().unwrap().contains('.'));
    let purge = lab.arm("POST", &format!("{deleted}/purge"), None).await;
    assert_eq!(purge.status, 202);
    let poll = purge.header("location").strip_prefix("https://management.azure.com").unwrap().to_owned();
    assert_eq!(lab.arm("GET", &poll, None).await.body["status"], "Succeeded");
    assert_eq!(lab.arm("GET", &deleted, None).await.code(), "DeletedVaultNotFound");
    assert_eq!(lab.arm("POST", &check, Some(ask)).await.body, json!({"nameAvailable": true}));
}

#[tokio::test]
async fn a_recovered_vault_has_its_policies_again_but_not_its_role_assignments() {
    let lab = Lab::new(Lateness::None).await;
    let caller = lab.caller().await;
    lab.new_vault("kv-back", false).await;
    let path = lab.vault_path("kv-back");
    lab.arm("PUT", &format!("{path}/accessPolicies/add"), Some(entry(&lab, &caller, &json!(["get"])))).await;
    lab.assign(&path, super::READER, &caller).await;
    let recover = json!({"location": "westeurope", "properties": {"createMode": "recover", "tenantId": lab.sandbox.access().tenant, "sku": {"family": "A", "name": "standard"}}});
    assert_eq!(lab.arm("PUT", &lab.vault_path("kv-none"), Some(recover.clone())).await.code(), "SoftDeletedVaultDoesNotExist");
    lab.arm("DELETE", &path, None).await;
    let back = lab.arm("PUT", &path, Some(recover)).await;
    assert_eq!(back.status, 200);
    assert_eq!(back.body["properties"]["accessPolicies"][0]["objectId"], caller);
    let list = format!("{path}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()");
    assert_eq!(lab.arm("GET", &list, None).await.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn policy_updates_merge_set_or_remove() {
    let lab = Lab::new(Lateness::None).await;
    let caller = lab.caller().await;
    lab.new_vault("kv-policies", false).await;
    let path = lab.vault_path("kv-policies");
    let write = async |verb: &str, secrets: Value| {
        lab.arm("PUT", &format!("{path}/accessPolicies/{verb}"), Some(entry(&lab, &caller, &secrets))).await
    };
    let existing = async || lab.arm("GET", &path, None).await.body["properties"]["accessPolicies"].clone();
    let added = write("add", json!(["Get"])).await;
    assert_eq!((added.status, added.keys()), (200, vec!["id", "type", "properties"]));
    assert!(added.body["id"].as_str().unwrap().ends_with("/accessPolicies/"));
    write("add", json!(["get", "list"])).await;
    assert_eq!(existing().await[0]["permissions"]["secrets"], json!(["Get", "list"]));
    write("replace", json!(["Set", "list", "Get"])).await;
    assert_eq!(existing().await[0]["permissions"]["secrets"], json!(["Set", "list", "Get"]));
    // only named permissions with the same spelling are removed; the answer is 200 in any case
    for nothing in [json!([]), json!(["set", "List", "purge"])] {
        assert_eq!(write("remove", nothing).await.status, 200);
        assert_eq!(existing().await[0]["permissions"]["secrets"], json!(["Set", "list", "Get"]));
    }
    write("remove", json!(["list"])).await;
    assert_eq!(existing().await[0]["permissions"]["secrets"], json!(["Set", "Get"]));
    write("remove", json!(["Get", "Set"])).await;
    assert_eq!(existing().await, json!([]), "a policy without permissions is removed");
    assert_eq!(write("remove", json!(["Get"])).await.status, 200);
    assert_eq!(write("drop", json!([])).await.status, 400);
}

#[tokio::test]
async fn tags_are_patched_and_lists_find_the_vault() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-tags", true).await;
    let patched = lab.arm("PATCH", &lab.vault_path("kv-tags"), Some(json!({"tags": {"a": "b"}}))).await;
    assert_eq!((&patched.body["tags"], &patched.body["properties"]["enableRbacAuthorization"]), (&json!({"a": "b"}), &json!(true)));
    let filter = "$filter=resourceType%20eq%20'Microsoft.KeyVault/vaults'%20and%20name%20eq%20'KV-Tags'";
    let found = lab.arm("GET", &format!("{}/resources?{filter}", lab.subscription()), None).await;
    assert_eq!(found.body["value"][0]["id"], lab.vault_path("kv-tags"));
    for list in [lab.subscription(), lab.group()] {
        let all = lab.arm("GET", &format!("{list}/providers/Microsoft.KeyVault/vaults"), None).await;
        assert_eq!(all.body["value"].as_array().unwrap().len(), 1);
    }
}
