//! The login of the provider at Key Vault: one of several ways, chosen by the parameters, and how each gets its token.

use super::super::activity::Activity;
use super::super::kube::KubeClient;
use super::super::nmi::{self, Nmi};
use super::super::wire::{AzureClient, AzureResponse};
use super::super::workloads::{Program, Workloads};
use super::parameters::Parameters;
use super::request::MountRequest;
use serde_json::{Value, json};
use std::sync::Arc;

const AUDIENCE: &str = "api://AzureADTokenExchange";
const RESOURCE: &str = "https://vault.azure.net";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const LOGIN: &str = "https://login.microsoftonline.com";

pub(crate) struct ProviderContext {
    pub(crate) kube: KubeClient,
    pub(crate) azure: AzureClient,
    /// None if NMI is not simulated.
    pub(crate) nmi: Option<Arc<Nmi>>,
    pub(crate) workloads: Arc<Workloads>,
    /// The activity of the caller.
    pub(crate) activity: Arc<Activity>,
}

pub(super) enum TokenSource {
    Pod,
    Machine { client_id: String },
    Workload { client_id: String, assertion: String },
    Principal { client_id: String, secret: String },
}

pub(super) enum LoginError {
    Plain(String),
    /// An error of the provider's auth.NewConfig.
    Config(String),
}

impl TokenSource {
    pub(super) async fn choose(access: &ProviderContext, read: &Parameters, request: &MountRequest<'_>) -> Result<Self, LoginError> {
        if [read.pod_identity, read.vm_identity, read.token_proxy].into_iter().filter(|on| *on).count() > 1 {
            let text = "only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy";
            return Err(LoginError::Config(text.into()));
        }
        if read.token_proxy {
            if read.client_id.is_empty() {
                return Err(LoginError::Config("clientID is required for identity binding".into()));
            }
            return Err(LoginError::Config("no identity binding proxy is set up on this cluster".into()));
        }
        if read.pod_identity {
            return Ok(Self::Pod);
        }
        if read.vm_identity {
            return Ok(Self::Machine { client_id: read.user_assigned.clone() });
        }
        if !read.client_id.is_empty() {
            let assertion = token_request(&access.kube, request)
                .await
                .map_err(|e| LoginError::Plain(format!("failed to parse workload identity tokens, error: {e}")))?;
            return Ok(Self::Workload { client_id: read.client_id.clone(), assertion });
        }
        let Some(secret) = &request.secret else {
            return Err(LoginError::Config("failed to get credentials, nodePublishSecretRef secret is not set".into()));
        };
        let value = |name: &str| secret.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        // the real message continues with the contents of the Secret, which must not be repeated
        let client_id = value("clientid").ok_or_else(|| LoginError::Config("could not find clientid in secrets".into()))?;
        let secret = value("clientsecret").ok_or_else(|| LoginError::Config("could not find clientsecret in secrets".into()))?;
        Ok(Self::Principal { client_id, secret })
    }

    pub(super) async fn token(&self, access: &ProviderContext, read: &Parameters, request: &MountRequest<'_>) -> Result<String, String> {
        match self {
            Self::Pod => {
                let node = Some(request.node);
                let Some(nmi) = access.nmi.as_ref().filter(|_| access.workloads.run(Program::Nmi, node)) else {
                    let url = format!("http://localhost:2579/host/token/?resource={RESOURCE}");
                    return Err(format!("Get {url:?}: dial tcp 127.0.0.1:2579: connect: connection refused"));
                };
                let asked = nmi::TokenRequest {
                    namespace: request.namespace,
                    pod: request.pod,
                    resource: RESOURCE,
                    managed: access.workloads.managed_mode(node),
                    client_id: None,
                    force_namespaced: access.workloads.force_namespaced(Program::Nmi, node),
                };
                nmi.token(&access.activity, &asked)
                    .await
                    .map_err(|no| format!("nmi response failed with status code: {}, response body: {}", no.status, no.body))
            }
            Self::Machine { client_id } => {
                let id = (!client_id.is_empty()).then_some(("client_id", client_id.as_str()));
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("api-version", "2018-02-01"), ("resource", RESOURCE)].into_iter().chain(id))
                    .finish();
                let reply = access.azure.metadata(&query).await;
                token_of("ManagedIdentityCredential", "GET http://169.254.169.254/metadata/identity/oauth2/token", reply)
            }
            Self::Workload { client_id, assertion } => {
                let form = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
                entra(access, "WorkloadIdentityCredential", &read.tenant, client_id, &form).await
            }
            Self::Principal { client_id, secret } => {
                entra(access, "ClientSecretCredential", &read.tenant, client_id, &[("client_secret", secret.as_str())]).await
            }
        }
    }
}

