//! Applies, deletions, and waits.

use super::fake::{Fake, Reply, cluster, kubeconfig, refusal, settings, to};
use super::{at, identities, pods};
use crate::cluster::{Error, Preview, Settings};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn conflict() -> Value {
    json!({ "causes": [{ "reason": "FieldManagerConflict", "message": "conflict with \"kubectl-client-side-apply\" using v1", "field": ".spec.clientID" }] })
}

#[tokio::test]
async fn a_preview_is_a_strict_dry_run_apply_and_shows_the_owners_of_fields() {
    let fake =
        Fake::start(
            |_, before| {
                if before == 0 { Reply::Json(200, json!({ "spec": {} })) } else { refusal(409, "Conflict", "1 conflict", conflict()) }
            },
        )
        .await;
    let cluster = to(&fake).await;
    let read = cluster.read();
    let manifest = json!({ "spec": { "clientID": "x" } });
    assert!(matches!(read.preview(&at(identities(), "a"), &manifest, false).await.unwrap(), Preview::Object(_)));
    let seen = fake.last();
    assert_eq!(seen.method, "PATCH");
    assert_eq!(
        seen.uri,
        "/apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentities/a?fieldManager=podid&fieldValidation=Strict&dryRun=All"
    );
    assert_eq!(seen.headers["content-type"], "application/apply-patch+yaml");
    assert_eq!(seen.body, manifest);
    assert!(matches!(read.preview(&at(identities(), "a"), &manifest, false).await.unwrap(), Preview::Object(_)), "one view of the world");
    let later = cluster.read().preview(&at(identities(), "a"), &manifest, false).await.unwrap();
    let Preview::Conflicts(fields) = later else { panic!("no conflict") };
    assert_eq!(fields, [(".spec.clientID".to_owned(), "kubectl-client-side-apply".to_owned())]);
}

#[tokio::test]
async fn force_is_sent_only_when_the_settings_say_so() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let dir = tempfile::tempdir().unwrap();
    let forced = settings(&kubeconfig(&dir, &fake.url, json!({})));
    cluster(forced).await.unwrap().write().apply(&at(pods(), "a"), &json!({}), true).await.unwrap();
    assert_eq!(fake.last().uri, "/api/v1/namespaces/shop/pods/a?fieldManager=podid&fieldValidation=Strict&force=true");
}

