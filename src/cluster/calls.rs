//! One request to the API server: its URL, its time limit, who may be on the wire at once, what is tried again, and what a failure means.

use super::connect::NotConnected;
use super::error::{Error, Result};
use super::login::Login;
use super::status::{Asked, Status, error};
use super::{Api, At};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use rustls::AlertDescription;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// 429 and 503 are asked again after these pauses (or what Retry-After says, up to `LONGEST`), as long as the request's time allows; so is
/// what only reads, where a cluster that answered before cannot be reached for a moment (an API server that is started anew).
const PAUSES: [Duration; 4] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
const LONGEST: Duration = Duration::from_secs(10);
/// The limit of connecting is as long as that of an answer, and has the first word: it says more.
const CONNECTING_FIRST: Duration = Duration::from_millis(100);

const OF_A_CERTIFICATE: [AlertDescription; 9] = [
    AlertDescription::AccessDenied,
    AlertDescription::DecryptError,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateRequired,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateUnknown,
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::UnknownCA,
];

pub(super) struct Link {
    pub(super) context: String,
    /// As errors show it: without a user's name or password.
    pub(super) server: String,
    pub(super) host: String,
    pub(super) timeout: Duration,
    client: kube::Client,
    login: Option<Login>,
    requests: Semaphore,
    /// One fewer: watches last long, and a request must always get through.
    watches: Semaphore,
    answered: AtomicBool,
    down: Mutex<Option<(Instant, Error)>>,
}

pub(super) struct Call {
    pub(super) method: Method,
    /// With the query.
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Call {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, content_type: "", body: Vec::new() }
    }
    pub(super) fn json(method: Method, path: String, body: &Value) -> Self {
        Self { method, path, content_type: "application/json", body: body.to_string().into_bytes() }
    }
}

pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Bytes,
    wait: Option<Duration>,
}

impl Answer {
    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// A body that goes on, with its places on the wire.
pub(super) struct Flow<'a> {
    pub(super) body: Body,
    _places: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

impl Link {
    pub(super) fn new(context: String, config: &kube::Config, login: Option<Login>, parallelism: usize, timeout: Duration) -> Result<Self> {
        let most = parallelism.max(1);
        Ok(Self {
            context,
            server: shown(&config.cluster_url),
            host: config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase(),
            timeout,
            client: super::connect::client(config, most, timeout)?,
            login,
            requests: Semaphore::new(most),
            watches: Semaphore::new(most - 1),
            answered: AtomicBool::new(false),
            down: Mutex::new(None),
        })
    }

    /// The answer, whatever its status.
    pub(super) async fn answer(&self, call: &Call) -> Result<Answer> {
        let asked = Instant::now();
        let _place = self.place(&self.requests).await?;
        // those who queued while the cluster turned out to be unreachable need not find that out one after the other
        if let Some(known) = self.down.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(|(at, _)| *at >= asked) {
            return Err(known.1.clone());
        }
        let end = Instant::now() + self.timeout;
        for pause in PAUSES {
            // most of what waits for its place on the wire is large; boxed, it is not there before it has one
            let answer = Box::pin(self.once(call)).await;
            let pause = match &answer {
                Ok(answer) if matches!(answer.code, 429 | 503) => answer.wait.unwrap_or(pause).min(LONGEST),
                Err(Error::Unreachable { .. }) if call.method == Method::GET && self.answered.load(Ordering::Relaxed) => pause,
                _ => return answer,
            };
            if Instant::now() + pause >= end {
                return answer;
            }
            tokio::time::sleep(pause).await;
        }
        Box::pin(self.once(call)).await
    }

    /// A successful answer as JSON; a refusal as what it means.
    pub(super) async fn json(&self, call: &Call, asked: Asked<'_>) -> Result<Value> {
        self.parse(&self.text(call, asked).await?)
    }

    /// As `json`, before it is read.
    pub(super) async fn text(&self, call: &Call, asked: Asked<'_>) -> Result<Bytes> {
        let answer = self.answer(call).await?;
        if answer.ok() { Ok(answer.body) } else { Err(self.refusal(asked, &answer).await) }
    }

