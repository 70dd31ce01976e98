//! The way to a cluster's API server. Every request says which player asks. Holds tokens, so no Debug.

use super::access::{Certificate, KubeAccess, Token};
use super::plugin::Credential;
use super::wire::{LIMIT, bad, base};
use podid_files::whole::{self, Accept};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Identity, Method, Proxy, Response};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

pub(crate) const JSON: &str = "application/json";
/// Of an API server's key set: asked for JSON alone, it answers 406.
const KEY_SET: &str = "application/jwk-set+json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Why something was not answered as wished. `status` 0: no answer at all.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Refusal {
    pub(super) fn lost(text: impl Into<String>) -> Self {
        Self { status: 0, text: text.into() }
    }
    pub(crate) fn is_absent(&self) -> bool {
        self.status == 404
    }
}

#[derive(Clone)]
pub(crate) struct Kube(Arc<Inner>);

struct Inner {
    access: KubeAccess,
    player: &'static str,
    agent: &'static str,
    /// With the certificate of the access, or none.
    client: Client,
    /// With the certificate that the plugin gave last.
    plugged: Mutex<Option<(Certificate, Client)>>,
}

impl Kube {
    /// `agent`: the program's name and version; its first part becomes the manager of the fields it writes.
    pub(crate) fn new(access: &KubeAccess, player: &'static str, agent: &'static str) -> Result<Self, String> {
        let client = client(access, access.certificate.as_ref(), player, agent)?;
        Ok(Self(Arc::new(Inner { access: access.clone(), player, agent, client, plugged: Mutex::default() })))
    }

    /// The client and the token for the next request, and what a plugin gave for it.
    async fn ready(&self) -> Result<(Client, Option<String>, Option<Credential>), String> {
        let inner = &self.0;
        if let Some(plugin) = &inner.access.plugin {
            let credential = plugin.credential().await?;
            let token = credential.token.clone();
            let client = match &credential.certificate {
                Some(certificate) => self.plugged(certificate).await?,
                None => inner.client.clone(),
            };
            return Ok((client, token, Some(credential)));
        }
        let token = match &inner.access.token {
            None => None,
            Some(Token::Fixed(token)) => Some(token.clone()),
            Some(Token::File(path)) => {
                let text = whole::read_text(path, whole::TOKEN_LIMIT, Accept::Regular)
                    .map_err(|e| format!("the token file {}: {}", path.display(), e.cause()))?;
                Some(text.trim().to_owned())
            }
        };
        Ok((inner.client.clone(), token, None))
    }

    async fn plugged(&self, certificate: &Certificate) -> Result<Client, String> {
        let mut plugged = self.0.plugged.lock().await;
        if let Some((old, client)) = plugged.as_ref()
            && old == certificate
        {
            return Ok(client.clone());
        }
        let client = client(&self.0.access, Some(certificate), self.0.player, self.0.agent)?;
        *plugged = Some((certificate.clone(), client.clone()));
        Ok(client)
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>, limit: Option<Duration>) -> Result<Response, Refusal> {
        let (said, credential) = self.ask(method.clone(), path, body, limit).await?;
        let response = match (&self.0.access.plugin, credential) {
            (Some(plugin), Some(credential)) if said.status().as_u16() == 401 => {
                plugin.refused(&credential).await;
                self.ask(method, path, body, limit).await?.0
            }
            _ => said,
        };
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        Err(Refusal { status, text: said["message"].as_str().map_or(text, str::to_owned) })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
        limit: Option<Duration>,
    ) -> Result<(Response, Option<Credential>), Refusal> {
        // no credential is as good as a wrong one
        let (client, token, credential) = self.ready().await.map_err(|text| Refusal { status: 401, text })?;
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
        Ok((request.send().await.map_err(|e| Refusal::lost(bad(&e)))?, credential))
    }

    async fn json(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, Refusal> {
        let response = self.send(method, path, body, Some(LIMIT)).await?;
        response.json().await.map_err(|e| Refusal::lost(bad(&e)))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Refusal> {
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
    /// Server-side; fields of others are left to them by a refusal (409).
    pub(crate) async fn apply(&self, path: &str, manager: &str, body: &Value) -> Result<Value, Refusal> {
        self.json(Method::PATCH, &format!("{path}?fieldManager={manager}&fieldValidation=Strict"), Some((APPLY, body))).await
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

fn client(access: &KubeAccess, certificate: Option<&Certificate>, player: &'static str, agent: &'static str) -> Result<Client, String> {
    let mut client = base(player).user_agent(agent);
    if let Some(ca) = &access.ca_pem {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(ca.as_bytes()).map_err(|e| bad(&e))?);
    }
    if access.insecure {
        client = client.tls_danger_accept_invalid_certs(true);
    }
    if let Some((name, addresses)) = &access.named {
        client = client.resolve_to_addrs(name, addresses);
    }
    if let Some(Certificate { certificate, key }) = certificate {
        client = client.identity(Identity::from_pem(format!("{key}\n{certificate}").as_bytes()).map_err(|e| bad(&e))?);
    }
    if let Some(proxy) = &access.proxy {
        client = client.proxy(Proxy::all(proxy).map_err(|e| bad(&e))?);
    }
    client.build().map_err(|e| bad(&e))
}
