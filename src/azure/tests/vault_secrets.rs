//! Secrets: values, versions, and waits.

use super::fake::{Fake, Reply, error, listener, pass, reply};
use crate::azure::{Error, NewSecret, Tags};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::time::Duration;

const VAULT: &str = "https://v.vault.azure.net/";
const HOST: &str = "v.vault.azure.net";
const CANARY: &str = "canary-\"value\"\n-of-a-secret";
const RBAC: &str = "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=a;oid=o-1;iss=https://sts.windows.net/t/\r\nAction: 'Microsoft.KeyVault/vaults/secrets/setSecret/action'\r\nResource: '/subscriptions/s/resourcegroups/rg/providers/microsoft.keyvault/vaults/v/secrets/s'\r\nAssignment: (not found)\r\nDecisionReason: null \r\nVault: v;location=eastus2\r\n";

fn secret(name: &str, version: &str) -> Value {
    json!({ "value": CANARY, "id": format!("{VAULT}secrets/{name}/{version}"), "attributes": { "enabled": true, "created": 5, "updated": 6 }, "tags": { "a": "b" } })
}

fn refused(status: u16, code: &str, inner: &str, message: &str) -> Reply {
    reply(status, json!({ "error": { "code": code, "message": message, "innererror": { "code": inner } } }))
}

#[tokio::test]
async fn a_value_is_read_without_a_second_request_and_never_shown() {
    let fake = Fake::new(|seen, _| if seen.host == HOST { reply(200, secret("s", "v1")) } else { pass() }).await;
    let read = fake.azure().read();
    let (one, two) = tokio::join!(read.secret(VAULT, "s"), read.secret(VAULT, "other"));
    let found = one.unwrap().unwrap();
    assert!(two.is_ok());
    assert_eq!(found.value.expose_secret(), CANARY);
    assert_eq!((found.info.name.as_str(), found.info.version.as_deref(), found.info.created), ("s", Some("v1"), Some(5)));
    assert!(!format!("{found:?}").contains("canary"));
    let asked = fake.on(HOST);
    assert_eq!(asked.len(), 2, "no challenge is asked for: {asked:?}");
    assert!(asked.iter().all(|one| one.authorized));
    let scopes: Vec<_> = fake.on("login.microsoftonline.com").into_iter().map(|one| one.body).collect();
    assert!(scopes.len() == 1 && scopes[0].contains("scope=https%3A%2F%2Fvault.azure.net%2F.default"), "one token, for the vaults");
}

