//! Writes and their waits.

use super::fake::{Fake, SUB, empty, error, listener, pass, reply};
use crate::azure::{ArmId, Error, NewVault, PolicyEntry, PrincipalKind, Tags, id};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ARM: &str = "management.azure.com";
const NOT_FOUND: &str =
    "Principal 90cc53e84a6e45b68339516448218ee0 does not exist in the directory \"t\".\r\nSee https://aka.ms/docs-principaltype";

fn sent(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn an_identity_is_put_with_its_tags() {
    let body = json!({ "id": format!("/subscriptions/{SUB}/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"), "name": "i", "location": "westeurope",
        "tags": { "managed-by": "podid" }, "properties": { "tenantId": "t", "principalId": "p", "clientId": "c" } });
    let fake = Fake::new(move |seen, _| match seen.method.as_str() {
        "PUT" => reply(201, body.clone()),
        "DELETE" => empty(204),
        _ => pass(),
    })
    .await;
    let write = fake.azure().write(listener().0);
    let id = ArmId::resource(SUB, "g", id::IDENTITY, "i");
    let made = write.put_identity(&id, "westeurope", &Tags::from([("managed-by".into(), "podid".into())])).await.unwrap();
    assert_eq!((made.principal_id.as_str(), made.id.as_str()), ("p", id.as_str().replace("resourceGroups", "resourcegroups").as_str()));
    assert_eq!(sent(&fake.on(ARM)[0].body), json!({ "tags": { "managed-by": "podid" }, "location": "westeurope" }));
    write.delete_identity(&id).await.unwrap();
}

#[tokio::test]
async fn a_principal_that_is_not_known_yet_is_waited_for() {
    let scope = ArmId::group(SUB, "g");
    let made = json!({ "properties": { "roleDefinitionId": "/r", "principalId": "p", "principalType": "ServicePrincipal", "scope": scope, "createdBy": null }, "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/n"), "name": "n" });
    let fake = Fake::new(move |seen, nth| match (seen.host.as_str(), nth) {
        (ARM, 0 | 1) => error(400, "PrincipalNotFound", NOT_FOUND),
        (ARM, _) => reply(201, made.clone()),
        _ => pass(),
    })
    .await;
    let (on_wait, said) = listener();
    let started = Instant::now();
    let made =
        fake.azure().write(on_wait).put_role_assignment(&scope, "n", "/r", "p", PrincipalKind::ServicePrincipal, "podid").await.unwrap();
    assert_eq!(made.name, "n");
    assert!(started.elapsed() < Duration::from_secs(2), "the pauses start short");
    assert_eq!(*said.lock().unwrap(), ["waiting for Entra to replicate the new identity"]);
    let asked = fake.on(ARM);
    assert_eq!(asked.len(), 3);
    assert_eq!(sent(&asked[0].body)["properties"]["principalType"], "ServicePrincipal");
}

#[tokio::test]
async fn a_principal_that_never_comes_is_not_yet() {
    let fake = Fake::new(|seen, _| if seen.host == ARM { error(400, "PrincipalNotFound", NOT_FOUND) } else { pass() }).await;
    let azure = fake.azure_with(|settings| settings.timeout = Some(Duration::from_secs(1)), &[]);
    let error = azure
        .write(listener().0)
        .put_role_assignment(&ArmId::group(SUB, "g"), "n", "/r", "p", PrincipalKind::ServicePrincipal, "")
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::NotYet { what, .. } if what == "the principal p"), "{error:?}");
}

#[tokio::test]
async fn an_assignment_under_another_name_is_a_conflict() {
    let fake = Fake::new(
        |seen, _| if seen.host == ARM { error(409, "RoleAssignmentExists", "The role assignment already exists.") } else { pass() },
    )
    .await;
    let write = fake.azure().write(listener().0);
    let error = write.put_role_assignment(&ArmId::group(SUB, "g"), "n", "/r", "p", PrincipalKind::User, "").await.unwrap_err();
    assert!(matches!(&error, Error::Conflict { code, .. } if code == "RoleAssignmentExists"), "{error:?}");
    assert_eq!(fake.on(ARM).len(), 1);
}

