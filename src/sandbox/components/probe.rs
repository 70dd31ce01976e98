//! What podid's probe finds of the network between a pod and Azure. The sandbox has no such network: a connection to a host succeeds, and its
//! name has a public address, unless a planted answer (`fail` of the settings, by `csi`, with the method HEAD) has the header
//! `x-podid-network`, which says what happens to the connection.

use super::federation::variable;
use super::provider::ProviderContext;
use super::wire::AzureClient;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Instant;

/// The header of a planted answer: one of the words of `Outcome`, for some with a value.
const HEADER: &str = "x-podid-network";
/// Addresses of Azure's that the names lead to.
const LOGIN_ADDRESS: &str = "20.190.151.6";
const VAULT_ADDRESS: &str = "20.61.99.192";
/// The issuer of the certificates of Azure's hosts.
const ISSUER: &str = "C=US; O=Microsoft Corporation; CN=Microsoft Azure RSA TLS Issuing CA 03";
/// What the scripts keep of an answer.
const LONGEST: usize = 1200;
/// The cluster's own DNS server.
const SERVER: &str = "10.0.0.10";

pub(super) struct Network<'a> {
    pub(super) azure: &'a AzureClient,
    pub(super) container: &'a Value,
}

/// What becomes of a connection.
enum Outcome {
    Made,
    /// The name has no address.
    NoName,
    /// The DNS server does not answer.
    NameTimeout,
    Refused,
    Dropped,
    /// It ends after the hello.
    Reset,
    /// Somebody else's certificate, with its issuer.
    Issuer(String),
    /// A proxy answers with this status.
    Proxy(String),
}

impl Network<'_> {
    /// Writes what a pod sees of DNS, TCP and TLS. Returns whether it goes on to ask for a token; `reaches_vault` is set if it may read then.
    pub(super) async fn connect(&self, vault: &str, login: &str, message: &mut String, reaches_vault: &mut bool) -> bool {
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
            let value = variable(self.container, name);
            if !value.is_empty() {
                let _ = writeln!(message, "0 variable {name} {}", without_password(value));
            }
        }
        let _ = writeln!(message, "0 servers {SERVER} ");
        let way = match (variable(self.container, "AZURE_FEDERATED_TOKEN_FILE"), variable(self.container, "AZURE_KUBERNETES_TOKEN_PROXY")) {
            ("", _) => "metadata",
            (_, "") => "entra",
            _ => "binding",
        };
        let _ = writeln!(message, "0 way {way}");
        let authority = variable(self.container, "AZURE_AUTHORITY_HOST");
        let authority = if authority.is_empty() { login } else { authority };
        let login = authority.trim_start_matches("https://").split('/').next().unwrap_or_default();
        let reaches_login = self.to(login, LOGIN_ADDRESS, message).await;
        *reaches_vault = self.to(vault, VAULT_ADDRESS, message).await;
        way != "entra" || reaches_login
    }

    async fn to(&self, host: &str, address: &str, message: &mut String) -> bool {
        let begun = Instant::now();
        let (outcome, address) = match self.azure.head(&format!("https://{host}/")).await {
            // a vault that does not exist has no DNS name
            Err(_) => (Outcome::NoName, String::new()),
            Ok(reply) => {
                let planted = reply.header(HEADER).unwrap_or_default();
                let (word, value) = planted.split_once(' ').unwrap_or((planted, ""));
                let address = if word == "address" { value } else { address };
                (outcome(word, value), address.to_owned())
            }
        };
        let total = begun.elapsed().as_secs_f64();
        let (resolved, connected, secured) = (total * 0.1, total * 0.4, total);
        let (exit, numbers, issuer, error) = match &outcome {
            Outcome::Made => (0, [resolved, connected, secured], ISSUER, String::new()),
            Outcome::NoName => (6, [0.0; 3], "", format!("Could not resolve host: {host}")),
            Outcome::NameTimeout => (28, [0.0; 3], "", "Resolving timed out after 10000 milliseconds".to_owned()),
            Outcome::Refused => {
                (7, [resolved, 0.0, 0.0], "", format!("Failed to connect to {host} port 443 after 1 ms: Couldn't connect to server"))
            }
            Outcome::Dropped => (28, [resolved, 0.0, 0.0], "", "Connection timed out after 10000 milliseconds".to_owned()),
            Outcome::Reset => (35, [resolved, connected, 0.0], "", "Recv failure: Connection reset by peer".to_owned()),
            Outcome::Issuer(issuer) => (
                60,
                [resolved, connected, 0.0],
                issuer.as_str(),
                "SSL certificate problem: unable to get local issuer certificate".to_owned(),
            ),
            Outcome::Proxy(status) => (56, [resolved, connected, 0.0], "", format!("CONNECT tunnel failed, response {status}")),
        };
        let proxied =
            ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].iter().any(|name| !variable(self.container, name).is_empty());
        let via = if proxied { "proxy" } else { "direct" };
        let addresses = if numbers[0] > 0.0 { address.as_str() } else { "" };
        let proxy_status = if let Outcome::Proxy(status) = &outcome { status.as_str() } else { "000" };
        let [resolved, connected, secured] = numbers.map(|number| format!("{number:.6}"));
        let numbers = format!("{resolved} {connected} {secured} 000 {proxy_status}");
        let _ = writeln!(message, "0 connect {host}\t{exit}\t{numbers}\t{via}\t{addresses}\t{issuer}\t{error}");
        exit == 0
    }
}

fn outcome(word: &str, value: &str) -> Outcome {
    match word {
        "no-name" => Outcome::NoName,
        "name-timeout" => Outcome::NameTimeout,
        "refused" => Outcome::Refused,
        "dropped" => Outcome::Dropped,
        "reset" => Outcome::Reset,
        "issuer" => Outcome::Issuer(value.to_owned()),
        "proxy" => Outcome::Proxy(value.to_owned()),
        _ => Outcome::Made,
    }
}

fn without_password(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let shown = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, host)| format!("***@{host}"));
    if scheme.is_empty() { shown } else { format!("{scheme}://{shown}") }
}

/// One line of limited length.
pub(super) fn shown(answer: &str) -> String {
    answer.replace(['\r', '\n', '\t'], " ").chars().take(LONGEST).collect()
}

/// Reads each object until one is refused.
pub(super) async fn read(access: &ProviderContext, token: &str, vault: &str, objects: &[&str], message: &mut String) {
    for object in objects {
        let begun = Instant::now();
        let url = format!("https://{vault}/{object}?api-version=7.4");
        let (status, answer) = match access.azure.get(&url, Some(token)).await {
            Ok(reply) if reply.status == 200 => {
                let body = reply.json();
                let id = body["id"].as_str().or_else(|| body["key"]["kid"].as_str()).unwrap_or_default();
                (200, id.rsplit('/').next().unwrap_or_default().to_owned())
            }
            Ok(reply) => (reply.status, shown(&reply.text)),
            Err(_) => (0, "no such host".to_owned()),
        };
        let _ = writeln!(message, "{:.6} read {object} {status:03} {answer}", begun.elapsed().as_secs_f64());
        if status != 200 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_in_the_address_of_a_proxy_is_hidden() {
        assert_eq!(without_password("http://proxy:3128"), "http://proxy:3128");
        assert_eq!(without_password("http://me:p@ss@proxy:3128"), "http://***@proxy:3128");
        assert_eq!(without_password("me:secret@proxy"), "***@proxy");
    }
}
