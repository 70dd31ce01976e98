//! The listener: a TLS hello names its host, CONNECT leads to the sandbox's hosts, and the metadata service and the control interface take
//! plain requests. A listener of a node serves only the metadata service. Every connection gets an answer or is closed, and the listener
//! keeps running.

use super::{
    answer::{self, HttpAnswer},
    azure::{Known, hosts::IMDS_HOST, imds::NODE_HEADER},
    connections::{Conn, IDLE, IdleTimer, PATIENCE},
    control::CONTROL_HOST,
    listeners::ListenerKind,
    running::Running,
    stream::Peeked,
    webhook,
};
use http_body_util::BodyExt as _;
use hyper::{Method, body::Incoming, header::HeaderValue, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

const TLS_HANDSHAKE: u8 = 22;
/// The buffer for an HTTP/1 connection, including the head of a request.
const AHEAD: usize = 64 << 10;
/// Limits for unread HTTP/2 data: of one request, of a connection, and of the head of a request.
const STREAM_AHEAD: u32 = 64 << 10;
const CONNECTION_AHEAD: u32 = 256 << 10;
const HEAD: u32 = 64 << 10;
/// Concurrent requests over one connection.
const STREAMS: u32 = 128;

/// Accepts connections until `stop`, then waits at most `drain` for those in progress.
pub async fn run(listener: TcpListener, kind: ListenerKind, running: Arc<Running>, stop: watch::Receiver<bool>, drain: Duration) {
    let mut connections = JoinSet::new();
    let mut room = None;
    loop {
        // further connections wait in the system's queue, where they use no file of this process
        let one_more = async {
            if room.is_none() {
                room = running.connections.acquire().await;
            }
            listener.accept().await
        };
        tokio::select! {
            accepted = one_more => match accepted {
                Ok((stream, peer)) => {
                    let (kind, running, stop, room) = (kind.clone(), running.clone(), stop.clone(), room.take());
                    connections.spawn(async move {
                        let _room = room;
                        let conn = Conn { number: running.log.connection(), from_here: peer.ip().to_canonical().is_loopback() };
                        let _ = stream.set_nodelay(true);
                        match kind {
                            ListenerKind::Proxy => connection(running, conn, stream, stop).await,
                            ListenerKind::Node(cluster) => metadata(running, conn, &cluster, stream, stop).await,
                        }
                    });
                }
                // out of file descriptors: wait until some are closed
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
            () = stopped(stop.clone()) => break,
        }
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if timeout(drain, rest).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(running: Arc<Running>, conn: Conn, stream: TcpStream, stop: watch::Receiver<bool>) {
    let mut first = [0_u8];
    let looked = tokio::select! {
        looked = timeout(PATIENCE, stream.peek(&mut first)) => looked,
        () = stopped(stop.clone()) => return,
    };
    match looked {
        Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => direct(running, conn, stream, stop).await,
        Ok(Ok(1)) => proxied(running, conn, stream, stop).await,
        _ => {}
    }
}

/// All requests to a node's own listener come from that node, whatever their headers are.
async fn metadata(running: Arc<Running>, conn: Conn, cluster: &str, stream: TcpStream, stop: watch::Receiver<bool>) {
    let Ok(node) = HeaderValue::from_str(cluster) else { return };
    requests_with(running, conn, IMDS_HOST.to_owned(), stream, stop, move |request| {
        request.headers_mut().insert(NODE_HEADER, node.clone());
    })
    .await;
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Serves TLS without CONNECT; the hello names the host.
async fn direct(running: Arc<Running>, conn: Conn, stream: TcpStream, stop: watch::Receiver<bool>) {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
    let Ok(Ok(start)) = timeout(PATIENCE, hello).await else { return };
    let host = start.client_hello().server_name().map(str::to_ascii_lowercase).unwrap_or_default();
    let webhook = host == webhook::HOST && !running.stand_ins.is_empty();
    let known = running.knows(&host) == Known::Yes || host == CONTROL_HOST || webhook;
    let config = if known { running.authority.leaf(&host).ok() } else { None };
    let Some(config) = config else {
        let _ = start.into_stream(running.authority.refusing()).await;
        return;
    };
    if let Ok(Ok(tls)) = timeout(PATIENCE, start.into_stream(config)).await {
        requests(running, conn, host, tls, stop).await;
    }
}

/// The target of an accepted CONNECT.
struct Tunnel {
    to: Target,
    upgrade: OnUpgrade,
}

enum Target {
    /// A host of the sandbox.
    Here(String),
    /// The API server of an external cluster; the data is only forwarded.
    Outside(TcpStream),
}

async fn proxied(running: Arc<Running>, conn: Conn, stream: TcpStream, stop: watch::Receiver<bool>) {
    let tunnel: Arc<Mutex<Option<Tunnel>>> = Arc::default();
    let (site, slot) = (running.clone(), tunnel.clone());
    let timer: Arc<IdleTimer> = Arc::default();
    let seen = timer.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (site, slot, asked) = (site.clone(), slot.clone(), seen.request());
        async move {
            let _asked = asked;
            Ok::<_, Infallible>(at_the_proxy(site, conn, request, &slot).await)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(AHEAD);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ends = async {
        tokio::select! {
            () = stopped(stop.clone()) => {}
            () = timer.expired() => {}
        }
    };
    tokio::select! {
        _ = serving.as_mut() => {}
        () = ends => {
            serving.as_mut().graceful_shutdown();
            let _ = timeout(PATIENCE, serving).await;
        }
    }
    let tunnel = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel
        && let Ok(Ok(upgraded)) = timeout(PATIENCE, tunnel.upgrade).await
    {
        match tunnel.to {
            Target::Here(host) => within(running, conn, host, TokioIo::new(upgraded), stop).await,
            Target::Outside(mut remote) => {
                let _ = remote.set_nodelay(true);
                let mut here = TokioIo::new(upgraded);
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut remote) => {}
                    () = stopped(stop) => {}
                }
            }
        }
    }
}

fn host_of(authority: &str) -> (String, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) => {
            (host.to_ascii_lowercase(), port.parse().ok())
        }
        _ => (authority.to_ascii_lowercase(), None),
    }
}

async fn at_the_proxy(
    running: Arc<Running>,
    conn: Conn,
    mut request: hyper::Request<Incoming>,
    slot: &Mutex<Option<Tunnel>>,
) -> HttpAnswer {
    if request.method() == Method::CONNECT {
        let (host, port) = host_of(request.uri().authority().map_or("", |a| a.as_str()));
        let plain = host == CONTROL_HOST || host == IMDS_HOST;
        if let Some(stand_in) = running.stand_ins.values().find(|s| s.host == host.trim_matches(['[', ']']) && Some(s.port) == port) {
            return match TcpStream::connect((stand_in.host.as_str(), stand_in.port)).await {
                Ok(remote) => {
                    let upgrade = hyper::upgrade::on(&mut request);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel { to: Target::Outside(remote), upgrade });
                    hyper::Response::new(http_body_util::Empty::new().boxed())
                }
                Err(why) => answer::plain(502, &format!("could not reach {host}: {why}")),
            };
        }
        return match running.knows(&host) {
            known if plain || (known == Known::Yes && port == Some(443)) => {
                let upgrade = hyper::upgrade::on(&mut request);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel { to: Target::Here(host), upgrade });
                hyper::Response::new(http_body_util::Empty::new().boxed())
            }
            Known::NoSuchVault => answer::plain(502, &format!("could not resolve {host}: the vault does not exist")),
            Known::NoSuchAccount => answer::plain(502, &format!("could not resolve {host}: the storage account does not exist")),
            Known::Yes | Known::No => answer::plain(403, &format!("the sandbox does not serve {host}")),
        };
    }
    let named = request.uri().authority().map(|a| a.as_str().to_owned());
    let named = named.or_else(|| request.headers().get("host").and_then(|h| h.to_str().ok()).map(str::to_owned));
    let (host, _) = host_of(named.as_deref().unwrap_or_default());
    if host == CONTROL_HOST || host == IMDS_HOST {
        return answer::answer(running, conn, host, request).await;
    }
    answer::plain(403, "this is a proxy: send a CONNECT request for an https host")
}