    pub(super) fn parse(&self, body: &[u8]) -> Result<Value> {
        serde_json::from_slice(body)
            .map_err(|e| self.unreachable(format!("it answered something that is no JSON (line {}, column {})", e.line(), e.column())))
    }

    /// A 404 without the object's name may also mean that the server does not know the kind.
    pub(super) async fn refusal(&self, asked: Asked<'_>, answer: &Answer) -> Error {
        let status = Status::read(answer.code, &answer.body);
        if answer.code == 401 {
            return self.unauthorized();
        }
        if answer.code == 404 && !names(&status, asked) {
            match self.knows(asked.api).await {
                Ok(true) => {}
                Ok(false) => return missing(asked.api),
                Err(e) => return e,
            }
        }
        error(asked, status)
    }

    /// One GET of the kind's group and version.
    pub(super) async fn knows(&self, api: &Api) -> Result<bool> {
        let answer = self.answer(&Call::get(group_path(api)?)).await?;
        match answer.code {
            404 => Ok(false),
            _ if answer.ok() => {
                let list = self.parse(&answer.body)?;
                Ok(list["resources"].as_array().into_iter().flatten().any(|r| r["name"] == api.plural.as_str()))
            }
            401 => Err(self.unauthorized()),
            code => {
                let asked = Asked { verb: "get", api, namespace: None, name: None };
                Err(error(asked, Status::read(code, &answer.body)))
            }
        }
    }

    /// A body that goes on. None: as many watches run as may, the caller has to ask from time to time.
    pub(super) async fn flow(&self, call: &Call) -> Result<Option<Result<Flow<'_>, Answer>>> {
        let Ok(watch) = self.watches.try_acquire() else { return Ok(None) };
        let places = (watch, self.place(&self.requests).await?);
        let (code, wait, body) = self.open(call).await?;
        if (200..300).contains(&code) {
            return Ok(Some(Ok(Flow { body, _places: places })));
        }
        let body = self.collect(body).await?;
        Ok(Some(Err(Answer { code, body, wait })))
    }

    async fn place<'a>(&self, of: &'a Semaphore) -> Result<SemaphorePermit<'a>> {
        of.acquire().await.map_err(|_| self.unreachable("podid is closing".into()))
    }

    async fn once(&self, call: &Call) -> Result<Answer> {
        let (code, wait, body) = self.open(call).await?;
        Ok(Answer { code, body: self.collect(body).await?, wait })
    }

    async fn collect(&self, body: Body) -> Result<Bytes> {
        let all = tokio::time::timeout(self.timeout, body.collect()).await.map_err(|_| self.late())?;
        Ok(all.map_err(|e| self.broken(&e))?.to_bytes())
    }

    /// Until the headers are there. A 401 is answered once with a new token, where a login command gives them.
    async fn open(&self, call: &Call) -> Result<(u16, Option<Duration>, Body)> {
        let token = match &self.login {
            Some(login) => login.token().await?,
            None => None,
        };
        let mut response = self.send(call, token.as_ref()).await?;
        if response.status() == 401
            && let (Some(login), Some(refused)) = (&self.login, &token)
            && let Some(token) = login.renew(refused).await?
        {
            response = self.send(call, Some(&token)).await?;
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        Ok((response.status().as_u16(), wait, response.into_body()))
    }

    async fn send(&self, call: &Call, token: Option<&SecretString>) -> Result<http::Response<Body>> {
        let mut request = Request::builder().method(call.method.clone()).uri(&call.path);
        if !call.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, call.content_type);
        }
        if let Some(token) = token {
            let header = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut header = header.map_err(|_| self.unauthorized())?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        let request = request
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::USER_AGENT, concat!("podid/", env!("CARGO_PKG_VERSION")))
            .body(Body::from(call.body.clone()))
            .map_err(|e| Error::Invalid { message: e.to_string(), causes: Vec::new() })?;
        let answer = tokio::time::timeout(self.timeout + CONNECTING_FIRST, self.client.send(request)).await.map_err(|_| {
            let late = self.late();
            self.mark(&late);
            late
        })?;
        let answer = answer.map_err(|e| self.broken(&e))?;
        self.answered.store(true, Ordering::Relaxed);
        tracing::debug!(context = self.context, method = %call.method, path = call.path, status = answer.status().as_u16(), "asked the cluster");
        Ok(answer)
    }

    /// Not for a cluster that answered before: it may be back in a moment.
    fn mark(&self, error: &Error) {
        if self.answered.load(Ordering::Relaxed) {
            return;
        }
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), error.clone()));
    }

    fn late(&self) -> Error {
        self.unreachable(format!("no answer within {:?}", self.timeout))
    }

    pub(super) fn unreachable(&self, cause: String) -> Error {
        Error::Unreachable { context: self.context.clone(), server: self.server.clone(), cause }
    }

    fn unauthorized(&self) -> Error {
        Error::Unauthorized { context: self.context.clone(), server: self.server.clone() }
    }

    /// A request that got no answer: no trust, or no way through. The innermost cause is the one that says something.
    fn broken(&self, e: &kube::Error) -> Error {
        let mut connecting = false;
        let mut untrusted = None;
        let mut refused = false;
        let mut cause = e.to_string();
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(e);
        while let Some(e) = next {
            connecting |= e.is::<NotConnected>();
            match e.downcast_ref() {
                Some(rustls::Error::InvalidCertificate(why)) => untrusted = Some(why.to_string()),
                // what a server that looks at client certificates while it shakes hands says of one
                Some(rustls::Error::AlertReceived(alert)) => refused |= OF_A_CERTIFICATE.contains(alert),
                _ => {}
            }
            cause = e.to_string();
            // io::Error hides what it wraps from source()
            let wrapped = e.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
            next = match wrapped {
                Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
                None => e.source(),
            };
        }
        let error = match untrusted {
            Some(cause) => Error::Untrusted { context: self.context.clone(), server: self.server.clone(), cause },
            None if refused => self.unauthorized(),
            None => self.unreachable(cause),
        };
        if connecting {
            self.mark(&error);
        }
        error
    }
}

