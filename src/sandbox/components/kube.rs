//! The client of a cluster's API server. Every request has a header with the name of the component. It holds tokens, so it has no Debug.

use super::access::{KubeAccess, Token};
use super::plugin::{Certificate, Credential};
use super::wire::{LIMIT, base, innermost_cause};
use podid_files::whole::{self, Accept};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Identity, Method, Proxy, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

pub(crate) const JSON: &str = "application/json";
/// The type of an API server's key set. With plain JSON, the server answers 406.
const KEY_SET: &str = "application/jwk-set+json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Why a request failed. `status` is 0 if there was no answer.
#[derive(Clone, Debug)]
pub(crate) struct KubeError {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl KubeError {
    pub(super) fn lost(text: impl Into<String>) -> Self {
        Self { status: 0, text: text.into() }
    }
    pub(crate) fn is_absent(&self) -> bool {
        self.status == 404
    }
}

#[derive(Clone)]
pub(crate) struct KubeClient(Arc<Inner>);

struct Inner {
    access: KubeAccess,
    component: &'static str,
    agent: &'static str,
    /// Uses the certificate of the access, if there is one.
    client: Client,
    /// Uses the last certificate of the plugin.
    plugin_client: Mutex<Option<(Certificate, Client)>>,
}

impl KubeClient {
    /// `agent` is the program's name and version; its first part becomes the field manager.
    pub(crate) fn new(access: &KubeAccess, component: &'static str, agent: &'static str) -> Result<Self, String> {
        let client = client(access, access.certificate.as_ref(), component, agent)?;
        Ok(Self(Arc::new(Inner { access: access.clone(), component, agent, client, plugin_client: Mutex::default() })))
    }

    /// Returns the client and the token for the next request, and the credential of the plugin, if there is one.
    async fn ready(&self) -> Result<(Client, Option<String>, Option<Credential>), String> {
        let inner = &self.0;
        if let Some(plugin) = &inner.access.plugin {
            let credential = plugin.credential().await?;
            let token = credential.token.clone();
            let client = match &credential.certificate {
                Some(certificate) => self.plugin_client(certificate).await?,
                None => inner.client.clone(),
            };
            return Ok((client, token, Some(credential)));
        }
        let token = match &inner.access.token {
            None => None,
            Some(Token::Fixed(token)) => Some(token.clone()),
            Some(Token::File(path)) => {
                let text = whole::read_text(path, whole::TOKEN_LIMIT, Accept::Regular)
                    .map_err(|e| format!("could not read the token file {}: {}", path.display(), e.cause()))?;
                Some(text.trim().to_owned())
            }
        };
        Ok((inner.client.clone(), token, None))
    }

    async fn plugin_client(&self, certificate: &Certificate) -> Result<Client, String> {
        let mut plugin_client = self.0.plugin_client.lock().await;
        if let Some((old, client)) = plugin_client.as_ref()
            && old == certificate
        {
            return Ok(client.clone());
        }
        let client = client(&self.0.access, Some(certificate), self.0.component, self.0.agent)?;
        *plugin_client = Some((certificate.clone(), client.clone()));
        Ok(client)
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>, limit: Option<Duration>) -> Result<Response, KubeError> {
        let (reply, credential) = self.ask(method.clone(), path, body, limit).await?;
        let response = match (&self.0.access.plugin, credential) {
            (Some(plugin), Some(credential)) if reply.status().as_u16() == 401 => {
                plugin.refused(&credential).await;
                self.ask(method, path, body, limit).await?.0
            }
            _ => reply,
        };
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let reply: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(KubeError { status, text: reply["message"].as_str().map_or(text, str::to_owned) })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
        limit: Option<Duration>,
    ) -> Result<(Response, Option<Credential>), KubeError> {
        // a missing credential is handled like a wrong one
        let (client, token, credential) = self.ready().await.map_err(|text| KubeError { status: 401, text })?;
        let accept = if path.starts_with("/openid/") { KEY_SET } else { JSON };
        let mut request = client.request(method, format!("{}{path}", self.0.access.address())).header("accept", accept);
        for (name, value) in &self.0.access.headers {
            request = request.header(name, value);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body.to_string());
        }
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        Ok((request.send().await.map_err(|e| KubeError::lost(innermost_cause(&e)))?, credential))
    }

    async fn json(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, KubeError> {
        let response = self.send(method, path, body, Some(LIMIT)).await?;
        response.json().await.map_err(|e| KubeError::lost(innermost_cause(&e)))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, KubeError> {
        self.json(Method::GET, path, None).await
    }
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, KubeError> {
        self.json(Method::POST, path, Some((JSON, body))).await
    }
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, KubeError> {
        self.json(Method::PUT, path, Some((JSON, body))).await
    }
    pub(super) async fn merge(&self, path: &str, body: &Value) -> Result<Value, KubeError> {
        self.json(Method::PATCH, path, Some((MERGE, body))).await
    }
    /// Applies on the server. Fields of other managers cause a 409.
    pub(crate) async fn apply(&self, path: &str, manager: &str, body: &Value) -> Result<Value, KubeError> {
        self.json(Method::PATCH, &format!("{path}?fieldManager={manager}&fieldValidation=Strict"), Some((APPLY, body))).await
    }
    /// Applies on the server, and takes fields of other managers.
    pub(crate) async fn apply_by_force(&self, path: &str, manager: &str, body: &Value) -> Result<Value, KubeError> {
        self.json(Method::PATCH, &format!("{path}?fieldManager={manager}&force=true"), Some((APPLY, body))).await
    }
    /// A missing object is not an error.
    pub(crate) async fn delete(&self, path: &str, options: &Value) -> Result<(), KubeError> {
        match self.json(Method::DELETE, path, Some((JSON, options))).await {
            Err(e) if !e.is_absent() => Err(e),
            _ => Ok(()),
        }
    }
    /// Starts a watch; the caller reads its chunks.
    pub(super) async fn stream(&self, path: &str) -> Result<Response, KubeError> {
        self.send(Method::GET, path, None, None).await
    }
}

fn client(access: &KubeAccess, certificate: Option<&Certificate>, component: &'static str, agent: &'static str) -> Result<Client, String> {
    let mut client = base(component).user_agent(agent);
    if let Some(ca) = &access.ca_pem {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(ca.as_bytes()).map_err(|e| innermost_cause(&e))?);
    }
    if access.insecure {
        client = client.tls_danger_accept_invalid_certs(true);
    }
    if let Some((name, addresses)) = &access.named {
        client = client.resolve_to_addrs(name, addresses);
    }
    if let Some(Certificate { certificate, key }) = certificate {
        client = client.identity(Identity::from_pem(format!("{key}\n{certificate}").as_bytes()).map_err(|e| innermost_cause(&e))?);
    }
    if let Some(proxy) = &access.proxy {
        client = client.proxy(Proxy::all(proxy).map_err(|e| innermost_cause(&e))?);
    }
    client.build().map_err(|e| innermost_cause(&e))
}
