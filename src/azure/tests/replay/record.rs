//! One recorded request with its response, as one line of the recordings. This file does not use podid's client.

use crate::azure::tests::fake::{Reply, empty};
use crate::azure::vault_uri;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(Clone, Deserialize)]
pub struct Record {
    #[serde(default)]
    pub src: String,
    #[serde(default)]
    pub seq: u64,
    pub op: String,
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: String,
    pub req_body: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    #[serde(default)]
    pub body_len: usize,
}

const GRAPH: &str = "graph.microsoft.com";

/// Headers that the test server sets itself, or that belong to the recorded connection.
const OF_THE_CONNECTION: [&str; 6] = ["content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "alt-svc"];

impl Record {
    pub fn answer(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn asked(&self) -> Value {
        serde_json::from_str(&self.req_body).unwrap_or_default()
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns whether this is a vault's response to a request without a token, which names the token's issuer.
    pub fn is_challenge(&self) -> bool {
        let names_the_way = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
        self.status == 401 && names_the_way && !["management.azure.com", GRAPH].contains(&self.host.as_str())
    }

    /// Returns whether the body is complete; longer ones are cut in the examples.
    pub fn is_whole(&self) -> bool {
        self.body_len <= 8_000
    }

    /// Returns the innermost code of an error, or else the status.
    pub fn code(&self) -> String {
        let answer = self.answer();
        let places = ["/error/innererror/code", "/error/innerError/code", "/error/code", "/code"];
        places.iter().find_map(|place| answer.pointer(place)?.as_str().map(str::to_owned)).unwrap_or_else(|| self.status.to_string())
    }

    pub fn message(&self) -> Option<String> {
        let answer = self.answer();
        ["/error/message", "/message"].iter().find_map(|place| answer.pointer(place)?.as_str().map(|text| text.trim().to_owned()))
    }

    /// Returns the response. With `hurried`, Retry-After is 0.
    pub fn reply(&self, hurried: bool) -> Reply {
        let headers = self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let headers = headers.filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str())).map(|(name, value)| {
            let now = hurried && name == "retry-after";
            (name, if now { "0".to_owned() } else { value })
        });
        Reply { headers: headers.collect(), body: self.body.clone(), ..empty(self.status) }
    }

    pub fn key(&self) -> String {
        key(&self.method, &self.host, &self.path, &self.query)
    }
}

/// Returns the key by which a request is matched. It ignores the API version, the signature in a poll's address (`t`, `c`, `s`, `h`), the
/// page size, the name of a role assignment (which the client chooses), and a slash at the end of a secret's path.
pub fn key(method: &str, host: &str, path: &str, query: &str) -> String {
    let path = path.to_ascii_lowercase();
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let Some(at) = segments.iter().position(|segment| *segment == "roleassignments")
        && let Some(name) = segments.get_mut(at + 1)
    {
        *name = "*";
    }
    let left_out = ["api-version", "t", "c", "s", "h", "maxresults"];
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let mut pairs: Vec<String> = pairs.filter(|(name, _)| !left_out.contains(&name.as_ref())).map(|(n, v)| format!("{n}={v}")).collect();
    if host == GRAPH {
        // az finds a service principal by one of its names, podid by its application id, and only with the fields that it reads
        pairs.retain(|pair| !pair.starts_with("$select="));
        pairs.iter_mut().filter(|pair| app_id(pair).is_some()).for_each(|pair| *pair = app_id(pair).unwrap_or_default());
    }
    pairs.sort();
    format!("{method} {}/{}?{}", host.to_ascii_lowercase(), segments.join("/"), pairs.join("&"))
}

/// Returns the application id in a filter for service principals.
pub fn app_id(filter: &str) -> Option<String> {
    let forms = ["servicePrincipalNames/any(c:c eq '", "appId eq '"];
    let rest = forms.iter().find_map(|form| filter.split_once(form).map(|(_, rest)| rest))?;
    rest.split_once('\'').map(|(id, _)| id.to_owned())
}

pub fn read(file: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let record = |(nth, line): (usize, &str)| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}:{}: {e}", file.display(), nth + 1));
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(record).map(in_azure).collect()
}

/// Replaces a made-up host of a vault, which some tools record, because podid only sends requests to Azure's vaults.
fn in_azure(record: Record) -> Record {
    let of_a_vault = record.op.starts_with("secret.") || record.op.starts_with("deletedSecret.");
    if !of_a_vault || vault_uri::parts(&record.host).is_some() {
        return record;
    }
    let name = record.host.split(['.', ':']).next().unwrap_or_default();
    let host = format!("{name}.{}", vault_uri::SUFFIXES[0]);
    let body = record.body.replace(&format!("://{}", record.host), &format!("://{host}"));
    Record { host, body, ..record }
}

/// Returns `part` of the folder of recordings. If there are none, prints that and returns None.
pub fn folder(part: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("PODID_RECORDINGS").filter(|folder| !folder.is_empty()) else {
        say(&format!("not run: the recorded answers of {part} (PODID_RECORDINGS names no folder)"));
        return None;
    };
    let folder = PathBuf::from(folder);
    assert!(folder.is_dir(), "PODID_RECORDINGS names {}, which is no folder", folder.display());
    let there = folder.join(part);
    if !there.exists() {
        say(&format!("not run: the recorded answers of {part} ({} has none)", folder.display()));
        return None;
    }
    Some(there)
}

/// Prints to stderr without eprintln, whose output libtest captures.
pub fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
