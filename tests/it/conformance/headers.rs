//! Which headers of a recorded answer prove something, and what. A header that is not in a record proves nothing: recorders strip them.

use super::{
    compare::{Difference, difference},
    shape,
};

/// What a header tells of the contract.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Nothing, for the reason that stands beside it in `RULES`.
    Nothing,
    /// That it is there: its value is an id, a place or a count.
    There,
    /// Its value, with blanks and case left out.
    Value,
    /// A place: absolute or relative, and its fixed words.
    Place,
    /// A challenge: the scheme and the parameters by name and order.
    Challenge,
    /// How long to wait.
    Wait,
}

/// By the beginning of the name; the first that fits holds, and a name that fits none is compared by value.
const RULES: &[(&str, Rule)] = &[
    // the connection that it came over: HTTP/1.1 then, HTTP/2 or another length now
    ("date", Rule::Nothing),
    ("content-length", Rule::Nothing),
    ("content-encoding", Rule::Nothing),
    ("transfer-encoding", Rule::Nothing),
    ("connection", Rule::Nothing),
    ("vary", Rule::Nothing),
    // the web server of the one instance that answered: newer records of the same operation have none, or another
    ("server", Rule::Nothing),
    ("x-powered-by", Rule::Nothing),
    ("x-aspnet-version", Rule::Nothing),
    // the slice of the front door that a browser is to come back to
    ("set-cookie", Rule::Nothing),
    // as many empty ones as the front door asked regions, their values taken out by the recorder
    ("x-ms-original-request-ids", Rule::Nothing),
    // the address that the recorder called from
    ("x-ms-keyvault-network-info", Rule::There),
    ("x-ms-keyvault-region", Rule::There),
    ("x-ms-keyvault-service-version", Rule::There),
    ("x-ms-keyvault-rbac-assignment-id", Rule::There),
    // ages of caches, in seconds
    ("x-ms-keyvault-rbac-cache", Rule::There),
    ("x-msedge-ref", Rule::There),
    ("x-ms-request-id", Rule::There),
    ("x-ms-correlation-request-id", Rule::There),
    ("x-ms-routing-request-id", Rule::There),
    ("x-ms-operation-identifier", Rule::There),
    ("x-ms-client-request-id", Rule::Nothing), // an echo: only of what the recorder sent, which is not in the record
    ("x-ms-ratelimit-remaining", Rule::There),
    ("x-ms-ags-diagnostic", Rule::There),
    ("x-ms-resource-unit", Rule::There),
    ("request-id", Rule::There),
    ("client-request-id", Rule::There),
    ("azure-deprecating", Rule::There),
    ("location", Rule::Place),
    ("azure-asyncoperation", Rule::Place),
    ("www-authenticate", Rule::Challenge),
    ("retry-after", Rule::Wait),
];

fn rule(name: &str) -> Rule {
    RULES
        .iter()
        .find(|(start, _)| name == *start || (name.starts_with(start) && start.ends_with("remaining")))
        .map_or(Rule::Value, |(_, rule)| *rule)
}

pub fn compare(was: &[(String, String)], is: &[(String, String)]) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, value) in was {
        let rule = rule(name);
        // the playback of some SDKs writes this, so as not to wait; no service of Azure does
        let of_the_recorder = rule == Rule::Wait && value == "0";
        if rule == Rule::Nothing || of_the_recorder {
            continue;
        }
        let place = format!("header {name}");
        let Some((_, there)) = is.iter().find(|(n, _)| n == name) else {
            found.push(difference(place, format!("is not there, and was {value:?}")));
            continue;
        };
        let (old, new) = match rule {
            Rule::Nothing | Rule::There => continue,
            Rule::Value | Rule::Wait => (plain(value), plain(there)),
            Rule::Place => (spot(value), spot(there)),
            Rule::Challenge => (challenge(value), challenge(there)),
        };
        if old != new {
            found.push(difference(place, format!("is {new:?}, and was {old:?}")));
        }
    }
    found
}

fn plain(value: &str) -> String {
    value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// The casing of an id in a place is that of the path which it names, so it counts; the parameters are the signature's, and cut.
fn spot(value: &str) -> String {
    let path = value.split('?').next().unwrap_or_default();
    match path.strip_prefix("https://") {
        Some(rest) => {
            let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            format!("https://{host}{}", fixed(&path))
        }
        None => fixed(path),
    }
}

fn fixed(path: &str) -> String {
    shape::id(path).unwrap_or_else(|| {
        let words = path.split('/').map(|word| if word.len() > 20 || shape::guid(word) { "*" } else { word });
        words.collect::<Vec<_>>().join("/")
    })
}

/// `Bearer authorization="https://login…/TENANT", resource="https://vault.azure.net"`: the URLs by their shape, for the login host was another
/// before 2023 (`login.windows.net`).
fn challenge(value: &str) -> String {
    let mut parts = value.split('"');
    let mut out = String::new();
    while let Some(outside) = parts.next() {
        out.push_str(outside);
        if let Some(inside) = parts.next() {
            out.push_str(&shape::pattern(inside).unwrap_or_else(|| inside.to_owned()));
        }
    }
    out
}
