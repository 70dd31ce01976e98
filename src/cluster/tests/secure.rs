//! A TLS server with its own authority: which servers podid trusts, and which client certificates the server accepts.

use super::fake::{cluster, settings};
use super::{at, pods};
use crate::cluster::{Cluster, Error, Result, Settings};
use base64::Engine;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key as PEM.
struct Pair(String, String);

impl Authority {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        Self { pem: cert.pem(), der: cert.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// Issues a certificate for a name that is valid for `years`, from 2020 on.
    fn signs(&self, name: &str, years: i32) -> (Pair, CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020 + years, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        (Pair(cert.pem(), key.serialize_pem()), cert.der().clone(), der)
    }
}

/// Responds with 200 to clients with a known certificate and with 401 to others. With `strict`, others fail in the handshake.
async fn serve(authority: &Authority, strict: bool) -> u16 {
    let (_, cert, key) = authority.signs("api.lab", 60);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
    let verifier = if strict { verifier } else { verifier.allow_unauthenticated() };
    let tls = rustls::ServerConfig::builder().with_client_cert_verifier(verifier.build().unwrap());
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls.with_single_cert(vec![cert], key).unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let known = tls.get_ref().1.peer_certificates().is_some();
                let mut head = [0; 4096];
                while let Ok(1..) = tls.read(&mut head).await {
                    let (status, body) =
                        if known { ("200 OK", json!({ "metadata": { "name": "a" } })) } else { ("401 Unauthorized", json!({})) };
                    let body = body.to_string();
                    let answer =
                        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    tls.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    port
}

/// Writes a kubeconfig to a folder of its own, next to the files that it names.
fn config(dir: &TempDir, port: u16, cluster: Value, user: Value) -> Settings {
    let mut entry = json!({ "server": format!("https://127.0.0.1:{port}") });
    entry.as_object_mut().unwrap().extend(cluster.as_object().unwrap().clone());
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{ "name": "c", "cluster": entry }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [{ "name": "lab", "context": { "cluster": "c", "user": "u" } }],
    });
    let path = dir.path().join("config");
    std::fs::write(&path, text.to_string()).unwrap();
    settings(&path)
}

fn data(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

async fn asked(settings: Settings) -> Result<Option<Value>> {
    let cluster: Cluster = cluster(settings).await?;
    cluster.read().get(&at(pods(), "a")).await
}

#[tokio::test]
async fn a_client_certificate_is_shown_from_data_and_from_files_beside_the_kubeconfig() {
    let authority = Authority::new();
    let port = serve(&authority, true).await;
    let (Pair(cert, key), ..) = authority.signs("me", 60);
    let dir = tempfile::tempdir().unwrap();
    let named = json!({ "certificate-authority-data": data(&authority.pem), "tls-server-name": "api.lab" });
    let user = json!({ "client-certificate-data": data(&cert), "client-key-data": data(&key) });
    assert!(asked(config(&dir, port, named, user)).await.unwrap().is_some());
    for (name, text) in [("ca.crt", &authority.pem), ("me.crt", &cert), ("me.key", &key)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let named = json!({ "certificate-authority": "ca.crt", "tls-server-name": "api.lab" });
    let user = json!({ "client-certificate": "me.crt", "client-key": "./me.key" });
    let by_files = config(&dir, port, named, user);
    assert!(asked(by_files.clone()).await.unwrap().is_some());
    // a program that podid runs gets all that the connection needs
    let (other, given) = (tempfile::tempdir().unwrap(), cluster(by_files).await.unwrap().kubeconfig().await.unwrap());
    std::fs::write(other.path().join("config"), given.expose_secret()).unwrap();
    assert!(asked(settings(&other.path().join("config"))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_is_trusted_only_with_its_own_name_or_with_insecure_skip_tls_verify() {
    let authority = Authority::new();
    let port = serve(&authority, false).await;
    let (Pair(cert, key), ..) = authority.signs("me", 60);
    let dir = tempfile::tempdir().unwrap();
    let user = json!({ "client-certificate-data": data(&cert), "client-key-data": data(&key) });
    let ca = data(&authority.pem);
    let e = asked(config(&dir, port, json!({ "certificate-authority-data": ca }), user.clone())).await.unwrap_err();
    assert!(matches!(&e, Error::Untrusted { context, .. } if context == "lab"), "its certificate is of another name: {e:?}");
    let e = asked(config(&dir, port, json!({ "tls-server-name": "api.lab" }), user.clone())).await.unwrap_err();
    assert!(matches!(e, Error::Untrusted { .. }), "nobody vouches for it: {e:?}");
    assert!(asked(config(&dir, port, json!({ "insecure-skip-tls-verify": true }), user.clone())).await.unwrap().is_some());
    let both = json!({ "insecure-skip-tls-verify": true, "certificate-authority-data": ca });
    let e = asked(config(&dir, port, both, user)).await.unwrap_err();
    assert!(matches!(&e, Error::Kubeconfig(why) if why.contains("\"lab\"") && why.contains("insecure-skip-tls-verify")), "{e:?}");
}

#[tokio::test]
async fn a_client_certificate_that_has_ended_or_is_missing_is_an_unaccepted_credential() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let named = json!({ "certificate-authority-data": data(&authority.pem), "tls-server-name": "api.lab" });
    let (Pair(old, old_key), ..) = authority.signs("me", 1);
    let (Pair(foreign, foreign_key), ..) = Authority::new().signs("me", 60);
    let pair = |cert: &str, key: &str| json!({ "client-certificate-data": data(cert), "client-key-data": data(key) });
    // one server checks in the handshake, the other responds with 401, as an API server does without a credential
    let (strict, lenient) = (serve(&authority, true).await, serve(&authority, false).await);
    for (port, user) in [(strict, pair(&old, &old_key)), (strict, pair(&foreign, &foreign_key)), (strict, json!({})), (lenient, json!({}))]
    {
        let e = asked(config(&dir, port, named.clone(), user)).await.unwrap_err();
        let server = format!("https://127.0.0.1:{port}");
        assert!(matches!(&e, Error::Unauthorized { context, server: named } if context == "lab" && *named == server), "{e:?}");
    }
}

#[tokio::test]
async fn a_file_that_a_kubeconfig_names_and_that_is_not_there_is_named() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let (Pair(cert, _), ..) = authority.signs("me", 60);
    for (cluster, user, missing) in [
        (json!({ "certificate-authority": "gone.crt" }), json!({}), "gone.crt"),
        (json!({}), json!({ "client-certificate": "gone.crt", "client-key": "gone.key" }), "gone.crt"),
        (json!({}), json!({ "client-certificate-data": data(&cert), "client-key": "gone.key" }), "gone.key"),
        (json!({}), json!({ "tokenFile": "gone.token" }), "gone.token"),
    ] {
        let e = asked(config(&dir, 1, cluster, user)).await.unwrap_err();
        assert!(matches!(&e, Error::Kubeconfig(why) if why.contains(missing)), "{missing}: {e:?}");
    }
}
