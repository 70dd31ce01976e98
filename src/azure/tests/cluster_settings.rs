//! Changes of a cluster's document: what is sent, when nothing is, and how conflicts and running operations are awaited.

use super::fake::{Fake, SUB, error, listener, pass, reply};
use crate::azure::{ArmId, Error, Write, id::CLUSTER};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const ARM: &str = "management.azure.com";

fn id() -> ArmId {
    ArmId::resource(SUB, "g", CLUSTER, "aks")
}

fn document(state: &str, issuer: bool) -> Value {
    json!({ "id": id(), "eTag": "etag-1", "kept": { "z": 1, "a": null },
        "properties": { "provisioningState": state, "oidcIssuerProfile": { "enabled": issuer }, "fqdn": "aks.hcp" } })
}

fn issuer() -> Value {
    json!({ "oidcIssuerProfile": { "enabled": true } })
}

fn write(fake: &Fake, limit: Duration) -> (Write, Arc<Mutex<Vec<String>>>) {
    let (on_wait, said) = listener();
    (fake.azure_with(|settings| settings.timeout = Some(limit), &[]).write(on_wait), said)
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_whole_document_is_sent_with_its_etag_and_only_the_wanted_field_differs() {
    let fake = Fake::new(|seen, _| match seen.method.as_str() {
        "GET" => reply(200, document("Succeeded", false)),
        "PUT" => reply(200, document("Succeeded", true)),
        _ => pass(),
    })
    .await;
    let (write, _) = write(&fake, LONG);
    let done = write.set_cluster_fields(&id(), &issuer()).await.unwrap().unwrap();
    assert_eq!(done["properties"]["oidcIssuerProfile"]["enabled"], true);
    let seen = fake.on(ARM);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[1].if_match.as_deref(), Some("etag-1"));
    assert_eq!(seen[1].body, document("Succeeded", true).to_string());
}

#[tokio::test]
async fn a_document_without_an_etag_is_sent_without_a_condition() {
    let fake = Fake::new(|seen, _| match seen.method.as_str() {
        "GET" => reply(200, json!({ "properties": {} })),
        "PUT" => reply(200, json!({ "properties": { "provisioningState": "Succeeded" } })),
        _ => pass(),
    })
    .await;
    write(&fake, LONG).0.set_cluster_fields(&id(), &issuer()).await.unwrap();
    assert_eq!(fake.on(ARM)[1].if_match, None);
}

#[tokio::test]
async fn what_is_set_already_is_not_sent_and_an_absent_cluster_is_none() {
    let fake = Fake::new(|seen, _| if seen.method == "GET" { reply(200, document("Failed", true)) } else { pass() }).await;
    assert!(write(&fake, LONG).0.set_cluster_fields(&id(), &issuer()).await.unwrap().is_some());
    assert_eq!(fake.on(ARM).len(), 1);
    let fake = Fake::new(|_, _| error(404, "ResourceNotFound", "m")).await;
    assert_eq!(write(&fake, LONG).0.set_cluster_fields(&id(), &issuer()).await.unwrap(), None);
}

#[tokio::test]
async fn a_running_operation_is_awaited_and_its_result_may_be_enough() {
    let fake = Fake::new(|seen, nth| match (seen.method.as_str(), nth) {
        ("GET", 0) => reply(200, document("Updating", true)),
        ("GET", _) => reply(200, document("Succeeded", true)),
        _ => pass(),
    })
    .await;
    let (write, said) = write(&fake, LONG);
    write.set_cluster_fields(&id(), &issuer()).await.unwrap();
    assert_eq!(fake.on(ARM).iter().filter(|seen| seen.method == "PUT").count(), 0);
    assert_eq!(*said.lock().unwrap(), ["waiting until the cluster aks is ready (Updating)"]);
}

#[tokio::test]
async fn after_a_conflict_the_document_is_read_again() {
    for conflict in [error(412, "PreconditionFailed", "m"), error(409, "OperationNotAllowed", "another operation is in progress")] {
        let fake = Fake::new(move |seen, nth| match (seen.method.as_str(), nth) {
            ("GET", 0) => reply(200, document("Succeeded", false)),
            ("GET", _) => {
                let mut other = document("Succeeded", false);
                other["eTag"] = json!("etag-2");
                other["kept"] = json!("by somebody else");
                reply(200, other)
            }
            ("PUT", 0) => conflict.clone(),
            ("PUT", _) => reply(200, document("Succeeded", true)),
            _ => pass(),
        })
        .await;
        write(&fake, LONG).0.set_cluster_fields(&id(), &issuer()).await.unwrap();
        let puts: Vec<_> = fake.on(ARM).into_iter().filter(|seen| seen.method == "PUT").collect();
        assert_eq!(puts.len(), 2);
        assert_eq!(puts[1].if_match.as_deref(), Some("etag-2"));
        assert!(puts[1].body.contains("by somebody else"), "{}", puts[1].body);
    }
}

#[tokio::test]
async fn a_conflict_that_lasts_is_the_error_when_the_time_is_up() {
    let of = |code: &'static str| {
        Fake::new(move |seen, _| match seen.method.as_str() {
            "GET" => reply(200, document("Succeeded", false)),
            "PUT" => error(409, code, "m"),
            _ => pass(),
        })
    };
    let fake = of("OperationNotAllowed").await;
    let failed = write(&fake, Duration::from_secs(2)).0.set_cluster_fields(&id(), &issuer()).await.unwrap_err();
    assert!(matches!(&failed, Error::Conflict { code, .. } if code == "OperationNotAllowed"), "{failed:?}");
    assert!(fake.on(ARM).iter().filter(|seen| seen.method == "PUT").count() > 1);
    let fake = of("ScopeLocked").await;
    let failed = write(&fake, LONG).0.set_cluster_fields(&id(), &issuer()).await.unwrap_err();
    assert!(matches!(&failed, Error::Conflict { code, .. } if code == "ScopeLocked"), "{failed:?}");
    assert_eq!(fake.on(ARM).len(), 2, "a lock is not waited for");
}
