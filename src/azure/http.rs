//! The one HTTP client: HTTP/2 by ALPN, rustls with ring, gzip, no redirects, proxy and CA from settings or environment;
//! and the gate that keeps a burst of first requests from opening a connection each.

use super::{Error, Result, Settings};
use crate::files::whole::{self, Accept};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::watch;

/// The time limit for making a connection.
const CONNECT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(600);
const KEEP_ALIVE: Duration = Duration::from_secs(30);

pub fn client(settings: &Settings, limit: Duration) -> Result<reqwest::Client> {
    // another part of podid may have installed it already
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("podid/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT.min(limit))
        .timeout(limit)
        // a run may wait for minutes between two requests: connections are kept open, and broken ones are detected
        .pool_idle_timeout(IDLE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(CONNECT)
        .http2_keep_alive_while_idle(true)
        .dns_resolver(Arc::new(Resolver))
        .connector_layer(FirstConnectLayer);
    if let Some(proxy) = &settings.proxy {
        let proxy = reqwest::Proxy::https(proxy).map_err(|e| wrong("the proxy", &e.without_url()))?; // its address may hold a password
        builder = builder.proxy(proxy.no_proxy(reqwest::NoProxy::from_env()));
    }
    let mut files: Vec<std::path::PathBuf> = settings.ca.iter().cloned().collect();
    // On Linux the verifier reads the variable itself, and then ignores the system's store; on other systems it uses only the system's
    // store.
    if !cfg!(target_os = "linux") {
        files.extend(std::env::var_os("SSL_CERT_FILE").map(Into::into));
    }
    for file in files {
        let pem = whole::read(&file, whole::CONFIG_LIMIT, Accept::Regular)
            .map_err(|e| Error::Protocol(format!("{}: {}", file.display(), e.cause())))?;
        let extra = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| wrong(&file.display().to_string(), &e))?;
        builder = builder.tls_certs_merge(extra);
    }
    builder.build().map_err(|e| wrong("the HTTP client", &e))
}

fn wrong(what: &str, error: &dyn std::error::Error) -> Error {
    let mut text = format!("{what}: {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    Error::Protocol(text)
}

/// The error for a name without an address. It has its own type because the resolver only returns an `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("no such name")]
pub struct NoSuchName;

struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NoSuchName)?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// The gate of one host. hyper cannot know that a connection will use HTTP/2 before it is open, so each of a burst of first requests would
/// open one. The first request goes alone; the others follow once its connection is open.
#[derive(Debug)]
pub struct FirstConnectGate(watch::Sender<State>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Shut,
    FirstConnect,
    /// The connection is open, but not in the pool yet, which cannot be observed.
    Standing,
    Open,
}

/// Enough time for a spawned task to start, short compared with a round trip.
const INTO_POOL: Duration = Duration::from_millis(20);

impl Default for FirstConnectGate {
    fn default() -> Self {
        Self(watch::Sender::new(State::Shut))
    }
}

tokio::task_local! {
    static GATE: Arc<FirstConnectGate>;
}

impl FirstConnectGate {
    /// Runs `request` when it may go, and updates the gate with its result.
    pub async fn through<T, E>(self: &Arc<Self>, request: impl Future<Output = std::result::Result<T, E>>) -> std::result::Result<T, E> {
        let first = self.0.send_if_modified(|state| {
            let shut = *state == State::Shut;
            if shut {
                *state = State::FirstConnect;
            }
            shut
        });
        if !first {
            let mut seen = self.0.subscribe();
            // if the first one fails, all others go at once, so that they do not time out one after the other
            if let Ok(state) = seen.wait_for(|state| *state != State::FirstConnect).await.map(|state| *state)
                && state == State::Standing
            {
                let _ = tokio::time::timeout(INTO_POOL, seen.wait_for(|state| *state != State::Standing)).await;
            }
            return request.await;
        }
        let mut opening = FirstConnect { gate: self, outcome: State::Shut };
        let answer = GATE.scope(self.clone(), request).await;
        if answer.is_ok() {
            opening.outcome = State::Open;
        }
        answer
    }
}

/// Closes the gate again, also when the first request is dropped.
struct FirstConnect<'a> {
    gate: &'a FirstConnectGate,
    outcome: State,
}

impl Drop for FirstConnect<'_> {
    fn drop(&mut self) {
        self.gate.0.send_replace(self.outcome);
    }
}

#[derive(Clone)]
struct FirstConnectLayer;

impl<S> tower_layer::Layer<S> for FirstConnectLayer {
    type Service = FirstConnectService<S>;
    fn layer(&self, inner: S) -> FirstConnectService<S> {
        FirstConnectService(inner)
    }
}

#[derive(Clone)]
struct FirstConnectService<S>(S);

impl<S, R> tower_service::Service<R> for FirstConnectService<S>
where
    S: tower_service::Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let gate = GATE.try_with(Arc::clone).ok();
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connected = connecting.await;
            if let (Some(gate), true) = (gate, connected.is_ok()) {
                gate.0.send_if_modified(|state| {
                    let opening = *state == State::FirstConnect;
                    if opening {
                        *state = State::Standing;
                    }
                    opening
                });
            }
            connected
        })
    }
}
