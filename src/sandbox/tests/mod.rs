//! Tests that start the sandbox and talk to it as a client does: over its proxy, with its CA.

mod actions;
mod addons;
mod applications;
mod assertions;
mod assignments;
mod bad_requests;
mod bare;
mod clusters;
mod components;
mod faults;
mod features;
mod federated;
mod folder;
mod hostile;
mod hostile_azure;
pub mod hostile_values;
mod identity_bindings;
mod imds;
mod lab;
mod locks;
mod nodes;
mod plain;
mod pod_identity;
mod proxy;
mod secrets;
mod storage;
mod tokens;
mod vaults;
mod versions;
mod workload_identity;

use super::{Access, Lateness, Options, Sandbox, open};
use reqwest::{Client, Method, header::HeaderMap};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

pub const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
pub const SECRETS_OFFICER: &str = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7";
pub const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
pub const OPERATOR: &str = "f1a07417-d97a-45cb-824c-7a7467783830";
pub const VM_CONTRIBUTOR: &str = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c";

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
    pub fn inner(&self) -> &str {
        self.body["error"]["innererror"]["code"].as_str().unwrap_or_default()
    }
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    pub fn keys(&self) -> Vec<&str> {
        self.body.as_object().unwrap().keys().map(String::as_str).collect()
    }
}

pub struct Lab {
    pub dir: tempfile::TempDir,
    pub sandbox: Sandbox,
    pub client: Client,
}

pub fn options(dir: &Path, lateness: Lateness) -> Options {
    Options { lateness: Some(lateness), wait: Duration::from_secs(20), ..Options::new(dir) }
}

pub fn client(access: &Access) -> Client {
    builder(access).build().unwrap()
}

/// Returns a client with HTTP/1.1 only, like those of Kubernetes.
pub fn old_client(access: &Access) -> Client {
    builder(access).http1_only().build().unwrap()
}

fn builder(access: &Access) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(&std::fs::read(&access.ca).unwrap()).unwrap();
    Client::builder().proxy(reqwest::Proxy::all(&access.proxy).unwrap()).tls_certs_only([ca])
}

impl Lab {
    pub async fn new(lateness: Lateness) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::within(dir, lateness).await
    }

    pub async fn within(dir: tempfile::TempDir, lateness: Lateness) -> Self {
        let options = options(dir.path(), lateness);
        Self::with(dir, options).await
    }

    pub async fn with(dir: tempfile::TempDir, options: Options) -> Self {
        let sandbox = open(options).await.unwrap();
        let client = client(sandbox.access());
        Self { dir, sandbox, client }
    }

    /// Closes the sandbox and opens the same world again.
    pub async fn again(self, lateness: Lateness) -> Self {
        self.sandbox.close().await;
        Self::within(self.dir, lateness).await
    }

    pub fn subscription(&self) -> String {
        format!("/subscriptions/{}", self.sandbox.access().subscription)
    }

    pub fn group(&self) -> String {
        format!("{}/resourceGroups/podid-lab", self.subscription())
    }

    pub async fn send(&self, method: &str, url: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    pub async fn form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let url = format!("https://login.microsoftonline.com/{path}");
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.json().await.unwrap() }
    }

    /// Returns the caller's token for a scope.
    pub async fn token(&self, scope: &str) -> String {
        let access = self.sandbox.access();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &access.client_id),
            ("client_secret", &access.client_secret),
            ("scope", scope),
        ];
        let answer = self.form(&format!("{}/oauth2/v2.0/token", access.tenant), &form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn arm(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = self.token("https://management.azure.com/.default").await;
        let glue = if path.contains('?') { '&' } else { '?' };
        let version = if path.contains("api-version=") { String::new() } else { format!("{glue}api-version=2026-02-01") };
        self.send(method, &format!("https://management.azure.com{path}{version}"), Some(&token), body.as_ref()).await
    }

    pub async fn vault(&self, vault: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = self.token("https://vault.azure.net/.default").await;
        let glue = if path.contains('?') { '&' } else { '?' };
        self.send(method, &format!("https://{vault}.vault.azure.net{path}{glue}api-version=7.4"), Some(&token), body.as_ref()).await
    }

    pub async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = self.control_token();
        self.send(method, &format!("http://sandbox.podid{path}"), Some(&token), body.as_ref()).await
    }

    pub fn control_token(&self) -> String {
        let keys: Value = serde_json::from_slice(&std::fs::read(self.dir.path().join("keys.json")).unwrap()).unwrap();
        keys["control_token"].as_str().unwrap().to_owned()
    }

    pub async fn identity(&self, name: &str) -> Value {
        let path = format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", self.group());
        let answer = self.arm("PUT", &path, Some(json!({"location": "westeurope"}))).await;
        assert!(answer.status < 300, "{}", answer.body);
        answer.body
    }

    /// Returns the token of a cluster's administrator from the kubeconfig.
    pub fn sandbox_admin(&self) -> String {
        let config: Value = serde_json::from_slice(&std::fs::read(&self.sandbox.access().kubeconfig).unwrap()).unwrap();
        config["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    }

    pub fn vault_path(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.KeyVault/vaults/{name}", self.group())
    }

    pub async fn new_vault(&self, name: &str, rbac: bool) -> Answer {
        let tenant = &self.sandbox.access().tenant;
        let properties =
            json!({"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": rbac, "accessPolicies": []});
        self.arm("PUT", &self.vault_path(name), Some(json!({"location": "westeurope", "properties": properties}))).await
    }

    pub async fn assign(&self, scope: &str, role: &str, principal: &str) -> Answer {
        let name = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{scope}{role}{principal}").as_bytes());
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
        let role = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{role}", self.subscription());
        let properties = json!({"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"});
        self.arm("PUT", &path, Some(json!({ "properties": properties }))).await
    }

    /// Returns the object id of the caller from its own token.
    pub async fn caller(&self) -> String {
        let token = self.token("https://management.azure.com/.default").await;
        claims(&token)["oid"].as_str().unwrap().to_owned()
    }

    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("requests.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
