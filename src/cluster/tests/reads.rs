//! Reads, refusals, and connections.

use super::fake::{Fake, Reply, cluster, kubeconfig, refusal, settings, to};
use super::{at, identities, pods};
use crate::cluster::{Api, Error, Settings};
use serde_json::json;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_object_is_asked_for_once_per_pass_even_by_two_at_once() {
    let fake =
        Fake::start(|_, _| Reply::Late(Duration::from_millis(50), Box::new(Reply::Json(200, json!({ "metadata": { "name": "a" } })))))
            .await;
    let cluster = to(&fake).await;
    let (read, same) = (cluster.read(), at(pods(), "a"));
    let twin = read.clone();
    let (one, two) = tokio::join!(read.get(&same), twin.get(&same));
    assert_eq!(one.unwrap(), two.unwrap());
    read.get(&same).await.unwrap();
    assert_eq!(fake.asked(), ["GET /api/v1/namespaces/shop/pods/a"]);
    cluster.read().get(&same).await.unwrap();
    cluster.write().get(&same).await.unwrap();
    assert_eq!(fake.asked().len(), 3, "another pass and a write look again");
}

#[tokio::test]
async fn an_absent_object_is_distinguished_from_an_unknown_kind() {
    let fake = Fake::start(|seen, _| match seen.uri.as_str() {
        "/apis/aadpodidentity.k8s.io/v1" => Reply::Json(200, json!({ "resources": [{ "name": "azureidentitybindings" }] })),
        uri if uri.contains("azureidentities") => Reply::Text(404, "404 page not found\n"),
        _ => refusal(404, "NotFound", "pods \"a\" not found", json!({ "name": "a", "kind": "pods" })),
    })
    .await;
    let read = to(&fake).await.read();
    assert_eq!(read.get(&at(pods(), "a")).await.unwrap(), None);
    assert_eq!(fake.asked().len(), 1, "the refusal named the object");
    for name in ["x", "y"] {
        let e = read.get(&at(identities(), name)).await.unwrap_err();
        assert!(
            matches!(e, Error::KindMissing { ref kind, ref group, .. } if kind == "AzureIdentity" && group == "aadpodidentity.k8s.io"),
            "{e:?}"
        );
    }
    assert!(matches!(read.list(&identities(), None, None).await.unwrap_err(), Error::KindMissing { .. }));
    let group = fake.asked().iter().filter(|a| a.ends_with("/apis/aadpodidentity.k8s.io/v1")).count();
    assert_eq!(group, 1, "the kind's group is looked at once per pass");
}

