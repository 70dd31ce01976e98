//! A listener: a TLS hello (its name says for whom), CONNECT for the hosts that are played here, plain requests for the metadata
//! service and for the sandbox itself; or all for the metadata service of one node. Whatever comes in, it gets an answer or an end, and the listener goes on.

use super::{
    answer::{self, Answer, CONTROL_HOST},
    azure::{IMDS_HOST, Known, imds::NODE_HEADER},
    connections::{Activity, IDLE, PATIENCE},
    door::Door,
    running::Running,
    stream::Peeked,
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

/// A connection of a client.
#[derive(Clone, Copy)]
pub struct Conn {
    /// For the log.
    pub number: u64,
    /// Whether the client runs on this machine.
    pub from_here: bool,
}

const TLS_HANDSHAKE: u8 = 22;
/// What is read ahead of a connection over HTTP/1, the head of a request with it.
const AHEAD: usize = 64 << 10;
/// What a client may send over HTTP/2 before anybody reads it: of one request, of a connection, and the heads of requests.
const STREAM_AHEAD: u32 = 64 << 10;
const CONNECTION_AHEAD: u32 = 256 << 10;
const HEAD: u32 = 64 << 10;
/// Requests at once over one connection.
const STREAMS: u32 = 128;

/// Until told to stop; then what runs is finished, but no longer than `drain`.
pub async fn run(listener: TcpListener, door: Door, running: Arc<Running>, stop: watch::Receiver<bool>, drain: Duration) {
    let mut connections = JoinSet::new();
    let mut room = None;
    loop {
        // others wait in the system's own queue, which holds no file of this process
        let one_more = async {
            if room.is_none() {
                room = running.connections.one_more().await;
            }
            listener.accept().await
        };
        tokio::select! {
            accepted = one_more => match accepted {
                Ok((stream, peer)) => {
                    let (door, running, stop, room) = (door.clone(), running.clone(), stop.clone(), room.take());
                    connections.spawn(async move {
                        let _room = room;
                        let conn = Conn { number: running.log.connection(), from_here: peer.ip().to_canonical().is_loopback() };
                        let _ = stream.set_nodelay(true);
                        match door {
                            Door::Proxy => connection(running, conn, stream, stop).await,
                            Door::Node(cluster) => metadata(running, conn, &cluster, stream, stop).await,
                        }
                    });
                }
                // out of files: wait for some to close
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

/// Whoever comes in by a node's own door is on that node, whatever its headers say.
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

/// TLS without CONNECT: the hello names the host.
async fn direct(running: Arc<Running>, conn: Conn, stream: TcpStream, stop: watch::Receiver<bool>) {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
    let Ok(Ok(start)) = timeout(PATIENCE, hello).await else { return };
    let host = start.client_hello().server_name().map(str::to_ascii_lowercase).unwrap_or_default();
    let known = running.knows(&host) == Known::Yes || host == CONTROL_HOST;
    let config = if known { running.authority.leaf(&host).ok() } else { None };
    let Some(config) = config else {
        let _ = start.into_stream(running.authority.refusing()).await;
        return;
    };
    if let Ok(Ok(tls)) = timeout(PATIENCE, start.into_stream(config)).await {
        requests(running, conn, host, tls, stop).await;
    }
}

/// Where a CONNECT that was answered goes on.
struct Tunnel {
    to: To,
    upgrade: OnUpgrade,
}

enum To {
    /// A host that is played here.
    Here(String),
    /// The API server of a cluster from outside: what goes there is none of our business.
    Outside(TcpStream),
}

async fn proxied(running: Arc<Running>, conn: Conn, stream: TcpStream, stop: watch::Receiver<bool>) {
    let tunnel: Arc<Mutex<Option<Tunnel>>> = Arc::default();
    let (site, slot) = (running.clone(), tunnel.clone());
    let activity: Arc<Activity> = Arc::default();
    let seen = activity.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (site, slot, asked) = (site.clone(), slot.clone(), seen.asked());
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
            () = activity.over() => {}
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
            To::Here(host) => within(running, conn, host, TokioIo::new(upgraded), stop).await,
            To::Outside(mut there) => {
                let _ = there.set_nodelay(true);
                let mut here = TokioIo::new(upgraded);
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
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

async fn at_the_proxy(running: Arc<Running>, conn: Conn, mut request: hyper::Request<Incoming>, slot: &Mutex<Option<Tunnel>>) -> Answer {
    if request.method() == Method::CONNECT {
        let (host, port) = host_of(request.uri().authority().map_or("", |a| a.as_str()));
        let plain = host == CONTROL_HOST || host == IMDS_HOST;
        if let Some(stand_in) = running.stand_ins.values().find(|s| s.host == host.trim_matches(['[', ']']) && Some(s.port) == port) {
            return match TcpStream::connect((stand_in.host.as_str(), stand_in.port)).await {
                Ok(there) => {
                    let upgrade = hyper::upgrade::on(&mut request);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel { to: To::Outside(there), upgrade });
                    hyper::Response::new(http_body_util::Empty::new().boxed())
                }
                Err(why) => answer::plain(502, &format!("{host} could not be reached: {why}")),
            };
        }
        return match running.knows(&host) {
            known if plain || (known == Known::Yes && port == Some(443)) => {
                let upgrade = hyper::upgrade::on(&mut request);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel { to: To::Here(host), upgrade });
                hyper::Response::new(http_body_util::Empty::new().boxed())
            }
            Known::NoSuchVault => answer::plain(502, &format!("{host} has no address: no such vault")),
            Known::Yes | Known::No => answer::plain(403, &format!("{host} is not played by the sandbox")),
        };
    }
    let named = request.uri().authority().map(|a| a.as_str().to_owned());
    let named = named.or_else(|| request.headers().get("host").and_then(|h| h.to_str().ok()).map(str::to_owned));
    let (host, _) = host_of(named.as_deref().unwrap_or_default());
    if host == CONTROL_HOST || host == IMDS_HOST {
        return answer::answer(running, conn, host, request).await;
    }
    answer::plain(403, "this is a proxy: ask it for https hosts by CONNECT")
}

/// Inside a tunnel: TLS, or plain HTTP for those that speak it.
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
    let activity: Arc<Activity> = Arc::default();
    let seen = activity.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        mark(&mut request);
        let (running, host, asked) = (running.clone(), host.clone(), seen.asked());
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
        () = activity.over() => {}
    }
    serving.as_mut().graceful_shutdown();
    // a watch goes on until it ends by itself
    let _ = serving.await;
}
