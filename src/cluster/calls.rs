//! Sends one request to the API server: URL, time limit, parallelism, retries, and the meaning of a failure.

use super::connect::NotConnected;
use super::error::{Error, Result};
use super::limits::{self, ResponseKind, Timeouts};
use super::login::Login;
use super::paths::{group_path, shown};
use super::status::{RequestInfo, Status, error};
use super::{Api, Served};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use rustls::AlertDescription;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// A request is retried after these pauses (or after Retry-After, up to `LONGEST`) while its time allows: on 429 and 503, and, if it only
/// reads, when a cluster that responded before cannot be reached (an API server that restarts).
const PAUSES: [Duration; 4] = [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
const LONGEST: Duration = Duration::from_secs(10);
/// Connecting has the same limit as a response, but must time out first, because its error says more.
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

pub(super) struct ServerConnection {
    pub(super) context: String,
    pub(super) is_current: bool, // whether kubectl uses it by itself
    /// The URL for errors, without user name and password.
    pub(super) server: String,
    pub(super) host: String,
    /// The time limit of one request with its tries.
    pub(super) timeout: Duration,
    /// The time limit of requests that belong together: the pages of a list, the polls of a deletion.
    pub(super) whole: Duration,
    /// The length of the path in the server's URL, which precedes each request path.
    base: usize,
    client: kube::Client,
    login: Option<Login>,
    requests: Semaphore,
    /// One fewer than `requests`: watches last long, and there must always be a permit for a request.
    watches: Semaphore,
    answered: AtomicBool,
    /// The known kinds of the server, by group and version. Locked during discovery, so that concurrent callers send one request.
    pub(super) discovery: tokio::sync::Mutex<HashMap<(String, String), Vec<Served>>>,
    down: Mutex<Option<(Instant, Error)>>,
}

pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// The path with the query.
    pub(super) path: String,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// What a success contains, which limits its size.
    pub(super) kind: ResponseKind,
}

impl ApiRequest {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, content_type: "", body: Vec::new(), kind: ResponseKind::Object }
    }
    /// Makes a request for one page of a list.
    pub(super) fn page(path: String) -> Self {
        Self { kind: ResponseKind::Page, ..Self::get(path) }
    }
    pub(super) fn json(method: Method, path: String, body: &Value) -> Self {
        Self { method, content_type: "application/json", body: body.to_string().into_bytes(), ..Self::get(path) }
    }
}

pub(super) struct ApiResponse {
    pub(super) code: u16,
    pub(super) body: Bytes,
    wait: Option<Duration>,
}

impl ApiResponse {
    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// A streamed body. It holds its permits until it ends.
pub(super) struct BodyStream<'a> {
    pub(super) body: Body,
    _places: (SemaphorePermit<'a>, SemaphorePermit<'a>),
}

impl ServerConnection {
    pub(super) fn new(context: String, config: &kube::Config, login: Option<Login>, parallelism: usize, times: Timeouts) -> Result<Self> {
        let most = parallelism.max(1);
        let Timeouts { timeout, whole } = times;
        Ok(Self {
            context,
            is_current: true,
            server: shown(&config.cluster_url),
            host: config.cluster_url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase(),
            timeout,
            whole,
            base: config.cluster_url.path().len(),
            client: super::connect::client(config, most, timeout)?,
            login,
            requests: Semaphore::new(most),
            watches: Semaphore::new(most - 1),
            answered: AtomicBool::new(false),
            discovery: tokio::sync::Mutex::default(),
            down: Mutex::new(None),
        })
    }

    /// Returns the token that the next request would carry, if a login command or a file gives one.
    pub(super) async fn token(&self) -> Result<Option<SecretString>> {
        match &self.login {
            Some(login) => login.token().await,
            None => Ok(None),
        }
    }

    /// Returns the response whatever its status.
    pub(super) async fn answer(&self, call: &ApiRequest) -> Result<ApiResponse> {
        self.answer_by(call, after(self.timeout)).await
    }

