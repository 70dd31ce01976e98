//! Malformed requests: each gets the answer of its service or is closed, and the listener keeps running.

use super::{
    Lab, Lateness,
    proxy::{dial, hello},
};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const ARM: &str = "https://management.azure.com";

/// Returns status and body.
async fn sent(lab: &Lab, method: &str, url: &str, token: &str, kind: &str, body: Vec<u8>) -> (u16, Value) {
    let request = lab.client.request(method.parse().unwrap(), url).bearer_auth(token).header("content-type", kind).body(body);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// Sends the bytes and reads until the other end closes.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn still_answers(lab: &Lab) {
    let answer = lab.arm("GET", &lab.group(), None).await;
    assert_eq!((answer.status, &answer.body["name"]), (200, &Value::from("podid-lab")));
}

#[tokio::test]
async fn each_service_refuses_a_body_with_its_own_error() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-bad", true).await;
    let caller = lab.caller().await;
    assert_eq!(lab.assign(&lab.group(), super::SECRETS_OFFICER, &caller).await.status, 201);
    let arm = lab.token("https://management.azure.com/.default").await;
    let identity = format!("{ARM}{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/bad?api-version=2023-01-31", lab.group());
    let too_large = format!("{{\"location\": \"{}\"}}", "x".repeat(4 << 20)).into_bytes();
    for (kind, body, status, code) in [
        ("application/json", b"{\"location\": ".to_vec(), 400, "InvalidRequestContent"),
        ("application/json", b"\xff\xfe".to_vec(), 400, "InvalidRequestContent"),
        ("application/json", b"[]".to_vec(), 400, "InvalidRequestContent"),
        ("application/json", "[".repeat(100_000).into_bytes(), 400, "InvalidRequestContent"),
        ("text/plain", b"{\"location\": \"westeurope\"}".to_vec(), 415, "UnsupportedMediaType"),
        ("application/json", too_large.clone(), 413, "RequestContentTooLarge"),
    ] {
        let (found, answer) = sent(&lab, "PUT", &identity, &arm, kind, body).await;
        assert_eq!((found, &answer["error"]["code"]), (status, &Value::from(code)));
        still_answers(&lab).await;
    }
    let keys = lab.token("https://vault.azure.net/.default").await;
    let secret = "https://kv-bad.vault.azure.net/secrets/s?api-version=7.4";
    let (status, answer) = sent(&lab, "PUT", secret, &keys, "application/json", b"{\"value\"".to_vec()).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &Value::from("BadParameter")));
    let (status, answer) = sent(&lab, "PUT", secret, &keys, "application/json", too_large).await;
    assert_eq!((status, answer["error"]["code"].is_string()), (413, true));
    let login = format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", lab.sandbox.access().tenant);
    let (status, answer) = sent(&lab, "POST", &login, "", "application/json", b"%%%&&==".to_vec()).await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_request")));
    assert!(answer["error_description"].as_str().unwrap().starts_with("AADSTS900144"), "{answer}");
    still_answers(&lab).await;
    // refusals are in the log like any other answer
    assert!(lab.lines().iter().any(|l| l["status"] == 413 && l["host"] == "management.azure.com"));
}

#[tokio::test]
async fn an_api_server_accepts_three_megabytes() {
    let lab = Lab::new(Lateness::None).await;
    let config: Value = serde_json::from_slice(&std::fs::read(lab.dir.path().join("kubeconfig")).unwrap()).unwrap();
    let (server, token) =
        (config["clusters"][0]["cluster"]["server"].as_str().unwrap(), config["users"][0]["user"]["token"].as_str().unwrap());
    let url = format!("{server}/api/v1/namespaces/default/configmaps");
    let map = |bytes: usize| format!(r#"{{"metadata": {{"name": "large"}}, "data": {{"a": "{}"}}}}"#, "x".repeat(bytes)).into_bytes();
    let (status, answer) = sent(&lab, "POST", &url, token, "application/json", map(3 << 20)).await;
    assert_eq!((status, &answer["kind"], &answer["reason"]), (413, &Value::from("Status"), &Value::from("RequestEntityTooLarge")));
    assert_eq!(answer["message"], "Request entity too large: limit is 3145728");
    assert_eq!(sent(&lab, "POST", &url, token, "application/json", map(10)).await.0, 201);
}

#[tokio::test]
async fn a_malformed_request_is_answered_or_closed() {
    let lab = Lab::new(Lateness::None).await;
    let host = "management.azure.com";
    let within = async |text: &str| exchange(hello(&lab, host).await.unwrap(), text.as_bytes()).await;
    let token = lab.token("https://management.azure.com/.default").await;
    let broken =
        format!("POST /subscriptions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n");
    let huge = format!("GET / HTTP/1.1\r\nhost: {host}\r\nx-huge: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\nhost: {host}\r\n{}\r\n", "x-a: b\r\n".repeat(5_000));
    for (text, statuses) in [
        ("GET /subscriptions HTTP/1.0\r\n\r\n", &["401"][..]),
        ("GET /%zz/%/%ff%00?%=%&&=%zz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", &["401"]),
        ("nonsense\r\n\r\n", &["400"]),
        ("GET /a b HTTP/1.1\r\n\r\n", &["400"]),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", &["401"]),
        (broken.as_str(), &["400"]),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", &["400"]),
        (huge.as_str(), &["431", "400"]),
        (many.as_str(), &["431", "400"]),
    ] {
        let answer = within(text).await;
        let status = answer.split_whitespace().nth(1).unwrap_or_default();
        assert!(statuses.contains(&status), "{:?} got {answer:?}", &text[..text.len().min(60)]);
        still_answers(&lab).await;
    }
    // a tunnel without TLS in it
    let mut stream = dial(&lab).await;
    stream.write_all(format!("CONNECT {host}:443 HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut opened = [0; 12];
    stream.read_exact(&mut opened).await.unwrap();
    assert_eq!(&opened, b"HTTP/1.1 200");
    let rest = exchange(stream, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
    // a first byte like that of a TLS hello
    exchange(dial(&lab).await, &[22; 4096]).await;
    still_answers(&lab).await;
}

#[tokio::test]
async fn an_aborted_request_has_no_effect_and_a_slow_one_blocks_nobody() {
    let lab = Lab::new(Lateness::None).await;
    let token = lab.token("https://management.azure.com/.default").await;
    let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/half", lab.group());
    let head = format!(
        "PUT {path}?api-version=2023-01-31 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 26\r\n\r\n"
    );
    let mut open = Vec::new();
    for part in 0..60 {
        // nothing, a part of a head, a head without its body, a body without its end
        let text = format!("{head}{{\"location\": \"westeurope\"");
        let end = [0, 20, head.len(), text.len()][part % 4];
        let mut tls = hello(&lab, "management.azure.com").await.unwrap();
        tls.write_all(&text.as_bytes()[..end]).await.unwrap();
        tls.flush().await.unwrap();
        if part < 20 { drop(tls) } else { open.push(tls) }
    }
    let mut plain = Vec::new();
    for _ in 0..40 {
        let mut stream = dial(&lab).await;
        stream.write_all(b"CONN").await.unwrap();
        plain.push(stream);
    }
    still_answers(&lab).await;
    assert_eq!(lab.arm("GET", &path, None).await.status, 404);
    // the slow request is answered when it is complete
    let mut last = open.pop().unwrap();
    last.write_all(b"}").await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(Duration::from_secs(10), last.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
    assert_eq!(lab.arm("GET", &path, None).await.status, 200);
}
