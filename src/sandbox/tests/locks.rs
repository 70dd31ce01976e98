//! Locks, limits, and groups that are being deleted: they refuse valid requests.

use super::{Lab, Lateness};
use serde_json::json;

fn lock(scope: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/locks/keep")
}

#[tokio::test]
async fn a_locked_resource_and_its_group_cannot_be_deleted() {
    let lab = Lab::new(Lateness::None).await;
    let id = lab.identity("one").await["id"].as_str().unwrap().replace("resourcegroups", "resourceGroups");
    let wrong = lab.arm("PUT", &lock(&id), Some(json!({"properties": {"level": "Never"}}))).await;
    assert_eq!((wrong.status, wrong.code()), (400, "LockLevelInvalid"));
    let made = lab.arm("PUT", &lock(&id), Some(json!({"properties": {"level": "CanNotDelete"}}))).await;
    assert_eq!((made.status, &made.body["properties"]), (201, &json!({"level": "CanNotDelete"})));
    for scope in [&id, &lab.group()] {
        let refused = lab.arm("DELETE", scope, None).await;
        assert_eq!((refused.status, refused.code()), (409, "ScopeLocked"));
        let text = format!("The scope '{scope}' cannot perform delete operation because following scope(s) are locked: '{id}'.");
        assert!(refused.message().starts_with(&text), "{}", refused.message());
    }
    // it can still be written
    assert_eq!(lab.arm("PUT", &id, Some(json!({"location": "westeurope"}))).await.status, 200);
    assert_eq!(
        lab.arm("PUT", &lock(&id), Some(json!({"properties": {"level": "readonly"}}))).await.body["properties"]["level"],
        "ReadOnly"
    );
    assert_eq!(lab.arm("PUT", &id, Some(json!({"location": "westeurope"}))).await.code(), "ScopeLocked");
    assert_eq!(
        lab.arm("GET", &format!("{}/providers/Microsoft.Authorization/locks", lab.group()), None).await.body["value"][0]["name"],
        "keep"
    );
    assert_eq!(lab.arm("DELETE", &lock(&id), None).await.status, 200);
    assert_eq!(lab.arm("DELETE", &lock(&id), None).await.status, 204);
    assert_eq!(lab.arm("GET", &lock(&id), None).await.code(), "LockNotFound");
    assert_eq!(lab.arm("DELETE", &id, None).await.status, 200);
}

#[tokio::test]
async fn a_throttled_caller_gets_a_retry_after() {
    let lab = Lab::new(Lateness::None).await;
    let group = lab.group();
    lab.control("POST", "/settings", Some(json!({"limits": {"reads": 1, "identity": 0}}))).await;
    assert_eq!(lab.arm("GET", &group, None).await.status, 200);
    let over = lab.arm("GET", &group, None).await;
    assert_eq!((over.status, over.code(), over.header("retry-after")), (429, "SubscriptionRequestsThrottled", "17"));
    let path = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one");
    let over = lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
    assert_eq!((over.status, over.code(), over.header("retry-after")), (429, "429", "2"));
    lab.control("POST", "/settings", Some(json!({"limits": null}))).await;
    assert_eq!(lab.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await.status, 201);
    let wrong = lab.control("POST", "/settings", Some(json!({"limits": {"pages": 1}}))).await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn a_group_that_is_being_deleted_accepts_no_writes() {
    let lab = Lab::new(Lateness::Quick).await;
    let group = format!("{}/resourceGroups/ends", lab.subscription());
    let body = json!({"location": "westeurope"});
    lab.arm("PUT", &group, Some(body.clone())).await;
    assert_eq!(lab.arm("DELETE", &group, None).await.status, 202);
    let inside = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one");
    for path in [&group, &inside] {
        let refused = lab.arm("PUT", path, Some(body.clone())).await;
        assert_eq!((refused.status, refused.code()), (409, "ResourceGroupBeingDeleted"));
    }
    assert_eq!(lab.arm("GET", &group, None).await.body["properties"]["provisioningState"], "Deleting");
    assert_eq!(lab.arm("GET", &group, None).await.code(), "ResourceGroupNotFound");
    assert_eq!(lab.arm("PUT", &group, Some(body)).await.status, 201);
}