    /// Like `answer`, but returns at `end` at the latest.
    pub(super) async fn answer_by(&self, call: &ApiRequest, end: Instant) -> Result<ApiResponse> {
        let asked = Instant::now();
        let _place = self.place(&self.requests).await?;
        // requests that queued while the cluster became unreachable fail at once, not one after the other
        if let Some(known) = self.down.lock().unwrap_or_else(PoisonError::into_inner).as_ref().filter(|(at, _)| *at >= asked) {
            return Err(known.1.clone());
        }
        let mut end = end.min(after(self.timeout));
        for pause in PAUSES {
            // the future is large; boxed, it is allocated only when the request has its permit
            let answer = Box::pin(self.once(call, &mut end)).await;
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
        Box::pin(self.once(call, &mut end)).await
    }

    /// Returns a successful response as JSON, or the error that a refusal means.
    pub(super) async fn json(&self, call: &ApiRequest, asked: RequestInfo<'_>) -> Result<Value> {
        self.parse(&self.text(call, asked).await?)
    }

    /// Like `json`, but returns the body unparsed.
    pub(super) async fn text(&self, call: &ApiRequest, asked: RequestInfo<'_>) -> Result<Bytes> {
        let answer = self.answer(call).await?;
        if answer.ok() { Ok(answer.body) } else { Err(self.refusal(asked, &answer).await) }
    }

    pub(super) fn parse(&self, body: &[u8]) -> Result<Value> {
        self.parse_as(body)
    }

    /// Parses a body whose text may be a secret: an error names only the position.
    pub(super) fn parse_as<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T> {
        serde_json::from_slice(body)
            .map_err(|e| self.unreachable(format!("its response is not JSON (line {}, column {})", e.line(), e.column())))
    }

    /// Returns the error of a refusal. A 404 without the object's name may also mean that the server does not know the kind.
    pub(super) async fn refusal(&self, asked: RequestInfo<'_>, answer: &ApiResponse) -> Error {
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

    /// Returns whether the server knows a kind, by one GET of its group and version.
    pub(super) async fn knows(&self, api: &Api) -> Result<bool> {
        let answer = self.answer(&ApiRequest { kind: ResponseKind::Discovery, ..ApiRequest::get(group_path(api)?) }).await?;
        let known = match answer.code {
            404 => false,
            _ if answer.ok() => {
                let list = self.parse(&answer.body)?;
                list["resources"].as_array().into_iter().flatten().any(|r| r["name"] == api.plural.as_str())
            }
            401 => return Err(self.unauthorized()),
            code => {
                let asked = RequestInfo { verb: "get", api, namespace: None, name: None };
                return Err(error(asked, Status::read(code, &answer.body)));
            }
        };
        if !known {
            // what was known of the group's kinds is out of date
            self.discovery.lock().await.remove(&(api.group.clone(), api.version.clone()));
        }
        Ok(known)
    }

    /// Opens a streamed body. None if the limit of watches is reached: the caller must poll.
    pub(super) async fn stream(&self, call: &ApiRequest) -> Result<Option<Result<BodyStream<'_>, ApiResponse>>> {
        let Ok(watch) = self.watches.try_acquire() else { return Ok(None) };
        let places = (watch, self.place(&self.requests).await?);
        let mut end = after(self.timeout);
        let (code, wait, body) = self.open(call, &mut end).await?;
        if (200..300).contains(&code) {
            return Ok(Some(Ok(BodyStream { body, _places: places })));
        }
        let body = self.collect(body, ResponseKind::Refusal, end).await?;
        Ok(Some(Err(ApiResponse { code, body, wait })))
    }

    async fn place<'a>(&self, of: &'a Semaphore) -> Result<SemaphorePermit<'a>> {
        of.acquire().await.map_err(|_| self.unreachable("podid is closing".into()))
    }

    async fn once(&self, call: &ApiRequest, end: &mut Instant) -> Result<ApiResponse> {
        let (code, wait, body) = self.open(call, end).await?;
        let kind = if (200..300).contains(&code) { call.kind } else { ResponseKind::Refusal };
        Ok(ApiResponse { code, body: self.collect(body, kind, *end).await?, wait })
    }

    async fn collect(&self, mut body: Body, kind: ResponseKind, end: Instant) -> Result<Bytes> {
        let most = kind.most();
        let all = async {
            let mut all = BytesMut::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|e| self.broken(&e))?;
                let Some(data) = frame.data_ref() else { continue };
                if all.len().saturating_add(data.len()) > most {
                    return Err(self.too_large(kind));
                }
                all.extend_from_slice(data);
            }
            Ok(all.freeze())
        };
        tokio::time::timeout_at(end, all).await.unwrap_or_else(|_| Err(self.late()))
    }

    pub(super) fn too_large(&self, kind: ResponseKind) -> Error {
        let (context, server) = (self.context.clone(), self.server.clone());
        Error::TooLarge { what: kind.name().to_owned(), context, server, most: limits::size(kind.most()) }
    }

    /// Sends a request and waits for the headers. After a 401 it is sent once more with a new token, if a login command gives tokens. That
    /// command has its own time limit, which is added to `end`.
    async fn open(&self, call: &ApiRequest, end: &mut Instant) -> Result<(u16, Option<Duration>, Body)> {
        let begun = Instant::now();
        let token = match &self.login {
            Some(login) => login.token().await?,
            None => None,
        };
        *end += begun.elapsed();
        let mut response = self.send(call, token.as_ref(), *end).await?;
        let begun = Instant::now();
        if response.status() == 401
            && let (Some(login), Some(refused)) = (&self.login, &token)
            && let Some(token) = login.renew(refused).await?
        {
            *end += begun.elapsed();
            response = self.send(call, Some(&token), *end).await?;
        }
        let wait = response.headers().get(RETRY_AFTER).and_then(|v| limits::seconds(v.to_str().ok()?));
        Ok((response.status().as_u16(), wait, response.into_body()))
    }

    async fn send(&self, call: &ApiRequest, token: Option<&SecretString>, end: Instant) -> Result<http::Response<Body>> {
        // kube joins both into one URL, and panics if it is too long
        if self.base.saturating_add(call.path.len()) > limits::LONGEST_PATH {
            let message = format!("an address of {} bytes is longer than any server takes", call.path.len());
            return Err(Error::Invalid { message, causes: Vec::new() });
        }
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
        let answer = tokio::time::timeout_at(end + CONNECTING_FIRST, self.client.send(request)).await.map_err(|_| {
            let late = self.late();
            self.mark(&late);
            late
        })?;
        let answer = answer.map_err(|e| self.broken(&e))?;
        self.answered.store(true, Ordering::Relaxed);
        tracing::debug!(context = self.context, method = %call.method, path = call.path, status = answer.status().as_u16(), "asked the cluster");
        Ok(answer)
    }

    /// Remembers that the cluster is unreachable, unless it responded before: then it may be back in a moment.
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

    pub(super) fn unauthorized(&self) -> Error {
        Error::Unauthorized { context: self.context.clone(), server: self.server.clone() }
    }

    /// Returns the error of a request without response: no trust, or no connection. The innermost cause is the most useful.
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
                // sent by a server that rejects a client certificate during the handshake
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

/// Returns the end of a time limit; a limit that an `Instant` cannot hold becomes a year.
pub(super) fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now + Duration::from_secs(365 * 24 * 60 * 60))
}

/// Returns whether a 404 is about the requested object (or its namespace), and not about a path that the server does not serve.
pub(super) fn names(status: &Status, asked: RequestInfo<'_>) -> bool {
    let details = &status.details;
    let object = asked.name.is_some_and(|name| name == details.name) && details.kind == asked.api.plural;
    let namespace = details.kind == "namespaces" && asked.namespace.is_some_and(|namespace| namespace == details.name);
    status.reason == "NotFound" && (object || namespace)
}

pub(super) fn missing(api: &Api) -> Error {
    Error::KindMissing { kind: api.kind.clone(), group: api.group.clone(), version: api.version.clone() }
}

pub(super) type SharedConnection = Arc<ServerConnection>;
