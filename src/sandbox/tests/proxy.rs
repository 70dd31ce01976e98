//! The listener: where it leads to, what it refuses, and that nothing stops it.

use super::{Lab, Lateness};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn raw(lab: &Lab, bytes: &[u8]) -> String {
    let mut stream = dial(lab).await;
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or_default()
}

#[tokio::test]
async fn the_proxy_leads_only_to_the_sandboxs_hosts() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-there", true).await;
    let connect =
        async |host: &str| status(&raw(&lab, format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await).to_owned();
    for host in ["login.microsoftonline.com:443", "MANAGEMENT.azure.com:443", "graph.microsoft.com:443", "kv-there.vault.azure.net:443"] {
        assert_eq!(connect(host).await, "200", "{host}");
    }
    assert_eq!(connect("kv-absent.vault.azure.net:443").await, "502");
    assert_eq!(connect("example.com:443").await, "403");
    assert_eq!(connect("management.azure.com:80").await, "403");
    lab.arm("DELETE", &lab.vault_path("kv-there"), None).await;
    assert_eq!(connect("kv-there.vault.azure.net:443").await, "502");
    assert_eq!(status(&raw(&lab, b"GET http://example.com/ HTTP/1.1\r\nhost: example.com\r\n\r\n").await), "403");
}

#[tokio::test]
async fn malformed_data_is_answered_and_the_listener_keeps_running() {
    let lab = Lab::new(Lateness::None).await;
    let token = format!("authorization: Bearer {}", lab.control_token());
    let plain = format!("GET http://sandbox.podid/settings HTTP/1.0\r\n{token}\r\n\r\n");
    assert_eq!(status(&raw(&lab, plain.as_bytes()).await), "200");
    assert_eq!(status(&raw(&lab, b"\x00\x01\x02 nonsense\r\n\r\n").await), "400");
    assert_eq!(status(&raw(&lab, b"CONNECT\r\n\r\n").await), "400");
    assert_eq!(raw(&lab, b"").await, "");
    raw(&lab, b"POST http://sandbox.podid/settings HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nhalf").await;
    raw(&lab, b"\x16\x03\x01\x00\x05hello").await;
    let huge = vec![b'x'; 5 << 20];
    let head = "POST http://sandbox.podid/settings HTTP/1.1\r\nhost: x";
    let head = format!("{head}\r\n{token}\r\ncontent-length: {}\r\n\r\n", huge.len());
    assert_eq!(status(&raw(&lab, &[head.as_bytes(), &huge].concat()).await), "413");
    assert_eq!(lab.control("GET", "/settings", None).await.status, 200);
}

#[tokio::test]
async fn the_control_interface_requires_the_token_of_the_folder() {
    let lab = Lab::new(Lateness::None).await;
    for (method, path) in [("GET", "/settings"), ("POST", "/settings"), ("POST", "/callers"), ("POST", "/reset"), ("GET", "/export")] {
        for token in [None, Some("x"), Some("")] {
            let answer = lab.send(method, &format!("http://sandbox.podid{path}"), token, Some(&json!({}))).await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert!(answer.body["way"].as_str().unwrap().contains("control_token"));
        }
    }
    // it also does not wait for a body
    let head = b"POST http://sandbox.podid/reset HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n";
    assert_eq!(status(&raw(&lab, head).await), "401");
}

#[tokio::test]
async fn two_sandboxes_have_different_logins() {
    let (one, two) = (Lab::new(Lateness::None).await, Lab::new(Lateness::None).await);
    let (mine, theirs) = (one.sandbox.access().clone(), two.sandbox.access().clone());
    assert_eq!(mine.client_id, theirs.client_id);
    assert_ne!(mine.client_secret, theirs.client_secret);
    let form = |secret: &str| {
        [("grant_type", "client_credentials"), ("client_id", &*mine.client_id), ("scope", "https://management.azure.com/.default")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .chain([("client_secret".to_owned(), secret.to_owned())])
            .collect::<Vec<_>>()
    };
    let login = async |secret: &str| {
        let form = form(secret);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        one.form(&format!("{}/oauth2/v2.0/token", mine.tenant), &form).await.status
    };
    assert_eq!(login(&mine.client_secret).await, 200);
    assert_eq!(login(&theirs.client_secret).await, 401);
}

#[tokio::test]
async fn tls_without_connect_uses_the_name_in_its_hello() {
    let lab = Lab::new(Lateness::None).await;
    let mut tls = hello(&lab, "management.azure.com").await.unwrap();
    tls.write_all(b"GET /subscriptions HTTP/1.1\r\nhost: management.azure.com\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer).await;
    assert_eq!(status(&String::from_utf8_lossy(&answer)), "401");
    let refused = hello(&lab, "example.com").await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("alert"), "{refused}");
}

/// Opens a TLS connection to the listener itself.
pub(super) async fn hello(lab: &Lab, name: &'static str) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read_to_string(&lab.sandbox.access().ca).unwrap();
    let der = rustls::pki_types::CertificateDer::from(pem_body(&pem));
    roots.add(der).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(rustls::pki_types::ServerName::try_from(name).unwrap(), dial(lab).await).await
}

pub(super) async fn dial(lab: &Lab) -> TcpStream {
    TcpStream::connect(lab.sandbox.access().proxy.strip_prefix("http://").unwrap()).await.unwrap()
}

fn pem_body(pem: &str) -> Vec<u8> {
    use base64::Engine as _;
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[tokio::test]
async fn one_connection_serves_concurrent_requests() {
    let lab = Lab::new(Lateness::None).await;
    let token = lab.token("https://management.azure.com/.default").await;
    let url = format!("https://management.azure.com{}?api-version=2021-04-01", lab.group());
    assert_eq!(lab.send("GET", &url, Some(&token), None).await.status, 200);
    let all = futures::future::join_all((0..30).map(|_| lab.send("GET", &url, Some(&token), None))).await;
    assert!(all.iter().all(|a| a.status == 200));
    let mut conns: Vec<u64> =
        lab.lines().iter().filter(|l| l["host"] == "management.azure.com").map(|l| l["conn"].as_u64().unwrap()).collect();
    conns.dedup();
    assert_eq!(conns.len(), 1);
}