#[tokio::test]
async fn refusals_of_a_write_are_distinguished() {
    let untyped = "failed to create typed patch object (shop/x; aadpodidentity.k8s.io/v1, Kind=AzureIdentity): .spec.ResourceID: field not declared in schema";
    let fake = Fake::start(move |_, before| match before {
        0 => refusal(404, "NotFound", "namespaces \"shop\" not found", json!({ "name": "shop", "kind": "namespaces" })),
        1 => refusal(409, "Conflict", "the object has been modified", json!({})),
        2 => refusal(409, "AlreadyExists", "already exists", json!({ "name": "x", "kind": "pods" })),
        3 => refusal(
            422,
            "Invalid",
            "is invalid",
            json!({ "causes": [{ "reason": "FieldValueRequired", "message": "Required value", "field": "spec.x" }] }),
        ),
        4 => refusal(500, "", untyped, json!({})),
        5 => refusal(400, "BadRequest", "strict decoding error: unknown field \"spec.foo\"", json!({})),
        _ => refusal(403, "Forbidden", "unable to create new content", json!({ "causes": [{ "reason": "NamespaceTerminating" }] })),
    })
    .await;
    let write = to(&fake).await.write();
    let place = at(identities(), "x");
    let mut errors = Vec::new();
    for _ in 0..7 {
        errors.push(write.apply(&place, &json!({}), false).await.unwrap_err());
    }
    assert!(matches!(&errors[0], Error::NotFound { what } if what == "Namespace shop"), "{:?}", errors[0]);
    assert!(matches!(&errors[1], Error::Changed { reason, .. } if reason == "Conflict"), "{:?}", errors[1]);
    assert!(matches!(&errors[2], Error::Exists { what } if what == "AzureIdentity shop/x"), "{:?}", errors[2]);
    let causes = |e: &Error| match e {
        Error::Invalid { causes, .. } => causes.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(causes(&errors[3]), [("spec.x".to_owned(), "Required value".to_owned())]);
    assert_eq!(causes(&errors[4]), [(".spec.ResourceID".to_owned(), "unknown field".to_owned())]);
    assert_eq!(causes(&errors[5]), [("spec.foo".to_owned(), "unknown field".to_owned())]);
    assert!(matches!(&errors[6], Error::Changed { reason, .. } if reason == "NamespaceTerminating"), "{:?}", errors[6]);
}

fn pod(version: &str, phase: &str) -> Value {
    json!({ "metadata": { "name": "a", "uid": "u1", "resourceVersion": version }, "status": { "phase": phase } })
}

fn running(pod: &Value) -> Option<String> {
    (pod["status"]["phase"] == "Running").then(|| pod["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
}

fn list(version: &str, items: Vec<Value>) -> Reply {
    Reply::Json(200, json!({ "metadata": { "resourceVersion": version }, "items": items }))
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_wait_ends_at_once_if_the_listed_object_matches() {
    let fake = Fake::start(|_, _| list("5", vec![pod("4", "Running")])).await;
    let found = to(&fake).await.write().wait(&pods(), Some("shop"), Some("metadata.name=a"), LIMIT, running).await.unwrap();
    assert_eq!(found.as_deref(), Some("4"));
    assert_eq!(fake.asked(), ["GET /api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da&limit=500"]);
}

#[tokio::test]
async fn a_broken_watch_resumes_and_an_expired_version_lists_again() {
    let event = |kind: &str, object: Value| json!({ "type": kind, "object": object });
    let fake = Fake::start(move |seen, before| match before {
        0 => list("5", vec![pod("4", "Pending")]),
        1 => {
            Reply::Ended(vec![event("MODIFIED", pod("6", "Pending")), event("BOOKMARK", json!({ "metadata": { "resourceVersion": "7" } }))])
        }
        2 => {
            assert!(seen.uri.contains("resourceVersion=7"), "{}", seen.uri);
            Reply::Ended(vec![event("ERROR", json!({ "kind": "Status", "code": 410, "reason": "Expired" }))])
        }
        3 => {
            assert!(!seen.uri.contains("watch"), "{}", seen.uri);
            list("9", vec![pod("8", "Pending")])
        }
        4 => refusal(410, "Expired", "too old resource version", json!({})),
        5 => list("10", vec![pod("8", "Pending")]),
        6 => Reply::Text(500, "restarting"),
        7 => Reply::Text(500, "restarting"),
        8 => list("11", vec![]),
        _ => Reply::Open(vec![event("DELETED", pod("11", "Running")), event("ADDED", pod("12", "Running"))]),
    })
    .await;
    let found = to(&fake).await.write().wait(&pods(), Some("shop"), None, LIMIT, running).await.unwrap();
    assert_eq!(found.as_deref(), Some("12"), "a deleted object is not one that will do");
    assert_eq!(fake.asked().len(), 10, "{:#?}", fake.asked());
}

#[tokio::test]
async fn a_wait_ends_with_nothing_when_time_runs_out() {
    let fake = Fake::start(|seen, _| if seen.uri.contains("watch=true") { Reply::Open(vec![]) } else { list("5", vec![]) }).await;
    let start = Instant::now();
    let found = to(&fake).await.write().wait(&pods(), None, None, Duration::from_millis(300), running).await.unwrap();
    assert_eq!(found, None);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(fake.asked().len(), 2, "one list and one watch");
}

#[tokio::test]
async fn watches_never_take_the_last_permit() {
    let fake = Fake::start(|seen, _| match seen.uri.as_str() {
        uri if uri.contains("watch=true") => Reply::Open(vec![]),
        uri if uri.contains("limit=") => list("5", vec![]),
        _ => Reply::Json(200, json!({})),
    })
    .await;
    let write = to(&fake).await.write();
    let waits =
        (0..8).map(|_| write.clone()).map(|write| async move { write.wait(&pods(), None, None, Duration::from_secs(1), running).await });
    let asking = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let start = Instant::now();
        write.get(&at(pods(), "a")).await.unwrap();
        start.elapsed()
    };
    let (_, took) = tokio::join!(futures::future::join_all(waits), asking);
    assert!(took < Duration::from_millis(300), "{took:?}");
}

#[tokio::test]
async fn a_deletion_waits_until_the_object_is_gone_and_needs_no_list_for_that() {
    let fake = Fake::start(|seen, before| {
        let leaving = json!({ "metadata": { "name": "a", "uid": "u1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"], "resourceVersion": "4" } });
        match (seen.method.as_str(), before) {
            ("DELETE", _) | (_, 0..3) => Reply::Json(200, leaving),
            (_, 3) => Reply::Text(500, "restarting"),
            _ => refusal(404, "NotFound", "", json!({ "name": "a", "kind": "azureidentities" })),
        }
    })
    .await;
    to(&fake).await.write().delete(&at(identities(), "a"), Some("u1"), Some(0)).await.unwrap();
    let path = "/apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentities/a";
    assert_eq!(fake.asked()[1..], vec![format!("GET {path}"); 4]);
    let delete = fake.seen.lock().unwrap()[0].clone();
    assert_eq!(delete.body["preconditions"]["uid"], "u1");
    assert_eq!(delete.body["gracePeriodSeconds"], 0);
}

#[tokio::test]
async fn a_rehearsal_sends_every_write_dry_and_waits_for_nothing() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({ "metadata": { "uid": "u1", "finalizers": ["x/y"] } }))).await;
    let (write, place) = (to(&fake).await.write_dry_run(), at(pods(), "a"));
    write.apply(&place, &json!({}), true).await.unwrap();
    write.patch(&place, &json!([])).await.unwrap();
    write.create(&place, &json!({})).await.unwrap();
    write.delete(&place, Some("u1"), None).await.unwrap();
    let pods = "/api/v1/namespaces/shop/pods";
    assert_eq!(
        fake.asked(),
        [
            format!("PATCH {pods}/a?fieldManager=podid&fieldValidation=Strict&force=true&dryRun=All"),
            format!("PATCH {pods}/a?fieldManager=podid&dryRun=All"),
            format!("POST {pods}?fieldManager=podid&fieldValidation=Strict&dryRun=All"),
            format!("DELETE {pods}/a?dryRun=All"),
        ]
    );
    assert_eq!(fake.last().body["dryRun"], json!(["All"]), "options in a body are those that count");
    assert_eq!(fake.seen.lock().unwrap()[1].headers["content-type"], "application/json-patch+json");
}

