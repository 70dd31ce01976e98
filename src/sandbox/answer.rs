//! Handles one request from its headers to its answer: rejects unknown callers, reads the body, applies the settings (counts, holds,
//! faults), asks the service that the request is for, saves, and logs. A request that panics changes nothing and gets an answer like any
//! other.

use super::{
    attempt::{Panicked, attempt, caught_while},
    azure::{self, call::Effect},
    body_limits,
    connections::Conn,
    control::{self, CONTROL_HOST},
    http::{Body, Request, Response},
    issuer,
    log::LogEntry,
    running::{Running, RunningCluster},
    settings::{Fail, When},
    stream::Chunks,
    token_proxy, webhook,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{
    HeaderMap,
    body::Incoming,
    header::{HeaderName, HeaderValue},
};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc, time::Instant};

pub type HttpAnswer = hyper::Response<BoxBody<Bytes, Infallible>>;

fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

pub fn plain(status: u16, text: &str) -> HttpAnswer {
    seal(Response::new(status).with("content-type", "text/plain; charset=utf-8").with_body(format!("{text}\n")))
}

impl Response {
    fn with_body(mut self, text: String) -> Self {
        self.body = Body::Full(text.into());
        self
    }
}

/// A header that cannot be sent is left out.
fn seal(response: Response) -> HttpAnswer {
    let body = match response.body {
        Body::Full(bytes) => Full::new(bytes).boxed(),
        Body::Stream(receiver) => Chunks(receiver).boxed(),
    };
    let mut answer = hyper::Response::new(body);
    *answer.status_mut() = hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// Returns who sent the request. The simulated components name themselves in a header.
fn asked_by(headers: &HeaderMap) -> &'static str {
    match headers.get("x-podid-player").map(HeaderValue::as_bytes) {
        Some(b"mic") => "mic",
        Some(b"nmi") => "nmi",
        Some(b"csi") => "csi",
        Some(b"cloud") => "cloud",
        Some(b"istiod") => "istiod",
        _ => "client",
    }
}

/// `host` is the target of the connection, as CONNECT or the TLS hello named it.
pub async fn answer(running: Arc<Running>, conn: Conn, host: String, request: hyper::Request<Incoming>) -> HttpAnswer {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let by = asked_by(&head.headers);
    let mut headers = headers(&head.headers);
    headers.retain(|(name, _)| name != "x-podid-player");
    let request = Request {
        method: head.method.as_str().to_owned(),
        host,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: Bytes::new(),
    };
    let answered = caught_while(handle(&running, conn, by, &request, &head.headers, body)).await;
    let mut response = answered.unwrap_or_else(|Panicked| {
        let response = body_limits::internal(&request.host, running.cluster(&request.host).is_some());
        log_answer(&running, conn, by, &request, response.status, began);
        response
    });
    // HTTP/2 has no body after HEAD, and hyper sends one that it is given
    if request.method == "HEAD" {
        response.body = Body::Full(Bytes::new());
    }
    seal(response)
}

/// Reads the body only if the caller may make the request.
async fn handle(running: &Arc<Running>, conn: Conn, by: &str, head: &Request, headers: &HeaderMap, body: Incoming) -> Response {
    let began = Instant::now();
    let control = head.host == CONTROL_HOST;
    if control && let Some(refused) = control::refused(running, conn, headers) {
        return refused;
    }
    let cluster = running.cluster(&head.host);
    let refusal = match &cluster {
        Some(cluster) => cluster.kube.refused(head),
        None => azure::refused(&mut running.azure(), head, &running.settings.rules(), azure::times::now()),
    };
    if refusal.is_some() {
        return apply_settings(running, conn, by, head, refusal).await;
    }
    let whole = match running.bodies.read(body, &head.method, &head.host, cluster.is_some()).await {
        Ok(whole) => whole,
        Err(fault) => {
            let response = body_limits::refusal(&head.host, cluster.is_some(), fault);
            log_answer(running, conn, by, head, response.status, began);
            return response;
        }
    };
    let request = Request { body: whole.bytes.clone(), ..head.clone() };
    if control {
        return control::answer(running, &request).await;
    }
    apply_settings(running, conn, by, &request, None).await
}

/// `refusal` is the answer for a caller who may not make the request.
async fn apply_settings(running: &Arc<Running>, conn: Conn, by: &str, request: &Request, refusal: Option<Response>) -> Response {
    let began = Instant::now();
    let path = with_query(request);
    let handling = running.settings.handling(by, &request.method, &request.host, &path);
    if handling.hold == Some(When::Before) {
        hang(running).await;
    }
    let true_answer = async || match refusal {
        Some(refusal) => refusal,
        None => true_answer(running, by, request, &handling.rules).await,
    };
    let response = match handling.fail {
        Some(fail) => {
            if fail.when == Some(When::After) {
                true_answer().await;
            }
            failed(fail)
        }
        None => true_answer().await,
    };
    if handling.hold == Some(When::After) {
        hang(running).await;
    }
    if !handling.delay.is_zero() {
        tokio::time::sleep(handling.delay).await;
    }
    log_answer(running, conn, by, request, response.status, began);
    response
}

