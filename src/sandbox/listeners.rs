//! The addresses that the sandbox listens on: one for everything, and one for each node whose metadata service was requested.

use super::{azure, error::Error, folder::Folder};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};
use tokio::net::TcpListener;

/// What the connections of a listener are for.
#[derive(Clone)]
pub enum ListenerKind {
    /// The host that the client names by CONNECT or in its TLS hello.
    Proxy,
    /// The metadata service of a node of this cluster, as a pod or a program on that node reaches it.
    Node(Arc<str>),
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, flag, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, local_address(bound)))
}

/// Returns the address of the listener if other machines can reach it.
pub fn open_to_all(listener: &TcpListener) -> Option<SocketAddr> {
    listener.local_addr().ok().filter(|address| !address.ip().is_loopback())
}

/// Returns the address for clients on this machine.
fn local_address(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    bound
}

/// Listens on the folder's last port, or on another one if that is taken.
pub async fn listen(folder: &Folder, requested: Option<SocketAddr>) -> Result<(TcpListener, SocketAddr), Error> {
    if let Some(address) = requested {
        return bind(address, "--listen").await;
    }
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match bind(loopback(folder.last_port()), "--listen").await {
        Ok(bound) => Ok(bound),
        Err(_) => bind(loopback(0), "--listen").await,
    }
}

/// Returns the name of the cluster, the listener, and its address.
pub async fn nodes(
    requested: &[(String, SocketAddr)],
    azure: &azure::state::State,
) -> Result<Vec<(String, TcpListener, SocketAddr)>, Error> {
    let mut all = Vec::new();
    let mut named = BTreeSet::new();
    for (cluster, address) in requested {
        let known: Vec<&str> = azure.clusters.values().map(|c| c.name.as_str()).collect();
        if !known.contains(&cluster.as_str()) {
            let why = format!("the sandbox has no managed cluster {cluster:?}");
            return Err(Error::Use { why, hint: format!("name one of {} with --imds NAME=ADDR:PORT", known.join(", ")) });
        }
        if !named.insert(cluster) {
            let why = format!("duplicate cluster {cluster} in --imds");
            return Err(Error::Use { why, hint: "give each cluster once".to_owned() });
        }
        let (listener, address) = bind(*address, "--imds").await?;
        all.push((cluster.clone(), listener, address));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::local_address;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        let all = [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("169.254.169.254:80", "169.254.169.254:80")];
        for (bound, wanted) in all {
            assert_eq!(local_address(bound.parse().unwrap()).to_string(), wanted);
        }
    }
}
