//! Where the sandbox listens: the one door for all of it, and one for each node whose metadata service was asked for.

use super::{azure, error::Error, folder::Folder};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};
use tokio::net::TcpListener;

/// Whom a connection is for.
#[derive(Clone)]
pub enum Door {
    /// Whoever the client names, by CONNECT or in its TLS hello.
    Proxy,
    /// The metadata service of a node of this cluster, as a pod or a program on that node reaches it.
    Node(Arc<str>),
}

async fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, flag, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, reached(bound)))
}

/// The address of a listener that other machines reach.
pub fn open_to_all(listener: &TcpListener) -> Option<SocketAddr> {
    listener.local_addr().ok().filter(|address| !address.ip().is_loopback())
}

/// The address by which a client on this machine gets there.
fn reached(mut bound: SocketAddr) -> SocketAddr {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    bound
}

/// The port that the folder had last, so long as nobody else has taken it.
pub async fn listen(folder: &Folder, wish: Option<SocketAddr>) -> Result<(TcpListener, SocketAddr), Error> {
    if let Some(address) = wish {
        return bind(address, "--listen").await;
    }
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match bind(loopback(folder.last_port()), "--listen").await {
        Ok(bound) => Ok(bound),
        Err(_) => bind(loopback(0), "--listen").await,
    }
}

/// The name of the cluster, the listener, and where it is reached.
pub async fn nodes(wishes: &[(String, SocketAddr)], azure: &azure::State) -> Result<Vec<(String, TcpListener, SocketAddr)>, Error> {
    let mut all = Vec::new();
    let mut named = BTreeSet::new();
    for (cluster, address) in wishes {
        let known: Vec<&str> = azure.clusters.values().map(|c| c.name.as_str()).collect();
        if !known.contains(&cluster.as_str()) {
            let why = format!("the sandbox has no managed cluster {cluster:?}");
            return Err(Error::Use { why, way: format!("name one of {} with --imds NAME=ADDR:PORT", known.join(", ")) });
        }
        if !named.insert(cluster) {
            let why = format!("--imds names {cluster} twice");
            return Err(Error::Use { why, way: "give each cluster once".to_owned() });
        }
        let (listener, address) = bind(*address, "--imds").await?;
        all.push((cluster.clone(), listener, address));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::reached;

    #[test]
    fn who_listens_everywhere_is_reached_on_loopback() {
        let all = [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("169.254.169.254:80", "169.254.169.254:80")];
        for (bound, wanted) in all {
            assert_eq!(reached(bound.parse().unwrap()).to_string(), wanted);
        }
    }
}
