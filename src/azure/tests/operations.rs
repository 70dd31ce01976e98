//! Writes that go on after their response: nested resources, headers to follow, states to read, deletions without a body.

use super::fake::{Fake, Reply, SUB, empty, error, listener, pass, reply};
use crate::azure::{
    ArmId, Azure, Error,
    id::CLUSTER,
    operations::{self, Target},
    wait::Waiter,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const ARM: &str = "management.azure.com";
const VERSION: &str = "2025-08-01";
const OPERATION: &str = "https://management.azure.com/subscriptions/s/providers/Microsoft.ContainerService/locations/l/operations/o?api-version=2017-08-31&t=1&s=signature";

fn pool() -> ArmId {
    ArmId::resource(SUB, "g", CLUSTER, "aks").child("agentPools", "pool1")
}

fn body(state: &str) -> Value {
    json!({ "id": pool(), "name": "pool1", "properties": { "count": 3, "provisioningState": state } })
}

struct Run {
    azure: Azure,
    patience: Waiter,
    said: Arc<Mutex<Vec<String>>>,
}

fn run(fake: &Fake, limit: Duration) -> Run {
    let (on_wait, said) = listener();
    Run { azure: fake.azure(), patience: Waiter { limit, on_wait }, said }
}

fn target(id: &ArmId) -> Target<'_> {
    Target { id, version: VERSION, what: "the agent pool pool1" }
}

const LONG: Duration = Duration::from_secs(20);

impl Run {
    async fn put(&self) -> crate::azure::Result<Value> {
        operations::put(&self.azure.core.arm, &self.patience, target(&pool()), None, &json!({ "properties": { "count": 3 } })).await
    }
    async fn patch(&self) -> crate::azure::Result<Value> {
        operations::patch(&self.azure.core.arm, &self.patience, target(&pool()), &json!({ "tags": {} })).await
    }
    async fn delete(&self) -> crate::azure::Result<()> {
        operations::delete(&self.azure.core.arm, &self.patience, target(&pool())).await
    }
}

fn is_operation(path: &str) -> bool {
    path.contains("/operations/")
}

#[tokio::test]
async fn an_operation_is_asked_until_it_has_ended_and_then_the_nested_resource() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), is_operation(&seen.path), nth) {
        ("PUT", ..) => reply(201, body("Creating")).with("azure-asyncoperation", OPERATION).with("location", "/subscriptions/s/elsewhere"),
        // a running operation may contain an error
        ("GET", true, 0) => {
            reply(200, json!({ "status": "CreatingAgentPools", "error": { "code": "NotLatestOperation", "message": "m" } }))
        }
        ("GET", true, _) => reply(200, json!({ "status": "Succeeded" })),
        ("GET", false, _) => reply(200, body("Succeeded")),
        _ => pass(),
    })
    .await;
    let run = run(&fake, LONG);
    assert_eq!(run.put().await.unwrap()["properties"]["count"], 3);
    let asked: Vec<String> = fake.on(ARM).iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    let own = format!(
        "/subscriptions/{SUB}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks/agentPools/pool1?api-version={VERSION}"
    );
    assert_eq!((asked[0].as_str(), asked[3].as_str(), asked.len()), (format!("PUT {own}").as_str(), format!("GET {own}").as_str(), 4));
    assert!(asked[1].ends_with("operations/o?api-version=2017-08-31&t=1&s=signature"), "the address is asked as it is: {}", asked[1]);
    let said = run.said.lock().unwrap().clone();
    assert_eq!(said, ["waiting until the agent pool pool1 is ready", "waiting until the agent pool pool1 is ready (CreatingAgentPools)"]);
}

#[tokio::test]
async fn a_location_is_followed_from_answer_to_answer_and_its_last_one_is_the_resource() {
    let at = |nth: usize| format!("https://management.azure.com/subscriptions/s/operationresults/{nth}?monitor=true");
    let fake = Fake::new(move |seen, _| match (seen.method.as_str(), seen.path.contains("operationresults")) {
        ("PUT", _) => empty(202).with("location", &at(0)),
        ("GET", true) if seen.path.contains("/0?") => empty(202).with("location", "/subscriptions/s/operationresults/1?monitor=true"),
        ("GET", true) => reply(200, body("Succeeded")),
        _ => pass(),
    })
    .await;
    assert_eq!(run(&fake, LONG).put().await.unwrap()["name"], "pool1");
    assert_eq!(fake.on(ARM).len(), 3);
}

#[tokio::test]
async fn without_an_address_the_resource_itself_is_polled() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("PATCH", _) => reply(200, body("Updating")),
        ("GET", 0) => reply(200, body("Updating")),
        ("GET", _) => reply(200, body("Succeeded")),
        _ => pass(),
    })
    .await;
    assert_eq!(run(&fake, LONG).patch().await.unwrap()["properties"]["provisioningState"], "Succeeded");
    assert_eq!(fake.on(ARM).len(), 3);
}

#[tokio::test]
async fn a_write_that_is_done_at_once_is_not_polled_even_with_a_location() {
    for state in [json!({ "id": pool(), "properties": {} }), body("Succeeded")] {
        let fake = Fake::new(move |seen, _| match seen.method.as_str() {
            "PUT" => reply(201, state.clone()).with("location", "/subscriptions/s/resourcegroups/g"),
            _ => pass(),
        })
        .await;
        run(&fake, LONG).put().await.unwrap();
        assert_eq!(fake.on(ARM).len(), 1);
    }
}

