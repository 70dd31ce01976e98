//! Sends a request and returns the whole response, with retries, limits of time and size, and one line in the log. It knows neither tokens
//! nor APIs.

use super::{
    Error, Result,
    deadline::Deadline,
    failures,
    http::FirstConnectGate,
    limits::{self, BodyKind},
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::{Bytes, BytesMut};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use url::Url;

pub struct HttpPipeline {
    client: reqwest::Client,
    gates: Mutex<HashMap<String, Arc<FirstConnectGate>>>,
    /// The time limit of a single request.
    limit: Duration,
    /// The time limit of all tries of one request.
    budget: Duration,
}

/// A request, ready to be sent more than once. Not `Debug`: its headers hold tokens and its body may hold a secret.
pub struct HttpRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What a success contains, which limits its size.
    pub kind: BodyKind,
}

impl HttpRequest {
    /// Makes a request for a page of the list that is being read, or for an object.
    pub fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), kind: limits::kind() }
    }

    /// Makes a request for a token, or for what is needed to get one.
    pub fn for_token(method: Method, url: Url) -> Self {
        Self { kind: BodyKind::Token, ..Self::new(method, url) }
    }

    /// Returns whether the request goes to this host over TLS on the default port. No token is sent to any other target.
    pub fn goes_to(&self, host: &str) -> bool {
        let url = &self.url;
        let plain = url.port().is_none() && url.username().is_empty() && url.password().is_none();
        url.scheme() == "https" && url.host_str() == Some(host) && plain
    }

    pub fn bearer(&mut self, token: &str) -> Result<()> {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Protocol("a token that fits no header".to_owned()))?;
        value.set_sensitive(true);
        self.headers.insert(::http::header::AUTHORIZATION, value);
        Ok(())
    }

    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// A response of any status. Not `Debug`, because its body may hold a secret.
pub struct HttpResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl HttpResponse {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Retries of 5xx end after this time; retries of throttled requests go on as long as the settings allow.
const FAILING: Duration = Duration::from_secs(60);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

impl HttpPipeline {
    pub fn new(client: reqwest::Client, limit: Duration, budget: Duration) -> Self {
        Self { client, gates: Mutex::default(), limit, budget }
    }

    /// Sends a request, with retries. Returns the response whatever its status.
    pub async fn send(&self, mut ask: HttpRequest) -> Result<HttpResponse> {
        if ask.url.as_str().len() > limits::LONGEST_ADDRESS {
            return Err(Error::Protocol(format!("{}: a link of {} bytes", ask.host(), ask.url.as_str().len())));
        }
        if !ask.headers.contains_key(&REQUEST_ID)
            && let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string())
        {
            ask.headers.insert(REQUEST_ID, id);
        }
        let started = Instant::now();
        let deadline = Deadline::within(self.budget);
        let mut refused_before = false;
        for nth in 1.. {
            let tried = match tokio::time::timeout_at(deadline.at, Box::pin(self.once(&ask))).await {
                Ok(tried) => tried,
                Err(_) => return Err(Error::TimedOut(deadline.limit)),
            };
            let (after, budget) = match &tried {
                Ok(answer) => match answer.status {
                    429 => (failures::retry_after(&answer.headers), self.budget),
                    503 => (failures::retry_after(&answer.headers), FAILING),
                    408 | 500 | 502 | 504 => (None, FAILING),
                    _ => return tried.map_err(|failure| failure.error),
                },
                Err(failure) if failure.refused && !refused_before => {
                    refused_before = true;
                    (None, self.budget)
                }
                Err(failure) if failure.broken => (None, FAILING),
                Err(_) => return tried.map_err(|failure| failure.error),
            };
            let pause = pause(nth, after);
            // throttling is limited by time alone, because the number of tries depends on how many callers are throttled
            let throttled = matches!(&tried, Ok(answer) if answer.status == 429);
            let late = started.elapsed().saturating_add(pause) > budget || deadline.comes_within(pause);
            if (nth >= TRIES && !throttled) || late {
                return tried.map_err(|failure| failure.error);
            }
            tracing::debug!(host = ask.host(), pause_ms = pause.as_millis() as u64, "trying again");
            tokio::time::sleep(pause).await;
        }
        Err(Error::Protocol("no try was made".to_owned()))
    }

    async fn once(&self, ask: &HttpRequest) -> std::result::Result<HttpResponse, failures::TransportError> {
        let gate = {
            let mut gates = self.gates.lock().unwrap_or_else(|poison| poison.into_inner());
            gates.entry(ask.url.authority().to_owned()).or_default().clone()
        };
        let mut request = reqwest::Request::new(ask.method.clone(), ask.url.clone());
        *request.headers_mut() = ask.headers.clone();
        if !ask.body.is_empty() || matches!(ask.method, Method::PUT | Method::POST | Method::PATCH) {
            *request.body_mut() = Some(ask.body.clone().into());
        }
        let started = Instant::now();
        let answered = gate
            .through(async {
                let response = self.client.execute(request).await?;
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let kind = if response.status().is_success() { ask.kind } else { BodyKind::Refusal };
                let body = body(response, kind.most()).await?;
                Ok((HttpResponse { status, headers, body: body.clone().unwrap_or_default() }, kind, body.is_some()))
            })
            .await;
        let ms = started.elapsed().as_millis() as u64;
        let text = |headers: &HeaderMap, name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
        match answered {
            Ok((answer, kind, whole)) => {
                let id = text(&answer.headers, "x-ms-request-id");
                tracing::debug!(method = %ask.method, host = ask.host(), path = ask.url.path(), status = answer.status, ms, id, "asked");
                if let Some(notice) = answer.headers.get("azure-deprecating").and_then(|v| v.to_str().ok()) {
                    tracing::warn!(host = ask.host(), path = ask.url.path(), notice, "this API version is being retired");
                }
                if whole { Ok(answer) } else { Err(failures::TransportError::of(kind.too_large(ask.host()))) }
            }
            Err(error) => {
                let failure = failures::transport_error(ask.host(), &error, self.limit);
                tracing::debug!(method = %ask.method, host = ask.host(), path = ask.url.path(), ms, error = %failure.error, "no answer");
                Err(failure)
            }
        }
    }
}

/// Returns the decompressed body, or None as soon as it is larger than `most`.
async fn body(mut response: reqwest::Response, most: usize) -> std::result::Result<Option<Bytes>, reqwest::Error> {
    if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > most)) {
        return Ok(None);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Returns the pause before the next try. It grows up to a cap and has jitter, so that callers that were throttled together do not return
/// together.
fn pause(nth: u32, after: Option<Duration>) -> Duration {
    let grown = FIRST_PAUSE.saturating_mul(1 << (nth - 1).min(10)).min(LONGEST_PAUSE);
    let chance = chance();
    match after {
        Some(after) => after.max(FIRST_PAUSE) + FIRST_PAUSE.mul_f64(chance) + after.mul_f64(chance * 0.1),
        None => grown.mul_f64(0.5 + chance * 0.5),
    }
}

/// Returns a random number from 0.0 to 1.0.
pub fn chance() -> f64 {
    let mut bytes = [0; 2];
    // without random bytes the pauses are equal
    let _ = getrandom::fill(&mut bytes);
    f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX)
}
