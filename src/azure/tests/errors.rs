//! Codes and messages of refusals, through each SDK.

use super::fake::{Fake, SUB, error, listener, pass, reply};
use crate::azure::{
    ArmId, Error, PolicyEntry, PrincipalKind, Tags,
    failures::{refusal, retry_after},
    id,
};
use ::http::HeaderMap;
use serde_json::json;
use std::time::Duration;

const ARM: &str = "management.azure.com";
const DENIED: &str = "The client 'x@y' with object id '674368bb' does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write' over scope '/subscriptions/s/resourceGroups/g' or the scope is invalid.\r\nIf \"access\" was recently granted, please refresh your credentials.";

#[tokio::test]
async fn an_escaped_body_keeps_code_message_action_and_scope_in_every_sdk() {
    let fake = Fake::new(|seen, _| if seen.host == ARM { error(403, "AuthorizationFailed", DENIED) } else { pass() }).await;
    let azure = fake.azure();
    let (read, write) = (azure.read(), azure.write(listener().0));
    let of = |kind: &str| ArmId::resource(SUB, "g", kind, "n");
    let group = ArmId::group(SUB, "g");
    let entry = PolicyEntry {
        tenant_id: "t".into(),
        object_id: "o".into(),
        application_id: None,
        keys: vec![],
        secrets: vec![],
        certificates: vec![],
        storage: vec![],
    };
    let answers = [
        read.group(&group).await.map(drop),
        read.identity(&of(id::IDENTITY)).await.map(drop),
        read.identities(&group).await.map(drop),
        read.role_assignments(&group).await.map(drop),
        read.role_definition(&group, "r").await.map(drop),
        read.vault(&of(id::VAULT)).await.map(drop),
        read.deleted_vault(SUB, "westeurope", "v").await.map(drop),
        read.cluster(&of(id::CLUSTER)).await.map(drop),
        write.put_identity(&of(id::IDENTITY), "l", &Tags::new()).await.map(drop),
        write.put_role_assignment(&group, "n", "/r", "p", PrincipalKind::User, "").await.map(drop),
        write.add_policy(&of(id::VAULT), &entry).await,
        write.delete_vault(&of(id::VAULT)).await,
    ];
    for (nth, answer) in answers.into_iter().enumerate() {
        let Err(Error::Forbidden { code, message, action, scope, caller }) = answer else { panic!("{nth}: {answer:?}") };
        assert_eq!((code.as_str(), message.as_str()), ("AuthorizationFailed", DENIED), "{nth}");
        assert_eq!(action.as_deref(), Some("Microsoft.Authorization/roleAssignments/write"));
        assert_eq!((scope.as_deref(), caller.as_deref()), (Some("/subscriptions/s/resourceGroups/g"), Some("674368bb")));
    }
}

#[tokio::test]
async fn the_error_for_a_response_without_json_has_its_host() {
    let fake = Fake::new(|seen, _| {
        let mut page = reply(200, json!(null));
        page.body = "<html>please log in to the hotel</html>".to_owned();
        if seen.host == ARM { page } else { pass() }
    })
    .await;
    let error = fake.azure().read().group(&ArmId::group(SUB, "g")).await.unwrap_err();
    assert!(matches!(&error, Error::Protocol(text) if text.contains(ARM) && !text.contains("hotel")), "{error:?}");
}

fn of(status: u16, body: serde_json::Value) -> Error {
    refusal(ARM, status, &HeaderMap::new(), body.to_string().as_bytes())
}

#[test]
fn every_form_of_retry_after_is_parsed() {
    let of = |name: &'static str, value: &str| retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]));
    assert_eq!(of("retry-after", "17"), Some(Duration::from_secs(17)));
    assert_eq!(of("x-ms-retry-after-ms", "250"), Some(Duration::from_millis(250)));
    assert_eq!(of("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(30);
    let date = soon.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let wait = of("retry-after", &date).unwrap();
    assert!(wait > Duration::from_secs(25) && wait <= Duration::from_secs(30), "{wait:?}");
    assert_eq!(of("retry-after", "soon"), None);
}

#[test]
fn every_shape_of_error_body_is_read() {
    let aks = of(
        404,
        json!({ "code": "NotFound", "details": [{ "code": "Unspecified", "message": "Managed Cluster not found" }], "message": "Could not find it.", "subcode": "x" }),
    );
    assert!(
        matches!(&aks, Error::NotFound { code, message } if code == "NotFound" && message == "Could not find it. Managed Cluster not found"),
        "{aks:?}"
    );
    let policy = "The user, group or application 'appid=a;oid=o-1;iss=i' does not have secrets get permission on key vault 'kv;location=westus'. For help see https://x";
    let policy = of(403, json!({ "error": { "code": "Forbidden", "message": policy, "innererror": { "code": "ForbiddenByPolicy" } } }));
    let Error::Forbidden { code, action, scope, caller, .. } = policy else { panic!() };
    assert_eq!(
        (code.as_str(), action.as_deref(), scope.as_deref(), caller.as_deref()),
        ("ForbiddenByPolicy", Some("secrets get"), Some("kv"), Some("o-1"))
    );
    let linked = "The client 'c' with object id 'o' has permission to perform action 'Microsoft.Compute/virtualMachineScaleSets/write' on scope '/s/vmss'; however, it does not have permission to perform action(s) 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '/s/id' (respectively) or the linked scope(s) are invalid.";
    let Error::Forbidden { action, scope, .. } = of(403, json!({ "error": { "code": "LinkedAuthorizationFailed", "message": linked } }))
    else {
        panic!()
    };
    assert_eq!(
        (action.as_deref(), scope.as_deref()),
        (Some("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"), Some("/s/id"))
    );
    let graph = of(
        403,
        json!({ "error": { "code": "Authorization_RequestDenied", "message": "Insufficient privileges.", "innerError": { "date": "2023-06-29T09:08:20" } } }),
    );
    assert!(matches!(&graph, Error::Forbidden { code, action: None, .. } if code == "Authorization_RequestDenied"));
    let expired = of(401, json!({ "error": { "code": "ExpiredAuthenticationToken", "message": "too late" } }));
    assert!(matches!(&expired, Error::LoginRefused { code, .. } if code == "ExpiredAuthenticationToken"));
    assert!(matches!(of(412, json!({ "code": "PreconditionFailed", "message": "m" })), Error::Conflict { .. }));
    assert!(matches!(of(500, json!({ "error": { "code": "InternalServerError", "message": "m" } })), Error::Failed { status: 500, .. }));
    let empty = refusal(ARM, 404, &HeaderMap::new(), b"");
    assert!(matches!(&empty, Error::NotFound { code, message } if code == "404" && message.contains(ARM)));
}