#[tokio::test]
async fn a_failed_operation_is_told_by_its_code_and_message() {
    let failed = |error: Value| {
        Fake::new(move |seen, _| match (seen.method.as_str(), is_operation(&seen.path)) {
            ("PUT" | "PATCH", _) => reply(200, body("Updating")).with("azure-asyncoperation", OPERATION),
            (_, true) => reply(200, json!({ "status": "Failed", "error": error })),
            _ => pass(),
        })
    };
    let fake = failed(json!({ "code": "QuotaExceeded", "message": "too many cores", "details": [{ "message": "ask for more" }] })).await;
    let error = run(&fake, LONG).put().await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { code, message, .. } if code == "QuotaExceeded" && message == "too many cores ask for more"),
        "{error:?}"
    );
    let message = "The client 'x' with object id 'o' does not have authorization to perform action 'Microsoft.Network/a/join/action' over scope '/subscriptions/s' or the scope is invalid.";
    let fake = failed(json!({ "code": "LinkedAuthorizationFailed", "message": message })).await;
    let error = run(&fake, LONG).patch().await.unwrap_err();
    assert!(matches!(&error, Error::Forbidden { action: Some(action), .. } if action == "Microsoft.Network/a/join/action"), "{error:?}");
    let fake = failed(Value::Null).await;
    let error = run(&fake, LONG).put().await.unwrap_err();
    assert!(matches!(&error, Error::Refused { code, .. } if code == "Failed"), "{error:?}");
    let fake = Fake::new(|seen, _| if seen.method == "PUT" { reply(200, body("Canceled")) } else { pass() }).await;
    let error = run(&fake, LONG).put().await.unwrap_err();
    assert!(matches!(&error, Error::Refused { code, .. } if code == "Canceled"), "{error:?}");
}

#[tokio::test]
async fn a_deletion_ends_with_or_without_a_body_and_absent_is_success() {
    for (answer, asked) in [
        (empty(200), 1),
        (reply(200, json!({})), 1),
        (empty(204), 1),
        (error(404, "ResourceNotFound", "m"), 1),
        // without an address podid polls the resource until it is deleted
        (empty(202), 3),
    ] {
        let fake = Fake::new(move |seen, nth| match (seen.method.as_str(), nth) {
            ("DELETE", _) => answer.clone(),
            ("GET", 0) => reply(200, body("Deleting")),
            ("GET", _) => error(404, "ResourceNotFound", "m"),
            _ => pass(),
        })
        .await;
        run(&fake, LONG).delete().await.unwrap();
        assert_eq!(fake.on(ARM).len(), asked);
    }
}

#[tokio::test]
async fn a_deletion_polls_the_address_in_its_response() {
    let by = |headers: fn(Reply) -> Reply, last: u16| {
        Fake::new(move |seen, nth| match (seen.method.as_str(), nth) {
            ("DELETE", _) => headers(empty(202)),
            ("GET", 0) if is_operation(&seen.path) => reply(200, json!({ "status": "InProgress" })),
            ("GET", _) if is_operation(&seen.path) => reply(200, json!({ "status": "Succeeded" })),
            ("GET", 0) => empty(202),
            ("GET", _) if last == 404 => error(404, "NotFound", "m"),
            ("GET", _) => empty(last),
            _ => pass(),
        })
    };
    const RESULT: &str = "https://management.azure.com/subscriptions/s/operationresults/r";
    for last in [200, 204, 404] {
        let fake = by(|reply| reply.with("location", RESULT), last).await;
        run(&fake, LONG).delete().await.unwrap();
        assert_eq!(fake.on(ARM).len(), 3, "{last}");
    }
    let fake = by(|reply| reply.with("location", RESULT).with("azure-asyncoperation", OPERATION), 204).await;
    run(&fake, LONG).delete().await.unwrap();
    assert!(fake.on(ARM)[1..].iter().all(|seen| is_operation(&seen.path)));
}

#[tokio::test]
async fn the_address_of_an_operation_never_leads_a_token_to_another_host() {
    for elsewhere in [
        "https://graph.microsoft.com/o",
        "http://management.azure.com/o",
        "https://u:p@management.azure.com/o",
        "https://management.azure.com:8443/o",
    ] {
        for header in ["azure-asyncoperation", "location"] {
            let fake = Fake::new(move |seen, _| if seen.host == ARM { empty(202).with(header, elsewhere) } else { pass() }).await;
            let error = run(&fake, LONG).put().await.unwrap_err();
            assert!(
                matches!(&error, Error::Protocol(what) if what.contains("continues an operation elsewhere") && !what.contains(elsewhere)),
                "{error:?}"
            );
            assert_eq!((fake.on(ARM).len(), fake.on("graph.microsoft.com").len()), (1, 0));
        }
    }
}

#[tokio::test]
async fn the_pause_before_a_poll_is_that_of_the_server() {
    let fake = Fake::new(|seen, _| match (seen.method.as_str(), is_operation(&seen.path)) {
        ("PUT", _) => reply(201, body("Creating")).with("azure-asyncoperation", OPERATION).with("retry-after", "1"),
        (_, true) => reply(200, json!({ "status": "Succeeded" })),
        _ => reply(200, body("Succeeded")),
    })
    .await;
    let begun = Instant::now();
    run(&fake, LONG).put().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_operation_that_never_ends_times_out() {
    let fake = Fake::new(|seen, _| match seen.method.as_str() {
        "DELETE" => empty(202).with("azure-asyncoperation", OPERATION),
        _ => reply(200, json!({ "status": "Deleting" })),
    })
    .await;
    let run = run(&fake, Duration::from_secs(2));
    let error = run.delete().await.unwrap_err();
    assert!(matches!(&error, Error::NotYet { what, .. } if what == "the deletion of the agent pool pool1"), "{error:?}");
    assert!(run.said.lock().unwrap().contains(&"waiting until the agent pool pool1 is deleted (Deleting)".to_owned()));
}
