//! Reads the recordings: one interaction each, with the fields that the README of the recordings describes.

use serde_json::Value;
use std::{fs, path::Path};

/// The operations that podid uses: an operation belongs to a family if its name begins with it.
const FAMILIES: [&str; 13] = [
    "subscription",
    "rg",
    "identity",
    "fic",
    "roleDefinition",
    "roleAssignment",
    "provider",
    "feature",
    "vault",
    "deletedVault",
    "secret",
    "deletedSecret",
    "graph",
];
const SINGLE: [&str; 7] =
    ["aks.GET", "aks.list.GET", "storage.GET", "storage.PUT", "storage.DELETE", "storage.checkName.POST", "storage.asyncOperation.GET"];
/// The recorder truncated bodies at this length.
const LONGEST_BODY: u64 = 8_000;
const LONGEST_REQUEST: usize = 4_000;
/// Differences of this many bytes are spaces between the parts of a body.
const SHORTENED: usize = 4;
/// cloud-custodian's recorder writes this instead of a request body.
const NO_BODY: &str = "mock_body";

#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Where the record comes from, for people.
    pub label: String,
    pub op: String,
    pub status: u16,
    pub api_version: String,
    pub method: String,
    pub host: String,
    pub path: String,
    pub query: String,
    pub request: String,
    /// Header names in lower case.
    pub headers: Vec<(String, String)>,
    pub text: String,
    /// Null if there is none, or if it is not JSON.
    pub body: Value,
    pub codes: Vec<String>,
}

impl Record {
    fn of(line: &str, label: &str) -> Result<Option<Self>, serde_json::Error> {
        let value: Value = serde_json::from_str(line)?;
        let text = |name: &str| match &value[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let op = text("op");
        let request = text("req_body");
        let counts = FAMILIES.iter().any(|f| op.starts_with(f)) || SINGLE.contains(&op.as_str());
        let cut =
            value["body_len"].as_u64().unwrap_or(0) > LONGEST_BODY || request.chars().count() >= LONGEST_REQUEST || request == NO_BODY;
        if !counts || cut {
            return Ok(None);
        }
        let headers =
            value["headers"].as_array().into_iter().flatten().filter_map(|pair| {
                Some((pair.get(0)?.as_str()?.to_ascii_lowercase(), pair.get(1)?.as_str().unwrap_or_default().to_owned()))
            });
        let body: Value = serde_json::from_str(&text("body")).unwrap_or_default();
        let source = match &value["source"] {
            Value::Object(source) => format!("{} #{}", source["path"].as_str().unwrap_or_default(), source["seq"]),
            _ => format!("{label} {} #{}", text("src"), value["seq"]),
        };
        let query = text("query");
        let version = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name.eq_ignore_ascii_case("api-version"));
        Ok(Some(Self {
            label: source,
            status: u16::try_from(value["status"].as_u64().unwrap_or(0)).unwrap_or(0),
            api_version: version.map(|(_, v)| v.into_owned()).unwrap_or_default(),
            method: text("method"),
            host: text("host").to_ascii_lowercase(),
            path: text("path"),
            headers: headers.collect(),
            codes: codes(&body),
            text: text("body"),
            op,
            query,
            request,
            body,
        }))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Returns the day of the answer, from its `Date` or the front door's reference, if the recorder kept one.
    pub fn day(&self) -> Option<jiff::civil::Date> {
        let dated = self.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|at| at.date());
        dated.or_else(|| self.header("x-msedge-ref")?.rsplit("Ref C: ").next()?.get(..10)?.parse().ok())
    }

    /// Returns whether the recorder removed most of the body: its original length was many times the recorded one.
    pub fn shortened(&self) -> bool {
        let length = self.header("content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
        !self.text.is_empty() && length > self.text.len() * SHORTENED
    }

    pub fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|c| c == code)
    }

    /// Returns the request's body, null if there is none.
    pub fn asked(&self) -> Value {
        serde_json::from_str(&self.request).unwrap_or_default()
    }
}

/// Returns the codes of a refusal, outermost first: ARM's in `error`, AKS's own without it, capitals for a group's deletion, and inner ones.
pub fn codes(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let error = ["error", "Error"].iter().find_map(|name| body.get(name).filter(|e| e.is_object())).unwrap_or(body);
    collect(error, &mut found);
    found
}

fn collect(error: &Value, found: &mut Vec<String>) {
    for name in ["code", "Code", "subcode"] {
        found.extend(error.get(name).and_then(Value::as_str).map(str::to_owned));
    }
    for name in ["innererror", "innerError"] {
        if let Some(inner) = error.get(name) {
            collect(inner, found);
        }
    }
    for name in ["details", "Details"] {
        for inner in error.get(name).and_then(Value::as_array).into_iter().flatten() {
            collect(inner, found);
        }
    }
}

/// Returns the records of a file whose operations podid uses.
fn read(path: &Path, label: &str) -> Vec<Record> {
    let text = fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| {
        Record::of(line, label).unwrap_or_else(|why| panic!("{} line {}: it is no record: {why}", path.display(), at + 1))
    };
    lines.filter_map(read).collect()
}

/// Reads `examples.jsonl`, if it exists.
pub fn examples(folder: &Path) -> Vec<Record> {
    let path = folder.join("examples.jsonl");
    if path.is_file() { read(&path, "") } else { Vec::new() }
}

/// Reads each answer of `sequences/`, if it exists, as a record of its own.
pub fn sequences(folder: &Path) -> Vec<Record> {
    let Ok(entries) = fs::read_dir(folder.join("sequences")) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "jsonl")).collect();
    files.sort();
    files.iter().flat_map(|path| read(path, path.file_stem().and_then(|s| s.to_str()).unwrap_or_default())).collect()
}
