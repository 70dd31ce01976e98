//! The HTTP client of Azure, through its proxy. Every request has a header with the name of the component. It holds tokens, so it has no
//! Debug.

use super::config::Config;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Method, Proxy};
use serde_json::Value;
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
pub(super) const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(super) struct AzureClient {
    client: Client,
    /// The cluster of the node that calls the metadata service.
    node: String,
}

pub(super) fn base(component: &'static str) -> ClientBuilder {
    let mut headers = HeaderMap::new();
    headers.insert("x-podid-player", HeaderValue::from_static(component));
    Client::builder().default_headers(headers).no_proxy().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT_LIMIT)
}

pub(super) fn innermost_cause(e: &reqwest::Error) -> String {
    // the innermost cause has the useful message
    let mut cause: &dyn std::error::Error = e;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A response of Azure with any status.
pub(super) struct AzureResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl AzureResponse {
    pub(super) fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
    /// Returns a text such as "403 Forbidden", as Go prints a status.
    pub(super) fn status_text(&self) -> String {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        format!("{} {}", self.status, reason.unwrap_or_default())
    }
}

impl AzureClient {
    pub(super) fn new(config: &Config, component: &'static str) -> Result<Self, String> {
        let client = base(component)
            .tls_certs_only(Certificate::from_pem_bundle(config.ca_pem.as_bytes()).map_err(|e| innermost_cause(&e))?)
            .proxy(Proxy::all(&config.proxy).map_err(|e| innermost_cause(&e))?)
            .timeout(LIMIT)
            .build()
            .map_err(|e| innermost_cause(&e))?;
        Ok(Self { client, node: config.cluster.clone() })
    }

    /// Returns an error if there was no answer (a vault that does not exist has no DNS name).
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<AzureResponse, String> {
        let response = request.send().await.map_err(|e| innermost_cause(&e))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.map_err(|e| innermost_cause(&e))?;
        Ok(AzureResponse { status, headers, text })
    }

    pub(super) async fn get(&self, url: &str, token: Option<&str>) -> Result<AzureResponse, String> {
        let request = self.client.get(url);
        self.send(if let Some(token) = token { request.bearer_auth(token) } else { request }).await
    }

    /// Asks a host without a credential.
    pub(super) async fn head(&self, url: &str) -> Result<AzureResponse, String> {
        self.send(self.client.head(url)).await
    }

    /// Writes a block blob, if there is a body, or reads or deletes one.
    pub(super) async fn blob(&self, method: Method, url: &str, token: &str, body: Option<&'static str>) -> Result<AzureResponse, String> {
        let request = self.client.request(method, url).bearer_auth(token).header("x-ms-version", "2021-12-02");
        self.send(match body {
            Some(body) => request.header("x-ms-blob-type", "BlockBlob").header(CONTENT_TYPE, "text/plain").body(body),
            None => request,
        })
        .await
    }

    pub(super) async fn patch(&self, url: &str, token: &str, body: &Value) -> Result<AzureResponse, String> {
        self.send(self.client.patch(url).bearer_auth(token).header(CONTENT_TYPE, "application/json; charset=utf-8").body(body.to_string()))
            .await
    }

    pub(super) async fn form(&self, url: &str, fields: &[(&str, &str)]) -> Result<AzureResponse, String> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(self.client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)).await
    }

    /// `query` is encoded and has no `?`.
    pub(super) async fn metadata(&self, query: &str) -> Result<AzureResponse, String> {
        let url = format!("{METADATA}?{query}");
        self.send(self.client.get(url).header("metadata", "true").header("x-podid-node", &self.node)).await
    }
}

pub(super) const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