/// Serves a tunnel: TLS, or plain HTTP for the hosts that use it.
async fn within<T>(running: Arc<Running>, conn: Conn, host: String, stream: T, stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Ok(Ok(Some(stream))) = timeout(PATIENCE, Peeked::new(stream)).await else { return };
    if stream.first() != Some(TLS_HANDSHAKE) {
        if host == CONTROL_HOST || host == IMDS_HOST {
            requests(running, conn, host, stream, stop).await;
        }
        return;
    }
    let Ok(config) = running.authority.leaf(&host) else { return };
    if let Ok(Ok(tls)) = timeout(PATIENCE, TlsAcceptor::from(config).accept(stream)).await {
        requests(running, conn, host, tls, stop).await;
    }
}

async fn requests<T>(running: Arc<Running>, conn: Conn, host: String, stream: T, stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    requests_with(running, conn, host, stream, stop, |_| {}).await;
}

async fn requests_with<T>(
    running: Arc<Running>,
    conn: Conn,
    host: String,
    stream: T,
    stop: watch::Receiver<bool>,
    mark: impl Fn(&mut hyper::Request<Incoming>),
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let timer: Arc<IdleTimer> = Arc::default();
    let seen = timer.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        mark(&mut request);
        let (running, host, asked) = (running.clone(), host.clone(), seen.request());
        async move {
            let _asked = asked;
            Ok::<_, Infallible>(answer::answer(running, conn, host, request).await)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(AHEAD);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(HEAD);
    http2.initial_stream_window_size(STREAM_AHEAD).initial_connection_window_size(CONNECTION_AHEAD);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => return,
        () = stopped(stop.clone()) => {}
        () = timer.expired() => {}
    }
    serving.as_mut().graceful_shutdown();
    // a watch continues until it ends by itself
    let _ = serving.await;
}