#[tokio::test]
async fn deleting_an_absent_assignment_is_a_success() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("DELETE", 0) => reply(200, json!({ "id": "x" })),
        ("DELETE", 1) => empty(204),
        ("DELETE", _) => error(404, "RoleAssignmentNotFound", "not found"),
        _ => pass(),
    })
    .await;
    let write = fake.azure().write(listener().0);
    let id = format!("/subscriptions/{SUB}/resourceGroups/g/providers/Microsoft.Authorization/roleAssignments/n");
    for _ in 0..3 {
        write.delete_role_assignment(&id).await.unwrap();
    }
    assert!(fake.on(ARM)[0].path.starts_with(&format!("{id}?api-version=")), "{:?}", fake.on(ARM));
}

fn vault(state: &str) -> Value {
    json!({ "id": format!("/subscriptions/{SUB}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"), "location": "westeurope",
        "properties": { "tenantId": "t", "vaultUri": "https://v.vault.azure.net", "provisioningState": state, "enableRbacAuthorization": false } })
}

fn new_vault(rbac: bool, recover: bool) -> NewVault {
    NewVault {
        id: ArmId::resource(SUB, "g", id::VAULT, "v"),
        location: "westeurope".into(),
        tenant_id: "t".into(),
        rbac,
        recover,
        tags: Tags::new(),
        sku: None,
        retention_days: None,
        purge_protection: false,
    }
}

#[tokio::test]
async fn a_vault_is_ready_when_its_name_is_in_the_dns() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("PUT", _) => reply(200, vault("RegisteringDns")),
        ("GET", 0) => reply(200, vault("RegisteringDns")),
        ("GET", _) => reply(200, vault("Succeeded")),
        _ => pass(),
    })
    .await;
    let (on_wait, said) = listener();
    let made = fake.azure().write(on_wait).put_vault(&new_vault(false, false)).await.unwrap();
    assert_eq!((made.provisioning.as_deref(), made.uri.as_str()), (Some("Succeeded"), "https://v.vault.azure.net/"));
    let asked = fake.on(ARM);
    assert_eq!(asked.iter().map(|one| one.method.as_str()).collect::<Vec<_>>(), ["PUT", "GET", "GET"]);
    let properties = &sent(&asked[0].body)["properties"];
    assert_eq!((&properties["accessPolicies"], &properties["enableRbacAuthorization"]), (&json!([]), &json!(false)));
    assert!(properties.get("enablePurgeProtection").is_none(), "Azure rejects false");
    assert!(asked[0].path.ends_with("api-version=2026-02-01"));
    assert_eq!(*said.lock().unwrap(), ["waiting for DNS to publish the name of the vault v"]);
}

#[tokio::test]
async fn a_recovered_vault_keeps_its_policies() {
    let fake = Fake::new(|seen, _| if seen.method == "PUT" { reply(200, vault("Succeeded")) } else { pass() }).await;
    fake.azure().write(listener().0).put_vault(&new_vault(true, true)).await.unwrap();
    let properties = &sent(&fake.on(ARM)[0].body)["properties"];
    assert_eq!((&properties["createMode"], &properties["enableRbacAuthorization"]), (&json!("recover"), &json!(true)));
    assert!(properties.get("accessPolicies").is_none());
}

#[tokio::test]
async fn a_new_vault_gets_what_can_only_be_set_on_creation() {
    let fake = Fake::new(|seen, _| if seen.method == "PUT" { reply(200, vault("Succeeded")) } else { pass() }).await;
    let new = NewVault { sku: Some("premium".into()), retention_days: Some(7), purge_protection: true, ..new_vault(true, false) };
    fake.azure().write(listener().0).put_vault(&new).await.unwrap();
    let properties = &sent(&fake.on(ARM)[0].body)["properties"];
    assert_eq!(properties["sku"], json!({ "family": "A", "name": "premium" }));
    assert_eq!((&properties["softDeleteRetentionInDays"], &properties["enablePurgeProtection"]), (&json!(7), &json!(true)));
}

