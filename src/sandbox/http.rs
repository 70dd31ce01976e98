//! Requests and responses inside the sandbox as plain data.

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

/// A request. Who needs it decodes `path` segment by segment; `query` is raw and has no `?`.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Lower case, without a port.
    pub host: String,
    pub path: String,
    pub query: String,
    /// Names are in lower case and in order.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// Returns a decoded query parameter; names ignore case (`$filter`, `api-version`).
    pub fn query(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes()).find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.into_owned())
    }
}

pub enum Body {
    Full(Bytes),
    /// A watch: chunks until the sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Full(Bytes::new()) }
    }
    pub fn json(status: u16, content_type: &str, body: &Value) -> Self {
        Self { status, headers: vec![("content-type".into(), content_type.into())], body: Body::Full(body.to_string().into()) }
    }
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
