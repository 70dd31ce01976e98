//! The data plane: permissions, versions, attributes and soft delete.

use super::{Lab, Lateness, SECRETS_OFFICER, SECRETS_USER};
use serde_json::json;

/// Creates a vault with Azure RBAC whose caller is Secrets Officer.
async fn officer(lateness: Lateness, name: &str) -> Lab {
    let lab = Lab::new(lateness).await;
    lab.new_vault(name, true).await;
    let caller = lab.caller().await;
    assert_eq!(lab.assign(&lab.vault_path(name), SECRETS_OFFICER, &caller).await.status, 201);
    lab
}

#[tokio::test]
async fn the_owner_of_a_vault_may_not_read_it_and_the_error_names_the_model() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-roles", true).await;
    lab.new_vault("kv-rules", false).await;
    let caller = lab.caller().await;
    let by_role = lab.vault("kv-roles", "PUT", "/secrets/s", Some(json!({"value": "v"}))).await;
    assert_eq!((by_role.status, by_role.code(), by_role.inner()), (403, "Forbidden", "ForbiddenByRbac"));
    let text = by_role.message();
    assert!(
        text.contains("Action: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'\r\n") && text.contains(&format!("oid={caller};")),
        "{text}"
    );
    assert!(text.contains(&format!("Resource: '{}/secrets/s'\r\n", lab.vault_path("kv-roles").to_lowercase())), "{text}");
    let by_policy = lab.vault("kv-rules", "GET", "/secrets/s/", None).await;
    assert_eq!((by_policy.status, by_policy.inner()), (403, "ForbiddenByPolicy"));
    assert!(
        by_policy.message().contains("does not have secrets get permission on key vault 'kv-rules;location=westeurope'"),
        "{}",
        by_policy.message()
    );
}

#[tokio::test]
async fn a_new_grant_is_refused_twice_for_each_model() {
    let lab = officer(Lateness::Quick, "kv-late").await;
    for status in [403, 403, 200, 200] {
        assert_eq!(lab.vault("kv-late", "PUT", "/secrets/s", Some(json!({"value": "v"}))).await.status, status);
    }
    lab.new_vault("kv-late2", false).await;
    let caller = lab.caller().await;
    let policy = json!({"properties": {"accessPolicies": [{"tenantId": lab.sandbox.access().tenant, "objectId": caller, "permissions": {"secrets": ["set"]}}]}});
    let add = format!("{}/accessPolicies/add", lab.vault_path("kv-late2"));
    lab.arm("PUT", &add, Some(policy.clone())).await;
    for status in [403, 403, 200] {
        assert_eq!(lab.vault("kv-late2", "PUT", "/secrets/s", Some(json!({"value": "v"}))).await.status, status);
    }
    // a permission that is removed and granted again is delayed again
    lab.arm("PUT", &add.replace("add", "remove"), Some(policy.clone())).await;
    lab.arm("PUT", &add, Some(policy)).await;
    assert_eq!(lab.vault("kv-late2", "PUT", "/secrets/s", Some(json!({"value": "v"}))).await.status, 403);
}

#[tokio::test]
async fn a_policy_counts_in_the_vaults_tenant_for_its_principal_and_a_groups_members_but_through_no_application() {
    const OTHER: &str = "00000000-0000-4000-8000-00000000c0de";
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-counts", false).await;
    let (caller, tenant) = (lab.caller().await, lab.sandbox.access().tenant.clone());
    let token = lab.token("https://graph.microsoft.com/.default").await;
    let graph = "https://graph.microsoft.com/v1.0";
    let group = json!({"displayName": "team", "mailNickname": "team"});
    let group = lab.send("POST", &format!("{graph}/groups"), Some(&token), Some(&group)).await.body["id"].clone();
    let member = json!({"@odata.id": format!("{graph}/directoryObjects/{caller}")});
    lab.send("POST", &format!("{graph}/groups/{}/members/$ref", group.as_str().unwrap()), Some(&token), Some(&member)).await;
    for (policy, status) in [
        (json!({"tenantId": tenant, "objectId": caller}), 404),
        (json!({"tenantId": tenant, "objectId": group}), 404),
        (json!({"tenantId": OTHER, "objectId": caller}), 403),
        (json!({"tenantId": tenant, "objectId": caller, "applicationId": OTHER}), 403),
    ] {
        let mut entry = policy.clone();
        entry["permissions"] = json!({"secrets": ["get"]});
        let all = json!({"properties": {"accessPolicies": [entry]}});
        lab.arm("PUT", &format!("{}/accessPolicies/add", lab.vault_path("kv-counts")), Some(all.clone())).await;
        assert_eq!(lab.vault("kv-counts", "GET", "/secrets/absent/", None).await.status, status, "{policy}");
        lab.arm("PUT", &format!("{}/accessPolicies/remove", lab.vault_path("kv-counts")), Some(all)).await;
    }
}