#[tokio::test]
async fn a_taken_name_is_a_conflict_at_once() {
    let fake =
        Fake::new(
            |seen, _| if seen.method == "PUT" { error(409, "VaultAlreadyExists", "The vault name 'v' is already in use.") } else { pass() },
        )
        .await;
    let error = fake.azure().write(listener().0).put_vault(&new_vault(true, false)).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict { code, .. } if code == "VaultAlreadyExists"), "{error:?}");
    assert_eq!(fake.on(ARM).len(), 1);
}

#[tokio::test]
async fn a_name_that_a_deleted_vault_holds_is_not_waited_for() {
    let fake = Fake::new(|seen, _| match seen.method.as_str() {
        "PUT" => error(409, "ConflictError", "A vault with the same name already exists in deleted state."),
        "GET" => reply(200, json!({ "properties": { "vaultId": vault("x")["id"], "location": "westeurope", "tags": { "a": "b" }, "deletionDate": "2026-01-01T00:00:00Z" } })),
        _ => pass(),
    })
    .await;
    let azure = fake.azure();
    let error = azure.write(listener().0).put_vault(&new_vault(true, false)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { code, message } if code == "VaultAlreadyExists" && message.contains("deleted state")),
        "{error:?}"
    );
    let deleted = azure.read().deleted_vault(SUB, "westeurope", "v").await.unwrap().unwrap();
    assert_eq!((deleted.tags["a"].as_str(), deleted.vault_id.name()), ("b", "v"));
}

#[tokio::test]
async fn podid_waits_for_a_vault_that_another_user_created() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", 0) => error(404, "ResourceNotFound", "not visible yet"),
        ("GET", 1) => reply(200, vault("RegisteringDns")),
        ("GET", _) => reply(200, vault("Succeeded")),
        _ => pass(),
    })
    .await;
    let found = fake.azure().write(listener().0).await_vault(&ArmId::resource(SUB, "g", id::VAULT, "v")).await.unwrap();
    assert_eq!((found.provisioning.as_deref(), fake.on(ARM).len()), (Some("Succeeded"), 3));
}

#[tokio::test]
async fn a_policy_is_added_at_the_supported_api_version_and_after_concurrent_changes() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("PUT", 0) => error(409, "ConflictError", "The Key Vault 'v' changed from the point the operation began."),
        ("PUT", _) => reply(200, json!({ "properties": { "accessPolicies": [] } })),
        _ => pass(),
    })
    .await;
    let (on_wait, said) = listener();
    let write = fake.azure().write(on_wait);
    let entry = PolicyEntry {
        tenant_id: "t".into(),
        object_id: "o".into(),
        application_id: None,
        keys: vec![],
        secrets: vec!["get".into()],
        certificates: vec![],
        storage: vec![],
    };
    write.add_policy(&ArmId::resource(SUB, "g", id::VAULT, "v"), &entry).await.unwrap();
    let asked = fake.on(ARM);
    assert_eq!(asked.len(), 2);
    assert!(asked[0].path.ends_with("/vaults/v/accessPolicies/add?api-version=2026-02-01"), "{}", asked[0].path);
    assert_eq!(
        sent(&asked[0].body)["properties"]["accessPolicies"],
        json!([{ "tenantId": "t", "objectId": "o", "permissions": { "secrets": ["get"] } }])
    );
    assert_eq!(said.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn tags_of_a_vault_are_all_that_a_patch_sends() {
    let fake = Fake::new(|seen, _| if seen.method == "PATCH" { reply(200, vault("Succeeded")) } else { pass() }).await;
    let write = fake.azure().write(listener().0);
    write.tag_vault(&ArmId::resource(SUB, "g", id::VAULT, "v"), &Tags::from([("a".into(), "b".into())])).await.unwrap();
    assert_eq!(sent(&fake.on(ARM)[0].body), json!({ "tags": { "a": "b" } }));
}