/// Whether a 404 speaks of the very object (or its namespace), and not of a path that nobody serves.
pub(super) fn names(status: &Status, asked: Asked<'_>) -> bool {
    let details = &status.details;
    let object = asked.name.is_some_and(|name| name == details.name) && details.kind == asked.api.plural;
    let namespace = details.kind == "namespaces" && asked.namespace.is_some_and(|namespace| namespace == details.name);
    status.reason == "NotFound" && (object || namespace)
}

pub(super) fn missing(api: &Api) -> Error {
    Error::KindMissing { kind: api.kind.clone(), group: api.group.clone(), version: api.version.clone() }
}

/// Without a user's name or password.
pub(super) fn shown(url: &http::Uri) -> String {
    let authority = url.authority().map(|a| a.as_str()).unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = url.path().trim_end_matches('/');
    format!("{}://{authority}{path}", url.scheme_str().unwrap_or("https"))
}

fn group_path(api: &Api) -> Result<String> {
    if api.group.is_empty() {
        return Ok(format!("/api/{}", segment(&api.version)?));
    }
    Ok(format!("/apis/{}/{}", segment(&api.group)?, segment(&api.version)?))
}

pub(super) fn list_path(api: &Api, namespace: Option<&str>) -> Result<String> {
    let group = group_path(api)?;
    let plural = segment(&api.plural)?;
    Ok(match namespace {
        Some(namespace) => format!("{group}/namespaces/{}/{plural}", segment(namespace)?),
        None => format!("{group}/{plural}"),
    })
}

pub(super) fn object_path(at: &At) -> Result<String> {
    Ok(format!("{}/{}", list_path(&at.api, at.namespace.as_deref())?, segment(&at.name)?))
}

/// A name that could leave its place in the path never reaches the wire.
fn segment(name: &str) -> Result<String> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        let message = format!("{name:?} is no name of an object");
        return Err(Error::Invalid { causes: vec![("metadata.name".into(), message.clone())], message });
    }
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    Ok(out)
}

/// `?a=b&c=d` of those that have a value.
pub(super) fn query(parts: &[(&str, Option<&str>)]) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts {
        if let Some(value) = value {
            out.append_pair(name, value);
        }
    }
    let text = out.finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

pub(super) type Shared = Arc<Link>;
