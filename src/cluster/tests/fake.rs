//! A server on loopback that responds over TLS as a test scripts it, and records all requests and the number of connections.

use crate::cluster::{Cluster, Settings};
use base64::Engine;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// The path with its query.
    pub uri: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

pub enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    /// These lines, and then the stream stays open.
    Open(Vec<Value>),
    /// These lines, and then the end of the stream.
    Ended(Vec<Value>),
    /// These bytes, repeated without end.
    Endless(u16, Bytes),
    /// A space after each pause of this length, without end.
    Trickle(Duration),
    /// A reply with one more header.
    With(&'static str, String, Box<Reply>),
    /// No response: the connection is closed.
    Cut,
    /// A reply after this pause.
    Late(Duration, Box<Reply>),
}

type Rule = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

pub struct Fake {
    pub url: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub connections: Arc<AtomicUsize>,
    /// The highest number of requests at a time.
    pub most: Arc<AtomicUsize>,
}

impl Fake {
    /// Starts a server. `rule` receives the request and the number of requests before it.
    pub async fn start(rule: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let fake = Self { url, seen: Arc::default(), connections: Arc::default(), most: Arc::default() };
        let (seen, connections, most) = (fake.seen.clone(), fake.connections.clone(), fake.most.clone());
        let rule: Arc<Rule> = Arc::new(rule);
        let now = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                connections.fetch_add(1, SeqCst);
                let (seen, rule, most, now) = (seen.clone(), rule.clone(), most.clone(), now.clone());
                let service = service_fn(move |request| answer(request, seen.clone(), rule.clone(), most.clone(), now.clone()));
                tokio::spawn(async move {
                    let Ok(tls) = AUTHORITY.0.accept(tcp).await else { return };
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tls), service).await;
                });
            }
        });
        fake
    }

    pub fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|s| format!("{} {}", s.method, s.uri)).collect()
    }

    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

/// One certificate for all servers of a test program: the server's side, and the PEM of the authority.
static AUTHORITY: LazyLock<(TlsAcceptor, String)> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1", "aks.example"].map(str::to_owned)).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let tls = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(tls)), made.cert.pem())
});

/// Returns the cluster entry of a kubeconfig for such a server.
pub fn entry(server: &str) -> Value {
    let authority = base64::engine::general_purpose::STANDARD.encode(&AUTHORITY.1);
    json!({ "server": server, "certificate-authority-data": authority })
}

async fn answer(
    request: http::Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    rule: Arc<Rule>,
    most: Arc<AtomicUsize>,
    now: Arc<AtomicUsize>,
) -> std::io::Result<http::Response<BoxBody<Bytes, Infallible>>> {
    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen_now = Seen {
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let before = {
        let mut all = seen.lock().unwrap();
        all.push(seen_now.clone());
        all.len() - 1
    };
    let mut reply = rule(&seen_now, before);
    let mut response = http::Response::builder();
    loop {
        reply = match reply {
            Reply::Late(pause, then) => {
                tokio::time::sleep(pause).await;
                *then
            }
            Reply::With(name, value, then) => {
                response = response.header(name, value);
                *then
            }
            other => {
                reply = other;
                break;
            }
        }
    }
    now.fetch_sub(1, SeqCst);
    let full = |text: String| Full::new(Bytes::from(text)).boxed();
    let lines = |lines: Vec<Value>| {
        futures::stream::iter(lines.into_iter().map(|l| Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{l}\n"))))))
    };
    let (code, body) = match reply {
        Reply::Json(code, body) => (code, full(body.to_string())),
        Reply::Text(code, body) => (code, full(body.to_owned())),
        Reply::Ended(all) => (200, BodyExt::boxed(StreamBody::new(lines(all)))),
        Reply::Open(all) => (200, BodyExt::boxed(StreamBody::new(lines(all).chain(futures::stream::pending())))),
        Reply::Endless(code, chunk) => (code, BodyExt::boxed(StreamBody::new(for_ever(chunk, Duration::ZERO)))),
        Reply::Trickle(pause) => (200, BodyExt::boxed(StreamBody::new(for_ever(Bytes::from_static(b" "), pause)))),
        Reply::Cut => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Reply::Late(..) | Reply::With(..) => unreachable!(),
    };
    Ok(response.status(code).body(body).unwrap())
}

fn for_ever(chunk: Bytes, pause: Duration) -> impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    futures::stream::repeat(chunk).then(move |chunk| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(Frame::data(chunk))
    })
}

/// Writes a kubeconfig with one context "lab" for a server, and `user` as its user.
pub fn kubeconfig(dir: &TempDir, server: &str, user: Value) -> PathBuf {
    let path = dir.path().join("config");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{ "name": "c", "cluster": entry(server) }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [{ "name": "lab", "context": { "cluster": "c", "user": "u" } }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

pub fn settings(kubeconfig: &std::path::Path) -> Settings {
    Settings {
        kubeconfig: Some(kubeconfig.display().to_string()),
        timeout: Some(Duration::from_secs(2)),
        parallelism: 4,
        ..Settings::default()
    }
}

/// Connects to a cluster with an empty environment.
pub async fn cluster(settings: Settings) -> crate::cluster::Result<Cluster> {
    Cluster::with_env(settings, &|_| None).await
}

pub async fn to(fake: &Fake) -> Cluster {
    let dir = tempfile::tempdir().unwrap();
    cluster(settings(&kubeconfig(&dir, &fake.url, json!({ "token": "t0ken" })))).await.unwrap()
}

pub fn refusal(code: u16, reason: &str, message: &str, details: Value) -> Reply {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message, "details": details });
    Reply::Json(code, body)
}
