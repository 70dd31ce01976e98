//! The one container that does more than run: podid's check of an app that reads Key Vault, or uses a storage account, by itself, or its
//! probe of the network. It is known by its command, and what its script does with curl is done here: a token, and then each secret, or a
//! blob that is written, read and deleted; `probe` has what comes before that in a probe. The token comes from Entra where the environment names a token file, otherwise from the metadata service, which NMI answers
//! where it runs. The termination message is the one that the script writes.

use super::federation::{self, TokenError, variable};
use super::nmi;
use super::probe::{self, Network, shown};
use super::provider::ProviderContext;
use crate::programs::Program;
use base64::Engine as _;
use reqwest::Method;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Instant;

/// `$0` of the scripts.
const SECRETS: &str = "podid-check";
const BLOB: &str = "podid-blob-check";
const PROBE: &str = "podid-probe";
const CONTENT: &str = "written by podid verify";

pub(super) struct PodCheck<'a> {
    pod: &'a Value,
    container: &'a Value,
    work: Work<'a>,
}

enum Work<'a> {
    Secrets { vault: &'a str, names: Vec<&'a str> },
    Blob { url: &'a str },
    Probe { vault: &'a str, login: &'a str, resource: &'a str, objects: Vec<&'a str> },
}

impl Work<'_> {
    fn resource(&self) -> String {
        match self {
            Self::Secrets { .. } => "https://vault.azure.net".to_owned(),
            Self::Blob { .. } => "https://storage.azure.com".to_owned(),
            Self::Probe { resource, .. } => resource.replace("%3A", ":").replace("%2F", "/"),
        }
    }
}

/// How the container ended.
pub(super) struct Ended {
    pub(super) exit_code: i32,
    pub(super) message: String,
}

impl<'a> PodCheck<'a> {
    pub(super) fn of(pod: &'a Value) -> Option<Self> {
        let container = &pod["spec"]["containers"][0];
        let command: Vec<&str> = container["command"].as_array()?.iter().filter_map(Value::as_str).collect();
        let work = match command.as_slice() {
            ["sh", "-c", _, SECRETS, names @ ..] => Work::Secrets { vault: variable(container, "KEYVAULT_URI"), names: names.to_vec() },
            ["sh", "-c", _, BLOB] => Work::Blob { url: variable(container, "BLOB_URL") },
            ["sh", "-c", _, PROBE, vault, login, resource, objects @ ..] => {
                Work::Probe { vault, login, resource, objects: objects.to_vec() }
            }
            _ => return None,
        };
        Some(Self { pod, container, work })
    }

    pub(super) async fn run(&self, access: &ProviderContext) -> Ended {
        if let Work::Probe { vault, login, objects, .. } = &self.work {
            let network = Network { azure: &access.azure, container: self.container };
            let (mut message, mut reaches_vault) = (String::new(), false);
            if network.connect(vault, login, &mut message, &mut reaches_vault).await {
                self.ask(access, vault, objects, reaches_vault, &mut message).await;
            }
            return Ended { exit_code: 0, message };
        }
        let token = match self.token(access).await {
            Ok(token) => token,
            Err((status, answer)) => return Ended { exit_code: 1, message: format!("token {status:03} {}\n", shown(&answer)) },
        };
        let claim = |name: &str| claims(&token)[name].as_str().unwrap_or_default().to_owned();
        let mut message = format!("token 200 {} {}\n", claim("appid"), claim("oid"));
        let exit_code = match &self.work {
            Work::Secrets { vault, names } => read_secrets(access, &token, vault, names, &mut message).await,
            Work::Blob { url } => use_blob(access, &token, url, &mut message).await,
            Work::Probe { .. } => 0,
        };
        Ended { exit_code, message }
    }

