//! The login of the provider at Key Vault: one of several ways, chosen by the parameters, and how each gets its token.

use super::super::activity::Activity;
use super::super::klog::Klog;
use super::super::kube::KubeClient;
use super::super::nmi::{self, Nmi};
use super::super::service_account::{ASSERTION, PodAccount};
use super::super::wire::{AzureClient, AzureResponse};
use super::super::workloads::Workloads;
use super::parameters::Parameters;
use super::request::{DRIVER, MountRequest};
use crate::programs::Program;
use serde_json::Value;
use std::sync::Arc;

const AUDIENCE: &str = "api://AzureADTokenExchange";
const BINDING_AUDIENCE: &str = "api://AKSIdentityBinding";
const RESOURCE: &str = "https://vault.azure.net";
const LOGIN: &str = "https://login.microsoftonline.com";

pub(crate) struct ProviderContext {
    pub(crate) kube: KubeClient,
    pub(crate) azure: AzureClient,
    /// The host of the cluster's token proxy for identity bindings.
    pub(crate) token_proxy: String,
    /// None if NMI is not simulated.
    pub(crate) nmi: Option<Arc<Nmi>>,
    pub(crate) workloads: Arc<Workloads>,
    /// The provider's.
    pub(crate) log: Klog,
    /// The activity of the caller.
    pub(crate) activity: Arc<Activity>,
}

pub(super) enum TokenSource {
    Pod,
    Machine {
        client_id: String,
    },
    Workload {
        client_id: String,
        assertion: String,
    },
    /// An identity binding: the token proxy of the cluster exchanges the token.
    Binding {
        client_id: String,
        assertion: String,
    },
    Principal {
        client_id: String,
        secret: String,
    },
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
            // the text before the cause is not known
            let assertion = service_account_token(&access.kube, request, BINDING_AUDIENCE)
                .await
                .map_err(|e| LoginError::Plain(format!("failed to parse identity binding tokens, error: {e}")))?;
            return Ok(Self::Binding { client_id: read.client_id.clone(), assertion });
        }
        if read.pod_identity {
            return Ok(Self::Pod);
        }
        if read.vm_identity {
            return Ok(Self::Machine { client_id: read.user_assigned.clone() });
        }
        if !read.client_id.is_empty() {
            let assertion = service_account_token(&access.kube, request, AUDIENCE)
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
                    node: request.node,
                    endpoint: nmi::Endpoint::Host,
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
            Self::Binding { client_id, assertion } => {
                let endpoint = format!("https://{}/{}/oauth2/v2.0/token", access.token_proxy, read.tenant);
                let proof = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
                let reply = access.azure.form(&endpoint, &form(client_id, &proof)).await;
                token_of("WorkloadIdentityCredential", &format!("POST {endpoint}"), reply)
            }
            Self::Principal { client_id, secret } => {
                entra(access, "ClientSecretCredential", &read.tenant, client_id, &[("client_secret", secret.as_str())]).await
            }
        }
    }
}

/// Returns the token of the pod's service account that kubelet hands to the driver: one for each audience that `tokenRequests` of the
/// CSIDriver names, and none without them. The texts are the provider's.
async fn service_account_token(kube: &KubeClient, request: &MountRequest<'_>, audience: &str) -> Result<String, String> {
    let driver = kube.get(&format!("/apis/storage.k8s.io/v1/csidrivers/{DRIVER}")).await;
    let requests = driver.map(|driver| driver["spec"]["tokenRequests"].clone()).unwrap_or_default();
    let requests = requests.as_array().map(Vec::as_slice).unwrap_or_default();
    if requests.is_empty() {
        return Err("service account tokens not found".into());
    }
    let wanted = requests.iter().find(|requested| requested["audience"] == audience);
    let wanted = wanted.ok_or_else(|| format!("token for audience {audience} not found"))?;
    let &MountRequest { namespace, service_account: account, pod, pod_uid: uid, .. } = request;
    let token = PodAccount { namespace, account, pod, uid }.token(kube, audience, wanted["expirationSeconds"].as_i64()).await;
    // kubelet does not even ask the driver then
    token.map_err(|e| format!("failed to fetch token: {}", e.text))
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
    token_of(who, &format!("POST {endpoint}"), access.azure.form(&endpoint, &form(client_id, proof)).await)
}

/// Returns the form of a token request as MSAL sends it.
fn form<'a>(client_id: &'a str, proof: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![
        ("client_id", client_id),
        ("client_info", "1"),
        ("grant_type", "client_credentials"),
        ("scope", "https://vault.azure.net/.default openid offline_access profile"),
    ];
    form.extend(proof);
    form
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
