//! The two ways out: the Kubernetes API, and Azure through its proxy. Every request says which player asks. Holds tokens, so no Debug.

use super::{Config, KubeAccess};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, Proxy, Response};
use serde_json::Value;
use std::time::Duration;

pub(super) const JSON: &str = "application/json";
pub(super) const MERGE: &str = "application/merge-patch+json";
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);

/// Why something was not answered as wished. `status` 0: no answer at all.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn lost(text: impl Into<String>) -> Self {
        Self { status: 0, text: text.into() }
    }
    pub(super) fn is_absent(&self) -> bool {
        self.status == 404
    }
}

#[derive(Clone)]
pub(super) struct Kube {
    client: Client,
    server: String,
    token: Option<String>,
}

#[derive(Clone)]
pub(super) struct Azure {
    client: Client,
    /// The cluster whose node it is that asks the metadata service.
    node: String,
}

fn base(player: &'static str) -> ClientBuilder {
    let mut headers = HeaderMap::new();
    headers.insert("x-podid-player", HeaderValue::from_static(player));
    Client::builder().default_headers(headers).no_proxy().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT_LIMIT)
}

fn bad(e: &reqwest::Error) -> String {
    // the innermost cause is the one that says something
    let mut cause: &dyn std::error::Error = e;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

impl Kube {
    /// `agent`: the program's name and version; its first part becomes the manager of the fields it writes.
    pub(super) fn new(access: &KubeAccess, player: &'static str, agent: &'static str) -> Result<Self, String> {
        let mut client = base(player).user_agent(agent);
        if let Some(ca) = &access.ca_pem {
            client = client.tls_certs_only(Certificate::from_pem_bundle(ca.as_bytes()).map_err(|e| bad(&e))?);
        }
        if let (Some(cert), Some(key)) = (&access.client_cert_pem, &access.client_key_pem) {
            client = client.identity(Identity::from_pem(format!("{key}\n{cert}").as_bytes()).map_err(|e| bad(&e))?);
        }
        if let Some(proxy) = &access.proxy {
            client = client.proxy(Proxy::all(proxy).map_err(|e| bad(&e))?);
        }
        let client = client.build().map_err(|e| bad(&e))?;
        Ok(Self { client, server: access.server.trim_end_matches('/').to_owned(), token: access.token.clone() })
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>, limit: Option<Duration>) -> Result<Response, Refusal> {
        let mut request = self.client.request(method, format!("{}{path}", self.server)).header("accept", JSON);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body.to_string());
        }
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        let response = request.send().await.map_err(|e| Refusal::lost(bad(&e)))?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(Refusal { status, text: said["message"].as_str().map_or(text, str::to_owned) })
    }

    async fn json(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, Refusal> {
        let response = self.send(method, path, body, Some(LIMIT)).await?;
        response.json().await.map_err(|e| Refusal::lost(bad(&e)))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.json(Method::GET, path, None).await
    }
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.json(Method::POST, path, Some((JSON, body))).await
    }
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.json(Method::PUT, path, Some((JSON, body))).await
    }
    pub(super) async fn merge(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.json(Method::PATCH, path, Some((MERGE, body))).await
    }
    /// Absent is success.
    pub(super) async fn delete(&self, path: &str, options: &Value) -> Result<(), Refusal> {
        match self.json(Method::DELETE, path, Some((JSON, options))).await {
            Err(e) if !e.is_absent() => Err(e),
            _ => Ok(()),
        }
    }
    /// A watch: the caller reads its chunks for as long as it likes.
    pub(super) async fn stream(&self, path: &str) -> Result<Response, Refusal> {
        self.send(Method::GET, path, None, None).await
    }
}

/// An answer of Azure, whatever its status.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Said {
    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
    /// "403 Forbidden", as Go prints a status.
    pub(super) fn status_text(&self) -> String {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        format!("{} {}", self.status, reason.unwrap_or_default())
    }
}

impl Azure {
    pub(super) fn new(config: &Config, player: &'static str) -> Result<Self, String> {
        let client = base(player)
            .tls_certs_only(Certificate::from_pem_bundle(config.ca_pem.as_bytes()).map_err(|e| bad(&e))?)
            .proxy(Proxy::all(&config.proxy).map_err(|e| bad(&e))?)
            .timeout(LIMIT)
            .build()
            .map_err(|e| bad(&e))?;
        Ok(Self { client, node: config.cluster.clone() })
    }

    /// Err: no answer at all (a vault that does not exist has no name that could be looked up).
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Said, String> {
        let response = request.send().await.map_err(|e| bad(&e))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.map_err(|e| bad(&e))?;
        Ok(Said { status, headers, text })
    }

    pub(super) async fn get(&self, url: &str, token: Option<&str>) -> Result<Said, String> {
        let request = self.client.get(url);
        self.send(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    pub(super) async fn patch(&self, url: &str, token: &str, body: &Value) -> Result<Said, String> {
        self.send(self.client.patch(url).bearer_auth(token).header(CONTENT_TYPE, "application/json; charset=utf-8").body(body.to_string()))
            .await
    }

    pub(super) async fn form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Said, String> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(self.client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)).await
    }

    /// `query`: encoded, without `?`.
    pub(super) async fn metadata(&self, query: &str) -> Result<Said, String> {
        let url = format!("{METADATA}?{query}");
        self.send(self.client.get(url).header("metadata", "true").header("x-podid-node", &self.node)).await
    }
}

pub(super) const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
