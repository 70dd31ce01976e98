//! Tokens of others that are exchanged for those of a managed identity: from a file, from GitHub Actions, from Azure DevOps. Each is fetched
//! when a token is asked for, because it expires after minutes.

use crate::{
    azure::{
        Error, Result, failures,
        pipeline::{HttpPipeline, HttpRequest},
    },
    files::{
        self,
        whole::{self, Accept},
    },
};
use ::http::{HeaderValue, Method};
use async_trait::async_trait;
use azure_core::{credentials::Secret, http::ClientMethodOptions};
use azure_identity as id;
use std::{path::PathBuf, sync::Arc};

/// A projected token. It rotates, so it is read each time. azure_identity would send a trailing line break with it.
#[derive(Debug)]
pub(super) struct TokenFile(PathBuf);

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

#[async_trait]
impl id::ClientAssertion for TokenFile {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = whole::read_text(&self.0, whole::TOKEN_LIMIT, Accept::Regular);
        let named = |e: files::Error| {
            let text = format!("{}: {}", self.0.display(), e.cause());
            azure_core::Error::with_message(azure_core::error::ErrorKind::Credential, text)
        };
        Ok(token.map_err(named)?.trim().to_owned())
    }
}

/// Requests the assertion from GitHub Actions: <https://docs.github.com/actions/reference/security/oidc>
#[derive(Debug)]
pub(super) struct GitHub(Endpoint);

impl GitHub {
    pub(super) fn new(pipeline: Arc<HttpPipeline>, url: String, token: Secret) -> Self {
        Self(Endpoint { of: "GitHub's token endpoint", pipeline: DebugPipeline(pipeline), url, token })
    }
}

#[async_trait]
impl id::ClientAssertion for GitHub {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        carried(self.0.ask(Method::GET, &[("audience", "api://AzureADTokenExchange")], "value").await)
    }
}

/// Requests the assertion of a service connection from Azure DevOps:
/// <https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create>
#[derive(Debug)]
pub(super) struct AzurePipelines {
    endpoint: Endpoint,
    connection: String,
}

impl AzurePipelines {
    pub(super) fn new(pipeline: Arc<HttpPipeline>, url: String, token: Secret, connection: String) -> Self {
        Self { endpoint: Endpoint { of: "the token endpoint of Azure DevOps", pipeline: DebugPipeline(pipeline), url, token }, connection }
    }
}

#[async_trait]
impl id::ClientAssertion for AzurePipelines {
    async fn secret(&self, _options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let query = [("api-version", "7.1"), ("serviceConnectionId", self.connection.as_str())];
        carried(self.endpoint.ask(Method::POST, &query, "oidcToken").await)
    }
}

fn carried(answer: Result<String>) -> azure_core::Result<String> {
    answer.map_err(|error| azure_core::Error::new(azure_core::error::ErrorKind::Credential, error))
}

/// Where a job gets its assertions.
#[derive(Debug)]
struct Endpoint {
    /// What it is, for messages.
    of: &'static str,
    pipeline: DebugPipeline,
    url: String,
    token: Secret,
}

struct DebugPipeline(Arc<HttpPipeline>);

impl std::fmt::Debug for DebugPipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Endpoint {
    /// Returns the field of the answer that has the assertion.
    async fn ask(&self, method: Method, query: &[(&str, &str)], field: &str) -> Result<String> {
        let odd = |what: &str| Error::Protocol(format!("{}: {what}", self.of));
        let mut url: url::Url = self.url.parse().map_err(|_| odd("no address"))?;
        url.query_pairs_mut().extend_pairs(query);
        if url.scheme() != "https" {
            return Err(odd("its address does not begin with https://, and it is asked with a token"));
        }
        let mut ask = HttpRequest::for_token(method.clone(), url);
        ask.headers.insert(::http::header::ACCEPT, HeaderValue::from_static("application/json"));
        if method == Method::POST {
            // Azure DevOps would answer a wrong token with a page to log in at
            ask.headers.insert("x-tfs-fedauthredirect", HeaderValue::from_static("Suppress"));
        }
        ask.bearer(self.token.secret())?;
        let host = ask.host().to_owned();
        let answer = self.pipeline.0.send(ask).await?;
        if !answer.is_success() {
            return Err(failures::refusal(&host, answer.status, &answer.headers, &answer.body));
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.body).map_err(|_| odd("no JSON"))?;
        body.get(field).and_then(serde_json::Value::as_str).map(str::to_owned).ok_or_else(|| odd("no token"))
    }
}
