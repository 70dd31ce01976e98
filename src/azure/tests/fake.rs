//! A scripted Azure: a CONNECT proxy that terminates TLS for any host and responds as the test scripts it. It records all requests.

use crate::azure::{Azure, ClientLogin, OnWait, Settings, login::Env};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const SUB: &str = "11111111-1111-1111-1111-111111111111";
pub const OID: &str = "22222222-2222-2222-2222-222222222222";
pub const SECRET: &str = "the-client-secret";

#[derive(Clone, Debug)]
pub struct Seen {
    pub host: String,
    pub method: String,
    /// The path with its query.
    pub path: String,
    pub body: String,
    pub authorized: bool,
    pub if_match: Option<String>,
}

#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub flow: Flow,
}

/// How the body is sent.
#[derive(Clone, Default)]
pub enum Flow {
    #[default]
    Whole,
    /// These bytes, repeated without end.
    Endless(Bytes),
    /// These bytes once, as a body that is not text.
    Bytes(Bytes),
    /// A space after each pause of this length, without end.
    Trickle(Duration),
}

pub fn reply(status: u16, body: Value) -> Reply {
    Reply { body: body.to_string(), ..empty(status) }.with("content-type", "application/json; charset=utf-8")
}

pub fn empty(status: u16) -> Reply {
    Reply { status, headers: vec![], body: String::new(), flow: Flow::Whole }
}

pub fn error(status: u16, code: &str, message: &str) -> Reply {
    reply(status, json!({ "error": { "code": code, "message": message } }))
}

impl Reply {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn flowing(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }
}

/// Receives the request, and how many requests with the same method and path (without query) came before it.
type Script = Arc<dyn Fn(&Seen, usize) -> Reply + Send + Sync>;

struct World {
    script: Script,
    seen: Mutex<Vec<Seen>>,
    conns: Mutex<Vec<String>>,
    delay: Duration,
    refuse_connect: Mutex<Vec<(String, usize)>>,
}

pub struct Fake {
    world: Arc<World>,
    port: u16,
    ca: tempfile::NamedTempFile,
}

impl Fake {
    /// Responds to token requests by itself, and to everything else with `script`.
    pub async fn new(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::slow(Duration::ZERO, script).await
    }

    /// Also serves the names in `hosts`, because a vault in a recording has a name of its own.
    pub async fn of(hosts: &[String], script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(hosts, Duration::ZERO, script).await
    }

    pub async fn slow(delay: Duration, script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(&[], delay, script).await
    }

    async fn start(hosts: &[String], delay: Duration, script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world =
            World { script: Arc::new(script), seen: Mutex::default(), conns: Mutex::default(), delay, refuse_connect: Mutex::default() };
        let world = Arc::new(world);
        let (tls, ca_pem) = authority(hosts);
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), ca_pem).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = world.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(tunnel(socket, shared.clone(), tls.clone()));
            }
        });
        Self { world, port, ca }
    }

    /// Responds to the next `times` CONNECTs to `host` with a 502, as for a name without an address.
    pub fn refuse_connect(&self, host: &str, times: usize) {
        self.world.refuse_connect.lock().unwrap().push((host.to_owned(), times));
    }

    pub fn settings(&self) -> Settings {
        Settings {
            proxy: Some(format!("http://127.0.0.1:{}", self.port)),
            ca: Some(self.ca.path().to_owned()),
            client: Some(ClientLogin {
                tenant: "tenant".to_owned(),
                client_id: "client".to_owned(),
                client_secret: SECRET.to_owned().into(),
            }),
            method: None,
            timeout: Some(Duration::from_secs(20)),
        }
    }

    pub fn azure(&self) -> Azure {
        Azure::with(self.settings(), Env::new(), false).unwrap()
    }

    pub fn azure_with(&self, change: impl FnOnce(&mut Settings), env: &[(&str, &str)]) -> Azure {
        let mut settings = self.settings();
        change(&mut settings);
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Azure::with(settings, env, false).unwrap()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.world.seen.lock().unwrap().clone()
    }

    pub fn on(&self, host: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.host == host).collect()
    }

    /// Returns how many connections were opened to `host`.
    pub fn conns(&self, host: &str) -> usize {
        self.world.conns.lock().unwrap().iter().filter(|one| *one == host).count()
    }
}