#[tokio::test]
async fn a_deletion_that_is_done_at_once_is_one_request() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({ "kind": "Status", "status": "Success", "details": { "uid": "u1" } }))).await;
    to(&fake).await.write().delete(&at(identities(), "a"), None, None).await.unwrap();
    assert_eq!(fake.asked(), ["DELETE /apis/aadpodidentity.k8s.io/v1/namespaces/shop/azureidentities/a"]);
}

#[tokio::test]
async fn a_deletion_that_a_finalizer_blocks_reports_the_finalizer() {
    let fake = Fake::start(|seen, _| {
        let leaving =
            json!({ "metadata": { "name": "a", "uid": "u1", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"] } });
        assert!(!seen.uri.contains('?'), "{}", seen.uri);
        Reply::Json(200, leaving)
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let quick = Settings { timeout: Some(Duration::from_millis(300)), ..settings(&kubeconfig(&dir, &fake.url, json!({}))) };
    let e = cluster(quick).await.unwrap().write().delete(&at(identities(), "a"), None, None).await.unwrap_err();
    assert!(matches!(&e, Error::Held { by, what, .. } if by == &["x/y"] && what == "AzureIdentity shop/a"), "{e:?}");
}

#[tokio::test]
async fn an_absent_or_replaced_object_counts_as_deleted() {
    let fake = Fake::start(|seen, _| match (seen.method.as_str(), seen.uri.as_str()) {
        ("DELETE", uri) if uri.ends_with("/absent") => refusal(404, "NotFound", "", json!({ "name": "absent", "kind": "pods" })),
        ("DELETE", _) => refusal(409, "Conflict", "the UID in the precondition does not match", json!({})),
        _ => Reply::Json(200, json!({ "metadata": { "uid": "u2" } })),
    })
    .await;
    let write = to(&fake).await.write();
    write.delete(&at(pods(), "absent"), None, None).await.unwrap();
    write.delete(&at(pods(), "replaced"), Some("u1"), None).await.unwrap();
    assert!(matches!(write.delete(&at(pods(), "same"), Some("u2"), None).await.unwrap_err(), Error::Changed { .. }));
}
