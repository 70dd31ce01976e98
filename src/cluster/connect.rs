//! Creates kube's client, with a limited number of connections, a time limit for each, and a proxy if one is set. kube's own builder has
//! neither limit.

use super::error::{Error, Result};
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connection could not be opened (refused, unknown host name, untrusted certificate, timeout).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotConnected(#[source] pub(super) BoxError);

pub(super) fn client(config: &Config, most: usize, limit: Duration) -> Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(limit));
    match &config.proxy_url {
        None => stack(config, tcp, most, limit),
        Some(proxy) if proxy.scheme_str() == Some("https") => {
            // the proxy is verified by the machine's trust store, not by the cluster's authority
            let plain = Config::new(proxy.clone());
            let secured = plain.rustls_https_connector_with_connector(tcp).map_err(unusable)?;
            stack(config, tunnel(proxy, secured), most, limit)
        }
        Some(proxy) => stack(config, tunnel(proxy, tcp), most, limit),
    }
}

fn unusable(e: kube::Error) -> Error {
    let mut causes = vec![e.to_string()];
    let mut next = std::error::Error::source(&e);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    Error::Kubeconfig(causes.pop().unwrap_or_default())
}

fn tunnel<C>(proxy: &Uri, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), connector);
    let Some((user, _)) = proxy.authority().and_then(|a| a.as_str().rsplit_once('@')) else { return tunnel };
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode(decoded(user));
    match http::HeaderValue::from_str(&format!("Basic {basic}")) {
        Ok(header) => tunnel.with_auth(header),
        Err(_) => tunnel,
    }
}

/// Decodes a user name or password, which `http::Uri` leaves percent-encoded.
fn decoded(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

fn stack<C>(config: &Config, connector: C, most: usize, limit: Duration) -> Result<Client>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let secured = config.rustls_https_connector_with_connector(connector).map_err(unusable)?;
    let counted = LimitedConnector { inner: secured, free: Arc::new(Semaphore::new(most)), limit };
    let http: Http<_, Body> = Http::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(most)
        .build(counted);
    let builder = ClientBuilder::new(BoxedErrors(http), config.default_namespace.clone())
        .with_layer(&config.base_uri_layer())
        .with_layer(&config.extra_headers_layer().map_err(unusable)?);
    Ok(match config.auth_layer().map_err(unusable)? {
        Some(auth) => builder.with_layer(&auth).build(),
        None => builder.build(),
    })
}

/// Boxes errors, because the layers above need one error type.
#[derive(Clone)]
struct BoxedErrors<S>(S);

impl<S> Service<http::Request<Body>> for BoxedErrors<S>
where
    S: Service<http::Request<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

/// Limits open connections. The permit lives as long as the connection.
#[derive(Clone)]
struct LimitedConnector<C> {
    inner: C,
    free: Arc<Semaphore>,
    limit: Duration,
}

impl<C> Service<Uri> for LimitedConnector<C>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Future: Send,
    C::Error: Into<BoxError>,
{
    type Response = PermittedConnection<C::Response>;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(())) // readiness is awaited in the call, when a connection is needed
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (mut inner, free, limit) = (self.inner.clone(), self.free.clone(), self.limit);
        Box::pin(async move {
            let permit = free.acquire_owned().await.map_err(|e| NotConnected(e.into()))?;
            let made = async {
                std::future::poll_fn(|cx| inner.poll_ready(cx)).await.map_err(Into::into)?;
                inner.call(uri).await.map_err(Into::into)
            };
            match tokio::time::timeout(limit, made).await {
                Ok(Ok(io)) => Ok(PermittedConnection { io, _permit: permit }),
                Ok(Err(e)) => Err(NotConnected(e)),
                Err(_) => Err(NotConnected(format!("no connection within {limit:?}").into())),
            }
        })
    }
}

struct PermittedConnection<T> {
    io: T,
    _permit: OwnedSemaphorePermit,
}

impl<T: Connection> Connection for PermittedConnection<T> {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}

impl<T: Read + Unpin> Read for PermittedConnection<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for PermittedConnection<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