/// Returns a callback for waits, and the sentences that it received.
pub fn listener() -> (OnWait, Arc<Mutex<Vec<String>>>) {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = said.clone();
    (Arc::new(move |sentence| kept.lock().unwrap().push(sentence)), said)
}

fn authority(hosts: &[String]) -> (tokio_rustls::TlsAcceptor, String) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "a test's own");
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = [
        "management.azure.com",
        "login.microsoftonline.com",
        "graph.microsoft.com",
        "token.actions.githubusercontent.com",
        "*.vault.azure.net",
    ];
    let names: Vec<String> = names.into_iter().map(str::to_owned).chain(hosts.iter().cloned()).collect();
    let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), pem)
}

async fn tunnel(mut socket: TcpStream, world: Arc<World>, tls: tokio_rustls::TlsAcceptor) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let host = head.strip_prefix("CONNECT ")?.split(':').next()?.to_owned();
    let refused = {
        let mut refuse = world.refuse_connect.lock().unwrap();
        let one = refuse.iter_mut().find(|(name, times)| *name == host && *times > 0);
        one.map(|(_, times)| *times -= 1).is_some()
    };
    if refused {
        socket.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.ok()?;
        return None;
    }
    world.conns.lock().unwrap().push(host.clone());
    socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    let stream = tls.accept(socket).await.ok()?;
    let serve = service_fn(move |request| answer(request, host.clone(), world.clone()));
    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), serve).await.ok()
}

type Body = BoxBody<Bytes, Infallible>;

fn body(reply: Reply) -> Body {
    let endless = |chunk: Bytes| stream::repeat(chunk).map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)));
    match reply.flow {
        Flow::Whole => Full::new(reply.body.into()).boxed(),
        Flow::Bytes(bytes) => Full::new(bytes).boxed(),
        Flow::Endless(chunk) => BodyExt::boxed(StreamBody::new(endless(chunk))),
        Flow::Trickle(pause) => BodyExt::boxed(StreamBody::new(endless(Bytes::from_static(b" ")).then(move |frame| async move {
            tokio::time::sleep(pause).await;
            frame
        }))),
    }
}

async fn answer(request: Request<Incoming>, host: String, world: Arc<World>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let (method, authorized) = (request.method().to_string(), request.headers().contains_key("authorization"));
    let if_match = request.headers().get("if-match").map(|value| value.to_str().unwrap().to_owned());
    let sent =
        String::from_utf8(request.into_body().collect().await.map(|b| b.to_bytes().to_vec()).unwrap_or_default()).unwrap_or_default();
    let seen = Seen { host, method, path, body: sent, authorized, if_match };
    let same = |other: &Seen| {
        other.host == seen.host && other.method == seen.method && other.path.split('?').next() == seen.path.split('?').next()
    };
    let nth = {
        let mut all = world.seen.lock().unwrap();
        let nth = all.iter().filter(|other| same(other)).count();
        all.push(seen.clone());
        nth
    };
    tokio::time::sleep(world.delay).await;
    let mut reply = (world.script)(&seen, nth);
    if reply.status == 0 {
        reply = if seen.host == "login.microsoftonline.com" {
            reply_token()
        } else {
            error(404, "NotScripted", "the test says nothing to this")
        };
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(body(reply)).unwrap())
}

/// Leaves the request to the default: a token, or 404.
pub fn pass() -> Reply {
    empty(0)
}

fn reply_token() -> Reply {
    token_for(86399)
}

/// A token of Entra that expires after this many seconds.
pub fn token_for(seconds: u64) -> Reply {
    let claims = json!({ "oid": OID, "tid": "tenant", "idtyp": "app", "appid": "client" });
    let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
    reply(200, json!({ "token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token }))
}

/// Runs one ignored test of this program in a process of its own, because its environment and its log subscriber are process-wide.
pub fn alone(test: &str) -> tokio::process::Command {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("azure::tests::{test}"), "--ignored", "--nocapture"]).env_clear();
    child
}
