//! Decides whether the cluster is reached through a proxy. kube matches NO_PROXY against the proxy's own host, so podid matches it against
//! the cluster's URL, with the rules of Go's `httpproxy` package, as kubectl does. It reads the environment only through `Env`.

use super::error::{Error, Result};
use http::Uri;
use std::net::IpAddr;

/// Returns the value of an environment variable.
pub(super) type Env = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Returns the proxy. `explicit` is the `proxy-url` of the kubeconfig, which overrides the environment, even NO_PROXY (as in client-go).
pub(super) fn choose(cluster: &Uri, explicit: Option<&str>, env: &Env) -> Result<Option<Uri>> {
    if let Some(url) = explicit.filter(|url| !url.is_empty()) {
        return parse(url).map(Some);
    }
    let host = cluster.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let secure = cluster.scheme_str() != Some("http");
    let port = cluster.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let names = if secure { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let Some(url) = first(env, names) else { return Ok(None) };
    if is_loopback(&host) || first(env, ["NO_PROXY", "no_proxy"]).is_some_and(|list| excepts(&list, &host, port)) {
        return Ok(None);
    }
    parse(&url).map(Some)
}

fn first(env: &Env, names: [&str; 2]) -> Option<String> {
    names.into_iter().find_map(|name| env(name).filter(|value| !value.trim().is_empty()))
}

/// Parses a proxy's URL. A bare `host:port` means http, as in curl and Go.
fn parse(url: &str) -> Result<Uri> {
    let url = url.trim();
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    // the error does not show the text, which may contain a password
    let bad = |why: &str| Error::Kubeconfig(format!("the proxy's URL {why}"));
    let uri: Uri = full.parse().map_err(|_| bad("is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(uri),
        Some(scheme) => Err(bad(&format!("has the scheme {scheme}, only http and https are known"))),
        None => Err(bad("has no scheme")),
    }
}

/// Returns whether a host is this machine, for which Go ignores the proxy of the environment.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns whether NO_PROXY has the host: `*`, an address, a CIDR block, `name` (itself and below), `.name` (below only), each with an
/// optional port.
fn excepts(list: &str, host: &str, port: u16) -> bool {
    let ip: Option<IpAddr> = host.parse().ok();
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some(ip), Some((net, bits))) = (ip, entry.split_once('/')) {
            return in_block(ip, net, bits);
        }
        let (name, only) = split_port(&entry);
        if only.is_some_and(|only| only != port) {
            return false;
        }
        if let Some(ip) = ip {
            return name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|entry| entry == ip);
        }
        let name = name.strip_prefix('*').unwrap_or(name);
        match name.strip_prefix('.') {
            Some(below) => host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.')),
            None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        // an IPv6 address without a port has more than one colon
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

fn in_block(ip: IpAddr, net: &str, bits: &str) -> bool {
    let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) if bits <= 32 => {
            bits == 0 || (u32::from(ip) ^ u32::from(net)).checked_shr(32 - bits).unwrap_or_default() == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(net)) if bits <= 128 => {
            bits == 0 || (u128::from(ip) ^ u128::from(net)).checked_shr(128 - bits).unwrap_or_default() == 0
        }
        _ => false,
    }
}