/// Requests a service account token on behalf of the pod, as kubelet does for the driver's tokenRequests.
async fn token_request(kube: &KubeClient, request: &MountRequest<'_>) -> Result<String, String> {
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", request.namespace, request.service_account);
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": [AUDIENCE],
            "expirationSeconds": 3600,
            "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": request.pod, "uid": request.pod_uid },
        },
    });
    match kube.post(&path, &body).await {
        Ok(answer) => {
            answer["status"]["token"].as_str().map(str::to_owned).ok_or_else(|| format!("token for audience {AUDIENCE} not found"))
        }
        Err(e) => Err(format!("service account tokens not found: {}", e.text)),
    }
}

/// Does what MSAL does: checks the authority, fetches its endpoints, and requests the token.
async fn entra(access: &ProviderContext, who: &str, tenant: &str, client_id: &str, proof: &[(&str, &str)]) -> Result<String, String> {
    let ask = |what: String| async move { access.azure.get(&what, None).await };
    let authority = format!("{LOGIN}/{tenant}/oauth2/v2.0/authorize");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("api-version", "1.1"), ("authorization_endpoint", &authority)])
        .finish();
    let discovery = format!("{LOGIN}/common/discovery/instance");
    checked(who, &format!("GET {discovery}"), ask(format!("{discovery}?{query}")).await)?;
    let openid = format!("{LOGIN}/{tenant}/v2.0/.well-known/openid-configuration");
    let endpoints = checked(who, &format!("GET {openid}"), ask(openid.clone()).await)?;
    let endpoint = endpoints["token_endpoint"].as_str().unwrap_or_default().to_owned();
    let mut form = vec![
        ("client_id", client_id),
        ("client_info", "1"),
        ("grant_type", "client_credentials"),
        ("scope", "https://vault.azure.net/.default openid offline_access profile"),
    ];
    form.extend(proof);
    token_of(who, &format!("POST {endpoint}"), access.azure.form(&endpoint, &form).await)
}

fn token_of(who: &str, what: &str, reply: Result<AzureResponse, String>) -> Result<String, String> {
    let body = checked(who, what, reply)?;
    body["access_token"].as_str().map(str::to_owned).ok_or_else(|| format!("{who}: the answer holds no access token"))
}

/// Formats a refusal as azidentity does. Its body contains no secret.
fn checked(who: &str, what: &str, reply: Result<AzureResponse, String>) -> Result<Value, String> {
    let reply = reply.map_err(|e| format!("{who}: {what}: {e}"))?;
    if reply.ok() {
        return Ok(reply.json());
    }
    let (line, body) = ("-".repeat(80), pretty(&reply));
    Err(format!("{who} authentication failed\n{what}\n{line}\nRESPONSE {}\n{line}\n{body}\n{line}", reply.status_text()))
}

pub(super) fn pretty(reply: &AzureResponse) -> String {
    match serde_json::from_str::<Value>(&reply.text) {
        Ok(body) => serde_json::to_string_pretty(&body).unwrap_or_default(),
        Err(_) if reply.text.is_empty() => "Response contained no body".into(),
        Err(_) => reply.text.clone(),
    }
}