#[tokio::test]
async fn an_unreadable_answer_shows_no_value() {
    for body in [
        json!({ "value": CANARY, "id": 5 }),
        json!({ "value": { "deep": CANARY }, "id": "x" }),
        json!({ "value": CANARY, "id": "x", "tags": CANARY }),
    ] {
        let fake = Fake::new(move |seen, _| if seen.host == HOST { reply(200, body.clone()) } else { pass() }).await;
        let error = fake.azure().read().secret(VAULT, "s").await.unwrap_err();
        assert!(matches!(error, Error::Protocol(_)) && !format!("{error:?} {error}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_none() {
    let fake = Fake::new(
        |seen, _| if seen.host == HOST { error(404, "SecretNotFound", "A secret with (name/id) s was not found.") } else { pass() },
    )
    .await;
    let read = fake.azure().read();
    assert!(read.secret(VAULT, "s").await.unwrap().is_none());
    assert_eq!(read.deleted_secret(VAULT, "s").await.unwrap(), None);
    assert_eq!(read.secret_version(VAULT, "s").await.unwrap(), None);
}

#[tokio::test]
async fn podid_waits_for_a_grant_only_after_one_was_made() {
    let fake = Fake::new(|seen, nth| match (seen.host.as_str(), nth) {
        (HOST, 0..3) => refused(403, "Forbidden", "ForbiddenByRbac", RBAC),
        (HOST, _) => reply(200, secret("s", "v1")),
        _ => pass(),
    })
    .await;
    let (on_wait, said) = listener();
    let write = fake.azure().write(on_wait);
    let new = NewSecret { value: SecretString::from(CANARY), ..NewSecret::default() };
    let refused = write.set_secret(VAULT, "s", &new, false).await.unwrap_err();
    let Error::Forbidden { code, action, scope, caller, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((code.as_str(), action.as_deref()), ("ForbiddenByRbac", Some("Microsoft.KeyVault/vaults/secrets/setSecret/action")));
    assert_eq!(scope.as_deref(), Some("/subscriptions/s/resourcegroups/rg/providers/microsoft.keyvault/vaults/v/secrets/s"));
    assert_eq!(caller.as_deref(), Some("o-1"));
    assert!(said.lock().unwrap().is_empty());
    let new = NewSecret { tags: Tags::from([("managed-by".into(), "podid".into())]), ..new };
    let set = write.set_secret(VAULT, "s", &new, true).await.unwrap();
    assert_eq!(set.version.as_deref(), Some("v1"));
    assert_eq!(*said.lock().unwrap(), ["waiting for the new permission to reach the vault v"]);
    let body: Value = serde_json::from_str(&fake.on(HOST)[3].body).unwrap();
    assert_eq!(body, json!({ "value": CANARY, "tags": { "managed-by": "podid" } }));
}

#[tokio::test]
async fn a_firewall_is_not_waited_for() {
    let fake = Fake::new(|seen, _| {
        if seen.host == HOST { refused(403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized.") } else { pass() }
    })
    .await;
    let error = fake.azure().write(listener().0).secret(VAULT, "s", true).await.unwrap_err();
    assert!(matches!(&error, Error::Forbidden { code, action: None, .. } if code == "ForbiddenByFirewall"), "{error:?}");
}

#[tokio::test]
async fn a_vault_that_cannot_be_reached_yet_is_waited_for() {
    let fake = Fake::new(|seen, _| if seen.host == HOST { reply(200, secret("s", "v1")) } else { pass() }).await;
    fake.refuse_connect(HOST, 3);
    let (on_wait, said) = listener();
    let write = fake.azure().write(on_wait);
    assert!(matches!(write.secret(VAULT, "s", false).await, Err(Error::Unreachable { .. })));
    assert!(write.secret(VAULT, "s", true).await.unwrap().is_some());
    assert_eq!(*said.lock().unwrap(), ["waiting for the vault v to be reachable"]);
}

#[tokio::test]
async fn a_secret_that_is_being_deleted_is_waited_for_a_deleted_one_is_a_conflict() {
    let fake = Fake::new(|seen, nth| match (seen.host.as_str(), nth) {
        (HOST, 0 | 1) => {
            refused(409, "Conflict", "ObjectIsBeingDeleted", "Secret s is currently being deleted and cannot be re-created; retry later.")
        }
        (HOST, _) => refused(409, "Conflict", "ObjectIsDeletedButRecoverable", "Secret s is currently in a deleted but recoverable state."),
        _ => pass(),
    })
    .await;
    let error = fake.azure().write(listener().0).set_secret(VAULT, "s", &NewSecret::default(), false).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict { code, .. } if code == "ObjectIsDeletedButRecoverable"), "{error:?}");
    assert_eq!(fake.on(HOST).len(), 3);
}

#[tokio::test]
async fn the_newest_enabled_version_is_the_current_one() {
    let one = |version: &str, created: i64, enabled: bool| json!({ "id": format!("{VAULT}secrets/s/{version}"), "attributes": { "enabled": enabled, "created": created, "updated": created } });
    let first = json!({ "value": [one("old", 1, true)], "nextLink": format!("https://{HOST}:443/secrets/s/versions?api-version=7.4&$skiptoken=x") });
    let second = json!({ "value": [one("off", 3, false), one("new", 2, true)], "nextLink": null });
    let fake = Fake::new(move |seen, _| match seen.host.as_str() {
        HOST if seen.path.contains("skiptoken") => reply(200, second.clone()),
        HOST => reply(200, first.clone()),
        _ => pass(),
    })
    .await;
    let current = fake.azure().read().secret_version(VAULT, "s").await.unwrap().unwrap();
    assert_eq!(current.version.as_deref(), Some("new"));
}

#[tokio::test]
async fn the_vault_decides_between_two_versions_with_the_same_second() {
    let one = |version: &str| json!({ "id": format!("{VAULT}secrets/s/{version}"), "attributes": { "enabled": true, "created": 7, "updated": 7 } });
    let both = json!({ "value": [one("a"), one("b")] });
    let fake = Fake::new(move |seen, _| match seen.host.as_str() {
        HOST if seen.path.contains("/versions") => reply(200, both.clone()),
        HOST => reply(200, secret("s", "a")),
        _ => pass(),
    })
    .await;
    assert_eq!(fake.azure().read().secret_version(VAULT, "s").await.unwrap().unwrap().version.as_deref(), Some("a"));
}

#[tokio::test]
async fn a_secret_that_was_recovered_before_is_recovered() {
    let fake = Fake::new(|seen, _| match (seen.host.as_str(), seen.method.as_str(), seen.path.contains("/there")) {
        (HOST, "POST", _) => error(404, "SecretNotFound", "Deleted Secret not found"),
        (HOST, "GET", true) => reply(200, secret("there", "v1")),
        (HOST, ..) => error(404, "SecretNotFound", "no such secret"),
        _ => pass(),
    })
    .await;
    let write = fake.azure().write(listener().0);
    write.recover_secret(VAULT, "there", false).await.unwrap();
    assert!(
        matches!(write.recover_secret(VAULT, "nowhere", false).await, Err(Error::NotFound { message, .. }) if message == "Deleted Secret not found")
    );
}

#[tokio::test]
async fn a_list_of_secrets_is_not_followed_to_another_vault() {
    let fake = Fake::new(|seen, _| {
        if seen.host == HOST { reply(200, json!({ "value": [], "nextLink": "https://other.vault.azure.net/secrets?x=1" })) } else { pass() }
    })
    .await;
    assert!(matches!(fake.azure().read().secrets(VAULT).await, Err(Error::Protocol(_))));
    assert!(fake.on("other.vault.azure.net").is_empty());
}

#[tokio::test]
async fn a_recovery_ends_when_the_secret_answers_again() {
    let fake = Fake::new(|seen, nth| match (seen.host.as_str(), seen.method.as_str(), nth) {
        (HOST, "POST", _) => reply(200, json!({ "id": format!("{VAULT}secrets/s/v1"), "attributes": { "enabled": true } })),
        (HOST, "GET", 0) => error(404, "SecretNotFound", "not yet"),
        (HOST, "GET", _) => reply(200, secret("s", "v1")),
        _ => pass(),
    })
    .await;
    let started = std::time::Instant::now();
    fake.azure().write(listener().0).recover_secret(VAULT, "s", false).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(fake.on(HOST)[0].path.starts_with("/deletedsecrets/s/recover?"));
}

#[tokio::test]
async fn a_deleted_secret_and_its_tags_are_read_and_written() {
    let fake = Fake::new(|seen, _| match (seen.host.as_str(), seen.method.as_str()) {
        (HOST, "GET") => reply(200, json!({ "recoveryId": "x", "deletedDate": 1, "scheduledPurgeDate": 99, "id": format!("{VAULT}secrets/s/v1"), "attributes": {} })),
        (HOST, "PATCH") => reply(200, json!({ "id": format!("{VAULT}secrets/s/v1"), "attributes": { "enabled": true }, "tags": { "a": "b" } })),
        (HOST, "DELETE") => error(404, "SecretNotFound", "gone"),
        _ => pass(),
    })
    .await;
    let azure = fake.azure();
    assert_eq!(azure.read().deleted_secret(VAULT, "s").await.unwrap().unwrap().scheduled_purge_date, Some(99));
    let write = azure.write(listener().0);
    assert_eq!(write.tag_secret(VAULT, "s", &Tags::from([("a".into(), "b".into())])).await.unwrap().tags["a"], "b");
    write.delete_secret(VAULT, "s").await.unwrap();
}