#[tokio::test]
async fn a_404_without_a_status_means_absent_if_the_kind_is_known() {
    let fake = Fake::start(|seen, _| match seen.uri.as_str() {
        "/api/v1" => Reply::Json(200, json!({ "resources": [{ "name": "pods" }] })),
        _ => Reply::Text(404, "404 page not found\n"),
    })
    .await;
    assert_eq!(to(&fake).await.read().get(&at(pods(), "a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_list_has_all_pages_and_the_kind_of_each_item() {
    let fake = Fake::start(|seen, _| {
        if seen.uri.contains("continue=more") {
            Reply::Json(200, json!({ "metadata": { "resourceVersion": "9" }, "items": [{ "metadata": { "name": "b" } }] }))
        } else {
            Reply::Json(200, json!({ "metadata": { "continue": "more" }, "items": [{ "metadata": { "name": "a" } }] }))
        }
    })
    .await;
    let items = to(&fake).await.read().list(&pods(), Some("shop"), Some("app=x")).await.unwrap();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|i| i["kind"] == "Pod" && i["apiVersion"] == "v1"));
    assert_eq!(fake.asked()[0], "GET /api/v1/namespaces/shop/pods?labelSelector=app%3Dx&limit=500");
}

#[tokio::test]
async fn requests_and_connections_stay_within_the_parallelism() {
    let fake = Fake::start(|_, _| Reply::Late(Duration::from_millis(10), Box::new(Reply::Json(200, json!({}))))).await;
    let read = to(&fake).await.read();
    let places: Vec<_> = (0..60).map(|i| at(pods(), &format!("p{i}"))).collect();
    futures::future::join_all(places.iter().map(|place| read.get(place))).await;
    assert_eq!(fake.asked().len(), 60);
    assert_eq!(fake.most.load(SeqCst), 4);
    assert!(fake.connections.load(SeqCst) <= 4, "{} connections", fake.connections.load(SeqCst));
}

#[tokio::test]
async fn a_refused_credential_is_unauthorized() {
    let fake = Fake::start(|_, _| refusal(401, "Unauthorized", "Unauthorized", json!({}))).await;
    let e = to(&fake).await.read().get(&at(pods(), "a")).await.unwrap_err();
    assert!(matches!(e, Error::Unauthorized { ref context, ref server } if context == "lab" && *server == fake.url), "{e:?}");
    assert_eq!(fake.last().headers["authorization"], "Bearer t0ken");
}

#[tokio::test]
async fn forbidden_names_verb_resource_and_namespace() {
    let fake = Fake::start(|seen, _| {
        if seen.uri.contains("azureidentities") {
            let text = r#"azureidentities.aadpodidentity.k8s.io "x" is forbidden: User "bob" cannot get resource "azureidentities" in API group "aadpodidentity.k8s.io" in the namespace "shop""#;
            refusal(403, "Forbidden", text, json!({}))
        } else {
            refusal(403, "Forbidden", "no", json!({}))
        }
    })
    .await;
    let cluster = to(&fake).await;
    let Error::Forbidden { verb, resource, namespace, .. } = cluster.read().get(&at(identities(), "x")).await.unwrap_err() else {
        panic!()
    };
    assert_eq!((verb.as_str(), resource.as_str(), namespace.as_deref()), ("get", "azureidentities.aadpodidentity.k8s.io", Some("shop")));
    let Error::Forbidden { verb, resource, namespace, .. } = cluster.write().delete(&at(pods(), "x"), None, None).await.unwrap_err() else {
        panic!()
    };
    assert_eq!((verb.as_str(), resource.as_str(), namespace.as_deref()), ("delete", "pods", Some("shop")));
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_unreachable_in_time_and_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("https://{}", listener.local_addr().unwrap());
    let refused = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("https://{}", gone.local_addr().unwrap())
    };
    for server in [&silent, &refused] {
        let dir = tempfile::tempdir().unwrap();
        let quick = Settings { timeout: Some(Duration::from_millis(400)), ..settings(&kubeconfig(&dir, server, json!({}))) };
        let cluster = cluster(quick).await.unwrap();
        let read = cluster.read();
        let start = Instant::now();
        let places: Vec<_> = (0..20).map(|i| at(pods(), &format!("p{i}"))).collect();
        for answer in futures::future::join_all(places.iter().map(|place| read.get(place))).await {
            let e = answer.unwrap_err();
            assert!(matches!(e, Error::Unreachable { ref context, server: ref named, .. } if context == "lab" && named == server), "{e:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(1), "twenty questions, one time limit: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_foreign_certificate_is_untrusted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let _ = acceptor.accept(tcp).await;
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, other.cert.pem()).unwrap();
    let path = kubeconfig(&dir, &format!("https://localhost:{port}"), json!({}));
    let text = std::fs::read_to_string(&path).unwrap().replacen("\"server\"", "\"certificate-authority\": \"ca.pem\", \"server\"", 1);
    std::fs::write(&path, text).unwrap();
    let e = cluster(settings(&path)).await.unwrap().read().get(&at(pods(), "a")).await.unwrap_err();
    assert!(matches!(e, Error::Untrusted { ref context, .. } if context == "lab"), "{e:?}");
}

#[tokio::test]
async fn a_request_to_a_busy_server_is_retried_and_a_name_stays_in_its_path_segment() {
    let fake = Fake::start(|_, before| if before < 2 { Reply::Text(429, "slow down") } else { Reply::Json(200, json!({})) }).await;
    let cluster = to(&fake).await;
    cluster.read().get(&at(pods(), "a")).await.unwrap();
    assert_eq!(fake.asked().len(), 3);
    for name in ["..", "a/b", "", "."] {
        assert!(matches!(cluster.write().get(&at(pods(), name)).await.unwrap_err(), Error::Invalid { .. }), "{name}");
    }
    cluster.write().get(&at(Api::new("rbac.authorization.k8s.io", "v1", "Role", "roles"), "system:x?y")).await.unwrap();
    assert_eq!(fake.last().uri, "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/system:x%3Fy");
}

#[tokio::test]
async fn reads_are_retried_on_a_cluster_that_responded_before() {
    let fake =
        Fake::start(|_, before| if before == 1 { Reply::Cut } else { Reply::Json(200, json!({ "metadata": { "name": "a" } })) }).await;
    let cluster = to(&fake).await;
    cluster.read().get(&at(pods(), "a")).await.unwrap();
    assert!(cluster.read().get(&at(pods(), "a")).await.unwrap().is_some());
    assert_eq!(fake.asked().len(), 3, "one was cut and asked again");
}

#[tokio::test]
async fn writes_are_not_retried_and_neither_is_a_cluster_that_never_responded() {
    let fake = Fake::start(|seen, _| if seen.method == "GET" { Reply::Json(200, json!({})) } else { Reply::Cut }).await;
    let cluster = to(&fake).await;
    cluster.read().get(&at(pods(), "a")).await.unwrap();
    let refused = cluster.write().create(&at(pods(), "a"), &json!({})).await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused:?}");
    assert_eq!(fake.asked().len(), 2);
    let fake = Fake::start(|_, _| Reply::Cut).await;
    assert!(matches!(to(&fake).await.read().get(&at(pods(), "a")).await.unwrap_err(), Error::Unreachable { .. }));
    assert_eq!(fake.asked().len(), 1);
}