    /// The last hops of a probe: the token, and what it opens.
    async fn ask(&self, access: &ProviderContext, vault: &str, objects: &[&str], reaches_vault: bool, message: &mut String) {
        let begun = Instant::now();
        let token = match self.token(access).await {
            Ok(token) => token,
            Err((status, answer)) => {
                let _ = writeln!(message, "{:.6} token {status:03} {}", begun.elapsed().as_secs_f64(), shown(&answer));
                return;
            }
        };
        let claim = |name: &str| claims(&token)[name].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(message, "{:.6} token 200 {} {}", begun.elapsed().as_secs_f64(), claim("appid"), claim("oid"));
        if reaches_vault {
            probe::read(access, &token, vault, objects, message).await;
        }
    }

    /// Asks as the pod: Entra, or NMI where it runs on the node, otherwise the node's metadata service.
    async fn token(&self, access: &ProviderContext) -> Result<String, TokenError> {
        let resource = self.work.resource();
        let resource = resource.as_str();
        if let Some(token) = federation::token(access, self.pod, self.container, resource).await {
            return token;
        }
        let client_id = variable(self.container, "AZURE_CLIENT_ID");
        let text = |name: &str| self.pod["metadata"][name].as_str().unwrap_or_default();
        let node = self.pod["spec"]["nodeName"].as_str();
        if let Some(nmi) = access.nmi.as_ref().filter(|_| access.workloads.run(Program::Nmi, node)) {
            let asked = nmi::TokenRequest {
                namespace: text("namespace"),
                pod: text("name"),
                node: node.unwrap_or_default(),
                endpoint: nmi::Endpoint::Metadata,
                resource,
                managed: access.workloads.managed_mode(node),
                client_id: Some(client_id).filter(|id| !id.is_empty()),
                force_namespaced: access.workloads.force_namespaced(Program::Nmi, node),
            };
            return nmi.token(&access.activity, &asked).await.map_err(|no| (no.status, no.body));
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("api-version", "2018-02-01"), ("resource", resource), ("client_id", client_id)])
            .finish();
        let reply = access.azure.metadata(&query).await.map_err(|_| (0, "connection refused".to_owned()))?;
        match reply.json()["access_token"].as_str().filter(|_| reply.ok()) {
            Some(token) => Ok(token.to_owned()),
            None => Err((reply.status, reply.text.clone())),
        }
    }
}

async fn read_secrets(access: &ProviderContext, token: &str, vault: &str, names: &[&str], message: &mut String) -> i32 {
    for (at, name) in names.iter().enumerate() {
        let url = format!("{}/secrets/{name}?api-version=7.4", vault.trim_end_matches('/'));
        let (status, answer) = match access.azure.get(&url, Some(token)).await {
            Ok(reply) if reply.status == 200 => {
                let body = reply.json();
                let version = body["id"].as_str().and_then(|id| id.rsplit('/').next()).unwrap_or_default().to_owned();
                (200, version)
            }
            Ok(reply) => (reply.status, shown(&reply.text)),
            // a vault that does not exist has no DNS name
            Err(_) => (0, "no such host".to_owned()),
        };
        let _ = writeln!(message, "{} {status:03} {answer}", at + 1);
        if status != 200 {
            return 1;
        }
    }
    0
}

/// What was written is deleted also if it could not be read.
async fn use_blob(access: &ProviderContext, token: &str, url: &str, message: &mut String) -> i32 {
    let mut exit_code = 0;
    for (word, wanted, method, body) in
        [("write", 201, Method::PUT, Some(CONTENT)), ("read", 200, Method::GET, None), ("delete", 202, Method::DELETE, None)]
    {
        let (status, answer) = match access.azure.blob(method, url, token, body).await {
            Ok(reply) if reply.status == wanted && (word != "read" || reply.text == CONTENT) => {
                let _ = writeln!(message, "{word} {wanted}");
                continue;
            }
            Ok(reply) if reply.status == wanted => (0, "the blob has another content than was written".to_owned()),
            Ok(reply) => (reply.status, shown(&reply.text)),
            Err(_) => (0, "no such host".to_owned()),
        };
        let _ = writeln!(message, "{word} {status:03} {answer}");
        exit_code = 1;
        if word == "write" {
            break;
        }
    }
    exit_code
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
