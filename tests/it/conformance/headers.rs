//! Which headers of a recorded answer are compared, and how. A missing header proves nothing: recorders remove headers.

use super::{
    compare::{Difference, difference},
    shape,
};

/// How a header is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Not compared, for the reason in `RULES`.
    Nothing,
    /// Only its presence: the value is an id, a place or a count.
    There,
    /// Its value, ignoring blanks and case.
    Value,
    /// A URL: absolute or relative, and its fixed words.
    Place,
    /// A challenge: the scheme, and the parameters by name and order.
    Challenge,
    /// The time to wait.
    Wait,
}

/// Rules by prefix of the name; the first match counts, and a name without a rule is compared by value.
const RULES: &[(&str, Rule)] = &[
    // These belong to the connection: HTTP/1.1 then, HTTP/2 or another length now.
    ("date", Rule::Nothing),
    ("content-length", Rule::Nothing),
    ("content-encoding", Rule::Nothing),
    ("transfer-encoding", Rule::Nothing),
    ("connection", Rule::Nothing),
    ("vary", Rule::Nothing),
    // The web server of one instance: newer records of the same operation have none, or another one.
    ("server", Rule::Nothing),
    ("x-powered-by", Rule::Nothing),
    ("x-aspnet-version", Rule::Nothing),
    // The instance of the front door that a browser is sent back to.
    ("set-cookie", Rule::Nothing),
    // One empty value for each region that the front door asked; the recorder removed the values.
    ("x-ms-original-request-ids", Rule::Nothing),
    // The address that the recorder called from.
    ("x-ms-keyvault-network-info", Rule::There),
    ("x-ms-keyvault-region", Rule::There),
    ("x-ms-keyvault-service-version", Rule::There),
    ("x-ms-keyvault-rbac-assignment-id", Rule::There),
    // Ages of caches, in seconds.
    ("x-ms-keyvault-rbac-cache", Rule::There),
    ("x-msedge-ref", Rule::There),
    ("x-ms-request-id", Rule::There),
    ("x-ms-correlation-request-id", Rule::There),
    ("x-ms-routing-request-id", Rule::There),
    ("x-ms-operation-identifier", Rule::There),
    ("x-ms-client-request-id", Rule::Nothing), // An echo of the request, which is not in the record.
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
        // The playback of some SDKs writes this to avoid waiting; Azure does not.
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
            Rule::Place => (url_shape(value), url_shape(there)),
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

/// Reduces a URL to its shape. The casing of an id in it is that of the named path, so it counts; the parameters are a signature and are cut.
fn url_shape(value: &str) -> String {
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

/// Reduces `Bearer authorization="https://login…/TENANT", resource="https://vault.azure.net"` to its shape: the login host was another one
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
