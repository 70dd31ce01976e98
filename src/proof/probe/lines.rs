//! The lines that the script of a probe writes, as values. They come from a pod, so nothing in them is taken for granted.

use std::net::IpAddr;

/// What a pod reported of its way to the vault.
#[derive(Debug, Default, PartialEq)]
pub struct Lines {
    /// HTTPS_PROXY and its like, without passwords.
    pub variables: Vec<(String, String)>,
    /// The DNS servers of the pod.
    pub servers: Vec<String>,
    pub origin: TokenOrigin,
    pub connections: Vec<Connection>,
    pub token: Option<Answer>,
    /// What was read of the vault, by its path: `secrets/conn`.
    pub reads: Vec<(String, Answer)>,
}

/// Where the pod gets its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The metadata service of its node, which NMI answers where it runs.
    #[default]
    Metadata,
    /// The host of Entra.
    Entra,
    /// The cluster's token proxy for identity bindings.
    Binding,
}

/// One connection to port 443 of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    pub host: String,
    /// The exit code of curl; 0: it has a TLS connection, and an answer.
    pub exit: u32,
    /// When the name was resolved, the connection made, and TLS agreed on, counted from the start; 0: never.
    pub resolved: f64,
    pub connected: f64,
    pub secured: f64,
    /// The status of the proxy's answer to CONNECT; 0: none.
    pub proxy_status: u16,
    pub is_proxied: bool,
    /// What the name, or that of the proxy, resolved to.
    pub addresses: Vec<IpAddr>,
    /// Of the certificate.
    pub issuer: String,
    /// What curl says of a failure.
    pub error: String,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub seconds: f64,
    /// 0: there was none.
    pub status: u16,
    pub text: String,
}

impl Lines {
    pub fn read(text: &str) -> Self {
        let mut lines = Self::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ' ');
            let (Some(seconds), Some(word)) = (parts.next(), parts.next()) else { continue };
            let (seconds, rest) = (number(seconds), parts.next().unwrap_or_default());
            match word {
                "variable" => lines.variables.extend(rest.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()))),
                "servers" => lines.servers.extend(rest.split_whitespace().map(str::to_owned)),
                "way" if rest == "entra" => lines.origin = TokenOrigin::Entra,
                "way" if rest == "binding" => lines.origin = TokenOrigin::Binding,
                "connect" => lines.connections.extend(Connection::read(rest)),
                "token" => lines.token = Some(Answer::read(seconds, rest)),
                "read" => {
                    let (path, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                    lines.reads.push((path.to_owned(), Answer::read(seconds, rest)));
                }
                _ => {}
            }
        }
        lines
    }

    pub fn connection(&self, host: &str) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.host.eq_ignore_ascii_case(host))
    }

    /// The proxy that connections to Azure go through.
    pub fn proxy(&self) -> Option<&str> {
        let value = |name: &str| self.variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].into_iter().find_map(value)
    }
}

impl Connection {
    fn read(text: &str) -> Option<Self> {
        let mut fields = text.split('\t');
        let mut next = || fields.next().map(str::trim);
        let (host, exit, numbers) = (next()?, next()?, next()?);
        let (via, addresses, issuer, error) = (next()?, next()?, next().unwrap_or_default(), next().unwrap_or_default());
        let numbers: Vec<&str> = numbers.split(' ').collect();
        let at = |index: usize| numbers.get(index).copied().map(number).unwrap_or_default();
        let mut found: Vec<IpAddr> = addresses.split(' ').filter_map(|address| address.parse().ok()).collect();
        found.dedup();
        Some(Self {
            host: host.to_owned(),
            exit: exit.parse().ok()?,
            resolved: at(0),
            connected: at(1),
            secured: at(2),
            // a status has three digits, 000 where there was none
            proxy_status: numbers.get(4).and_then(|status| status.parse().ok()).unwrap_or_default(),
            is_proxied: via == "proxy",
            addresses: found,
            issuer: issuer.to_owned(),
            error: error.to_owned(),
        })
    }
}

impl Answer {
    fn read(seconds: f64, rest: &str) -> Self {
        let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
        Self { seconds, status: code.parse().unwrap_or_default(), text: text.trim().to_owned() }
    }
}

fn number(text: &str) -> f64 {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0).unwrap_or_default()
}

/// Whether an address is one of the Internet, and not of a private network.
pub fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 100.64.0.0/10 is for the networks of providers
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            // fc00::/7 and fe80::/10
            !(v6.is_loopback() || v6.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_pod_are_read() {
        let text = "0 variable HTTPS_PROXY http://***@proxy:3128\n0 servers 10.0.0.10 fd00::10 \n0 way entra\n\
            0 connect login.microsoftonline.com\t0\t0.004 0.020 0.061 404 000\tdirect\t20.190.151.6 2603:1026::1\tC=US; CN=DigiCert\t\n\
            0 connect kv.vault.azure.net\t28\t0.004 0.000000 0.000000 000 403\tdirect\t10.1.2.3\t\tConnection timed out\n\
            0.120 token 200 app object\n0.300 read secrets/conn 403 {\"error\":\"no\"}\n";
        let lines = Lines::read(text);
        assert_eq!(lines.origin, TokenOrigin::Entra);
        assert_eq!(lines.proxy(), Some("http://***@proxy:3128"));
        assert_eq!(lines.servers, ["10.0.0.10", "fd00::10"]);
        let login = lines.connection("login.microsoftonline.com").unwrap();
        assert_eq!((login.exit, login.secured, login.addresses.len(), login.issuer.as_str()), (0, 0.061, 2, "C=US; CN=DigiCert"));
        let vault = lines.connection("KV.vault.azure.net").unwrap();
        assert_eq!((vault.exit, vault.connected, vault.proxy_status, vault.error.as_str()), (28, 0.0, 403, "Connection timed out"));
        assert_eq!(login.proxy_status, 0);
        assert_eq!(lines.token, Some(Answer { seconds: 0.12, status: 200, text: "app object".into() }));
        assert_eq!(lines.reads[0], ("secrets/conn".into(), Answer { seconds: 0.3, status: 403, text: "{\"error\":\"no\"}".into() }));
    }

    #[test]
    fn nonsense_is_no_line() {
        for text in ["", "x", "0 connect", "0 connect a\tb\tc\td\te", "NaN token", "\t\t\t", "0 way elsewhere"] {
            let lines = Lines::read(text);
            assert_eq!((lines.connections.len(), lines.origin), (0, TokenOrigin::Metadata), "{text:?}");
        }
        assert_eq!(number("-1") + number("inf") + number("x"), 0.0);
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        let public = |text: &str| is_public(&text.parse().unwrap());
        for private in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "fd12::1", "fe80::1", "::1"] {
            assert!(!public(private), "{private}");
        }
        for address in ["20.190.151.6", "172.32.0.1", "100.128.0.1", "2603:1026::1"] {
            assert!(public(address), "{address}");
        }
    }
}