fn with_query(request: &Request) -> String {
    if request.query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, request.query) }
}

fn log_answer(running: &Running, conn: Conn, by: &str, request: &Request, status: u16, began: Instant) {
    let Request { method, host, .. } = request;
    let answered = LogEntry { conn: conn.number, by, method, host, path: &with_query(request), status, took: began.elapsed() };
    if let Err(fault) = running.log.write(&answered) {
        tracing::error!("{fault}");
    }
}

/// Waits until the connection is closed; hyper then drops this future.
async fn hang(running: &Arc<Running>) {
    let _held = running.settings.hold();
    std::future::pending::<()>().await;
}

fn failed(fail: Fail) -> Response {
    let mut response = match fail.body {
        // a log is no JSON
        Some(Value::String(text)) => Response::new(fail.status).with("content-type", "text/plain").with_body(text),
        Some(body) => Response::json(fail.status, "application/json; charset=utf-8", &body),
        None => Response::new(fail.status),
    };
    response.headers.extend(fail.headers);
    response
}

/// Answers the request and saves its effect before the answer is sent.
async fn true_answer(running: &Arc<Running>, by: &str, request: &Request, rules: &azure::call::Rules) -> Response {
    if let Some(cluster) = running.cluster(&request.host) {
        return of_cluster(running, by, request, &cluster).await;
    }
    let forwarded;
    let request = if azure::hosts::is_token_proxy(&request.host) {
        forwarded = match token_proxy::forward(running, request, rules).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        &forwarded
    } else {
        request
    };
    if request.host == webhook::HOST {
        return webhook::answer(running, request).await;
    }
    if azure::hosts::is_oidc_issuer(&request.host) {
        return issuer::answer(running, request).await;
    }
    if let Some((issuer, key)) = azure::assertion::presented(request)
        && let Some(stand_in) = running.stand_ins.values().find(|s| s.issuer() == Some(&issuer))
        && !rules.issuers.has(&issuer, &key)
    {
        match stand_in.keys().await {
            Ok(keys) => rules.issuers.store(&issuer, keys),
            Err(why) => tracing::warn!("{why}"),
        }
    }
    let writes_cluster = request.host == azure::hosts::ARM_HOST && azure::clusters::is_write(request);
    let counted;
    let rules = if writes_cluster {
        counted = azure::call::Rules { mounted: Arc::new(running.mounted_classes().await), ..rules.clone() };
        &counted
    } else {
        rules
    };
    let asked = attempt(&mut *running.azure(), |state| {
        let answer = azure::answer(state, request, rules, azure::times::now());
        let occupied = answer.as_ref().and_then(|(response, _)| azure::federated::begin_write(state, request, rules, response));
        (answer, occupied)
    });
    let Ok((answer, occupied)) = asked else { return body_limits::internal(&request.host, false) };
    let Some((response, effect)) = answer else { return Response::new(404) };
    let _occupied = match occupied {
        None => None,
        Some((identity, write_time)) => {
            let guard = Occupied { running, identity };
            tokio::time::sleep(write_time).await;
            Some(guard)
        }
    };
    if effect == Effect::Changed && request.host == azure::hosts::ARM_HOST {
        running.follow_azure();
        if writes_cluster {
            running.sync_addons().await;
        }
    }
    match effect {
        Effect::Nothing => response,
        Effect::Counted => {
            running.save_soon();
            response
        }
        Effect::Changed => saved(running, response).await,
    }
}

/// Rejects other writes of the identity's credentials until this is dropped, also if the client has disconnected.
struct Occupied<'a> {
    running: &'a Running,
    identity: String,
}

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.running.azure().federating.remove(&self.identity);
    }
}

async fn of_cluster(running: &Arc<Running>, by: &str, request: &Request, cluster: &RunningCluster) -> Response {
    let response = cluster.kube.answer(request).await;
    let reads = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    if reads || request.query("dryRun").is_some() || response.status >= 300 {
        return response;
    }
    let response = saved(running, response).await;
    if by == "client" {
        running.wake_cluster(cluster).await;
    }
    response
}

async fn saved(running: &Arc<Running>, response: Response) -> Response {
    match running.save().await {
        Ok(()) => response,
        Err(why) => azure::error::body(500, "InternalServerError", format!("The sandbox could not save its world: {why}")),
    }
}