#[tokio::test]
async fn a_put_creates_a_version_and_a_get_reads_the_current_one() {
    let lab = officer(Lateness::None, "kv-versions").await;
    let first = lab.vault("kv-versions", "PUT", "/secrets/name", Some(json!({"value": "one"}))).await;
    assert_eq!((first.status, first.keys()), (200, vec!["value", "id", "attributes"]));
    assert_eq!(first.header("x-ms-keyvault-rbac-assignment-id").len(), 32);
    let second =
        lab.vault("kv-versions", "PUT", "//secrets/name", Some(json!({"value": "two", "contentType": "t", "tags": {"a": "b"}}))).await;
    assert_eq!(second.keys(), ["value", "contentType", "id", "attributes", "tags"]);
    let attributes = &second.body["attributes"];
    assert!(attributes["created"].is_i64() && attributes["enabled"] == json!(true));
    assert_eq!((&attributes["recoveryLevel"], &attributes["recoverableDays"]), (&json!("Recoverable+Purgeable"), &json!(90)));
    let current = lab.vault("kv-versions", "GET", "/secrets/name/", None).await;
    assert_eq!((&current.body["value"], &current.body["id"]), (&json!("two"), &second.body["id"]));
    let version = first.body["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(version.len(), 32);
    assert_eq!(lab.vault("kv-versions", "GET", &format!("/secrets/name/{version}"), None).await.body["value"], "one");
    let all = lab.vault("kv-versions", "GET", "/secrets/name/versions", None).await;
    assert_eq!((all.body["value"].as_array().unwrap().len(), &all.body["nextLink"]), (2, &json!(null)));
    let list = lab.vault("kv-versions", "GET", "/secrets", None).await;
    assert_eq!(list.body["value"][0]["id"], "https://kv-versions.vault.azure.net/secrets/name");
    let absent = lab.vault("kv-versions", "GET", "/secrets/other", None).await;
    assert_eq!((absent.status, absent.code()), (404, "SecretNotFound"));
    assert_eq!(lab.vault("kv-versions", "PUT", "/secrets/a_b", Some(json!({"value": "x"}))).await.code(), "BadParameter");
}

#[tokio::test]
async fn attributes_and_tags_change_without_a_new_version() {
    let lab = officer(Lateness::None, "kv-patch").await;
    let made = lab.vault("kv-patch", "PUT", "/secrets/s", Some(json!({"value": "v", "tags": {"a": "b"}}))).await;
    let patched =
        lab.vault("kv-patch", "PATCH", "/secrets/s/", Some(json!({"tags": {"c": "d"}, "attributes": {"exp": 2_527_401_600_i64}}))).await;
    assert_eq!((&patched.body["id"], &patched.body["tags"]), (&made.body["id"], &json!({"c": "d"})));
    assert!(patched.body.get("value").is_none());
    lab.vault("kv-patch", "PATCH", "/secrets/s", Some(json!({"attributes": {"enabled": false}}))).await;
    let disabled = lab.vault("kv-patch", "GET", "/secrets/s", None).await;
    assert_eq!((disabled.status, disabled.inner()), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_deleted_secret_keeps_its_name_until_it_is_recovered_or_purged() {
    let lab = officer(Lateness::None, "kv-deleted").await;
    let put = async || lab.vault("kv-deleted", "PUT", "/secrets/s", Some(json!({"value": "v"}))).await;
    let made = put().await;
    let again = lab.vault("kv-deleted", "POST", "/deletedsecrets/s/recover", None).await;
    assert_eq!((again.status, again.inner()), (400, "RequestNotAllowedOnNonDeletedObject"));
    let deleted = lab.vault("kv-deleted", "DELETE", "/secrets/s", None).await;
    assert_eq!(deleted.keys(), ["recoveryId", "deletedDate", "scheduledPurgeDate", "id", "attributes"]);
    assert_eq!(lab.vault("kv-deleted", "GET", "/secrets/s", None).await.status, 404);
    let kept = put().await;
    assert_eq!((kept.status, kept.inner()), (409, "ObjectIsDeletedButRecoverable"));
    assert_eq!(lab.vault("kv-deleted", "GET", "/deletedsecrets", None).await.body["value"].as_array().unwrap().len(), 1);
    let back = lab.vault("kv-deleted", "POST", "/deletedsecrets/s/recover", None).await;
    assert_eq!((back.status, &back.body["id"]), (200, &made.body["id"]));
    assert_eq!(lab.vault("kv-deleted", "GET", "/secrets/s", None).await.body["value"], "v");
    lab.vault("kv-deleted", "DELETE", "/secrets/s", None).await;
    assert_eq!(lab.vault("kv-deleted", "DELETE", "/deletedsecrets/s", None).await.status, 204);
    assert_eq!(lab.vault("kv-deleted", "GET", "/deletedsecrets/s", None).await.message(), "Deleted Secret not found: s");
    assert_ne!(put().await.body["id"], made.body["id"]);
}

#[tokio::test]
async fn long_lists_are_paged() {
    let lab = officer(Lateness::None, "kv-pages").await;
    for n in 0..5 {
        lab.vault("kv-pages", "PUT", &format!("/secrets/s{n}"), Some(json!({"value": "v"}))).await;
    }
    let token = lab.token("https://vault.azure.net/.default").await;
    let mut url = "https://kv-pages.vault.azure.net/secrets?api-version=7.4&maxresults=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = lab.send("GET", &url, Some(&token), None).await;
        pages.push(page.body["value"].as_array().unwrap().len());
        match page.body["nextLink"].as_str() {
            Some(next) => {
                assert!(next.starts_with("https://kv-pages.vault.azure.net:443/secrets?"), "{next}");
                next.clone_into(&mut url);
            }
            None => break,
        }
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[tokio::test]
async fn secrets_user_reads_but_does_not_write() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-user", true).await;
    let caller = lab.caller().await;
    lab.assign(&lab.group(), SECRETS_USER, &caller).await;
    assert_eq!(lab.vault("kv-user", "GET", "/secrets/s", None).await.status, 404);
    assert_eq!(lab.vault("kv-user", "PUT", "/secrets/s", Some(json!({"value": "v"}))).await.inner(), "ForbiddenByRbac");
}

#[tokio::test]
async fn a_backup_restores_all_versions_of_a_secret_and_shows_no_value() {
    let lab = officer(Lateness::None, "kv-backup").await;
    let vault = |method: &'static str, path: &'static str, body| lab.vault("kv-backup", method, path, body);
    for value in ["first value", "second value"] {
        vault("PUT", "/secrets/s", Some(json!({"value": value}))).await;
    }
    let backup = vault("POST", "/secrets/s/backup", None).await;
    let blob = backup.body["value"].as_str().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, blob).unwrap();
    assert!(bytes.starts_with(b")AzureKeyVaultSecretBackupV1") && !bytes.windows(5).any(|part| part == b"value"));
    let restore = || vault("POST", "/secrets/restore", Some(json!({ "value": blob })));
    let existing = restore().await;
    assert_eq!((existing.status, existing.code()), (409, "Conflict"));
    vault("DELETE", "/secrets/s", None).await;
    assert_eq!(restore().await.inner(), "ObjectIsDeletedButRecoverable");
    assert_eq!(vault("DELETE", "/deletedsecrets/s", None).await.status, 204);
    assert_eq!(restore().await.status, 200);
    assert_eq!(vault("GET", "/secrets/s", None).await.body["value"], "second value");
    assert_eq!(vault("GET", "/secrets/s/versions", None).await.body["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_invalid_backup_is_refused() {
    let lab = officer(Lateness::None, "kv-backup").await;
    for value in ["", "KUF6dXJl", "no base64 !"] {
        let refused = lab.vault("kv-backup", "POST", "/secrets/restore", Some(json!({ "value": value }))).await;
        assert_eq!((refused.status, refused.code()), (400, "BadParameter"), "{value}");
    }
}

#[tokio::test]
async fn a_disabled_secret_is_not_shown_when_it_is_deleted_either() {
    let lab = officer(Lateness::None, "kv-off").await;
    lab.vault("kv-off", "PUT", "/secrets/s", Some(json!({"value": "v", "attributes": {"enabled": false}}))).await;
    lab.vault("kv-off", "DELETE", "/secrets/s", None).await;
    let refused = lab.vault("kv-off", "GET", "/deletedsecrets/s", None).await;
    assert_eq!((refused.status, refused.inner()), (403, "AccessDenied"));
}
