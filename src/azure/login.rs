//! The chain of credentials: they are created and tried in order, and the first that returns a token is kept. A credential that is
//! configured but rejected ends the chain, because a login as somebody else would be worse than none.

mod assertions;
mod method;

pub use method::LoginMethod;

use super::{
    ClientLogin, Error, Result, failures,
    pipeline::{HttpPipeline, HttpRequest},
    program::Program,
    transport::v1_options,
};
use crate::files::whole::{self, Accept};
use ::http::Method;
use assertions::{AzurePipelines, GitHub, TokenFile};
use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_identity as id;
use secrecy::ExposeSecret;
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// The time limit of az, which takes many seconds at its worst. An az that hangs must not make podid hang.
const TOOL: Duration = Duration::from_secs(60);
/// The time limit of the probe of the instance metadata service: a machine without one sends no response.
const METADATA_PROBE: Duration = Duration::from_secs(1);
const METADATA: &str = "http://169.254.169.254/metadata/instance";

/// The environment variables that the chain uses, read once.
pub type Env = HashMap<String, String>;

const VARIABLES: [&str; 16] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "SYSTEM_OIDCREQUESTURI",
    "SYSTEM_ACCESSTOKEN",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "AZURESUBSCRIPTION_TENANT_ID",
    "AZURESUBSCRIPTION_CLIENT_ID",
    "IDENTITY_ENDPOINT",
    "MSI_ENDPOINT",
    "AZURE_CONFIG_DIR",
    "HOME",
    "USERPROFILE",
];

pub fn environment() -> Env {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty()).map(|value| (name.to_owned(), value));
    VARIABLES.iter().filter_map(|name| set(name)).collect()
}

type Credential = Arc<dyn TokenCredential>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum CredentialSource {
    Given,
    EnvSecret,
    EnvFederated,
    GitHub,
    AzurePipelines,
    ManagedIdentity,
    Az,
    Azd,
    Metadata,
}

const CHAIN: [CredentialSource; 9] = [
    CredentialSource::Given,
    CredentialSource::EnvSecret,
    CredentialSource::EnvFederated,
    CredentialSource::GitHub,
    CredentialSource::AzurePipelines,
    CredentialSource::ManagedIdentity,
    CredentialSource::Az,
    CredentialSource::Azd,
    CredentialSource::Metadata,
];

impl CredentialSource {
    /// Those of a method that the user chose.
    fn of(method: LoginMethod) -> &'static [Self] {
        match method {
            LoginMethod::Az => &[Self::Az],
            LoginMethod::Azd => &[Self::Azd],
            LoginMethod::Environment => &[Self::EnvSecret],
            LoginMethod::WorkloadIdentity => &[Self::EnvFederated],
            LoginMethod::GitHub => &[Self::GitHub],
            LoginMethod::AzurePipelines => &[Self::AzurePipelines],
            LoginMethod::ManagedIdentity => &[Self::ManagedIdentity, Self::Metadata],
        }
    }

    fn name(self) -> &'static str {
        match self {
            CredentialSource::Given => "the client secret of the settings",
            CredentialSource::EnvSecret => "AZURE_CLIENT_SECRET",
            CredentialSource::EnvFederated => "AZURE_FEDERATED_TOKEN_FILE",
            CredentialSource::GitHub => "GitHub Actions",
            CredentialSource::AzurePipelines => "Azure Pipelines",
            CredentialSource::ManagedIdentity | CredentialSource::Metadata => "managed identity",
            CredentialSource::Az => "az",
            CredentialSource::Azd => "azd",
        }
    }

    /// The variables that it needs; the first one shows that it is meant.
    fn variables(self) -> &'static [&'static str] {
        match self {
            CredentialSource::EnvSecret => &["AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"],
            CredentialSource::EnvFederated => &["AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"],
            CredentialSource::GitHub => {
                &["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "AZURE_TENANT_ID", "AZURE_CLIENT_ID"]
            }
            // SYSTEM_ACCESSTOKEN is only there if the pipeline maps it
            CredentialSource::AzurePipelines => &[
                "SYSTEM_ACCESSTOKEN",
                "SYSTEM_OIDCREQUESTURI",
                "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
                "AZURESUBSCRIPTION_TENANT_ID",
                "AZURESUBSCRIPTION_CLIENT_ID",
            ],
            _ => &[],
        }
    }

    /// Returns whether the credential comes from a tool or service that is present on the machine, without being configured for podid.
    fn is_tool(self) -> bool {
        matches!(self, CredentialSource::Az | CredentialSource::Azd | CredentialSource::Metadata)
    }
}

/// How this process is logged in, and kubelogin would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMode {
    Az,
    Azd,
    WorkloadIdentity,
    ManagedIdentity,
    AzurePipelines,
    /// A client secret, which kubelogin reads from the environment.
    Secret,
}

pub struct Login {
    pipeline: Arc<HttpPipeline>,
    client: Option<ClientLogin>,
    /// The only one to use.
    method: Option<LoginMethod>,
    env: Env,
    winner: Mutex<Option<(CredentialSource, Credential)>>,
    /// Whether programs and the network of the machine may be used; tests turn this off.
    tools: bool,
}

impl Login {
    pub fn new(pipeline: Arc<HttpPipeline>, client: Option<ClientLogin>, env: Env, tools: bool) -> Self {
        Self { pipeline, client, method: None, env, winner: Mutex::default(), tools }
    }

    /// Uses this method and no other.
    pub fn by(self, method: Option<LoginMethod>) -> Self {
        Self { method, ..self }
    }

    /// Sets the winner as if az had won: its credential caches no token.
    #[cfg(test)]
    pub fn won_by(mut self, credential: Credential) -> Self {
        self.winner = Mutex::new(Some((CredentialSource::Az, credential)));
        self
    }

    /// Returns the name of the winner, if there is one yet.
    #[cfg(test)]
    pub async fn winner(&self) -> Option<&'static str> {
        self.winner.lock().await.as_ref().map(|(source, _)| source.name())
    }

    /// Returns how kubelogin logs in as the same caller, once a token was requested.
    pub async fn mode(&self) -> Option<LoginMode> {
        self.winner.lock().await.as_ref().map(|(source, _)| match source {
            CredentialSource::Given | CredentialSource::EnvSecret => LoginMode::Secret,
            CredentialSource::EnvFederated | CredentialSource::GitHub => LoginMode::WorkloadIdentity,
            CredentialSource::ManagedIdentity | CredentialSource::Metadata => LoginMode::ManagedIdentity,
            CredentialSource::AzurePipelines => LoginMode::AzurePipelines,
            CredentialSource::Az => LoginMode::Az,
            CredentialSource::Azd => LoginMode::Azd,
        })
    }

    pub async fn token(&self, scope: &str) -> Result<AccessToken> {
        let mut winner = self.winner.lock().await;
        if let Some((_, credential)) = winner.clone() {
            drop(winner); // tokens for several audiences are requested in parallel
            return Ok(credential.get_token(&[scope], None).await?);
        }
        let mut tried = Vec::new();
        for &source in self.method.map_or(&CHAIN[..], CredentialSource::of) {
            if source == CredentialSource::EnvSecret || self.method.is_some() {
                self.check_environment()?;
            }
            if source.is_tool() && !self.tools {
                continue;
            }
            if let Some(lacks) = self.method.and_then(|_| self.lacks(source)) {
                tried.push((source.name().to_owned(), lacks));
                continue;
            }
            let credential = match self.credential(source).await {
                Ok(credential) => credential,
                Err(why) => {
                    tried.push((source.name().to_owned(), why));
                    continue;
                }
            };
            let scopes = [scope];
            let asked = credential.get_token(&scopes, None);
            let answered = match source.is_tool() {
                false => asked.await,
                true => match tokio::time::timeout(TOOL, asked).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        tried.push((source.name().to_owned(), format!("no answer within {} s", TOOL.as_secs())));
                        continue;
                    }
                },
            };
            match answered {
                Ok(token) => {
                    tracing::debug!(credential = source.name(), "logged in");
                    *winner = Some((source, credential));
                    return Ok(token);
                }
                Err(error) if source.is_tool() => tried.push((source.name().to_owned(), reason(&error))),
                Err(error) => {
                    return Err(match failures::unwrapped(&error) {
                        Error::Protocol(_) => Error::LoginRefused { code: source.name().to_owned(), message: reason(&error) },
                        ours => ours,
                    });
                }
            }
        }
        Err(match self.method {
            Some(method) => Error::MethodUnusable { method, tried },
            None => Error::NotLoggedIn { tried },
        })
    }

    /// All variables that are missing, where one is.
    fn lacks(&self, source: CredentialSource) -> Option<String> {
        let missing: Vec<&str> = source.variables().iter().copied().filter(|name| !self.env.contains_key(*name)).collect();
        match missing.as_slice() {
            [] => None,
            [one] => Some(format!("{one} is not set")),
            [first @ .., last] => Some(format!("{} and {last} are not set", first.join(", "))),
        }
    }

    /// Rejects variables with control characters: a line break at the end is a common accident. It is not valid in a header or URL, and
    /// trying the next credential would log in as somebody else.
    fn check_environment(&self) -> Result<()> {
        let folders = ["AZURE_CONFIG_DIR", "HOME", "USERPROFILE"];
        let odd = |name: &&str| self.env.get(*name).is_some_and(|value| value.chars().any(char::is_control));
        match VARIABLES.iter().filter(|name| !folders.contains(name)).find(|name| odd(name)) {
            Some(name) => Err(Error::Variable { name: (*name).to_owned() }),
            None => Ok(()),
        }
    }

    fn var(&self, name: &str) -> std::result::Result<&str, String> {
        self.env.get(name).map(String::as_str).ok_or_else(|| format!("{name} is not set"))
    }

    /// Returns the credential, or the reason why it cannot be used.
    async fn credential(&self, source: CredentialSource) -> std::result::Result<Credential, String> {
        let client_options = v1_options(&self.pipeline);
        let secret = |tenant: &str, client: &str, secret: &str| -> std::result::Result<Credential, String> {
            let options = id::ClientSecretCredentialOptions { client_options: v1_options(&self.pipeline) };
            let made = id::ClientSecretCredential::new(tenant, client.to_owned(), Secret::new(secret.to_owned()), Some(options));
            Ok(made.map_err(|e| reason(&e))?)
        };
        Ok(match source {
            CredentialSource::Given => {
                let client = self.client.as_ref().ok_or("none is given")?;
                secret(&client.tenant, &client.client_id, client.client_secret.expose_secret())?
            }
            CredentialSource::EnvSecret => {
                let value = self.var("AZURE_CLIENT_SECRET")?;
                secret(self.var("AZURE_TENANT_ID")?, self.var("AZURE_CLIENT_ID")?, value)?
            }
            CredentialSource::EnvFederated => {
                let file = TokenFile::new(self.var("AZURE_FEDERATED_TOKEN_FILE")?.into());
                self.asserting(file)?
            }
            CredentialSource::GitHub => {
                let url = self.var("ACTIONS_ID_TOKEN_REQUEST_URL")?.to_owned();
                let token = Secret::new(self.var("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?.to_owned());
                self.asserting(GitHub::new(self.pipeline.clone(), url, token))?
            }
            CredentialSource::AzurePipelines => {
                let token = Secret::new(self.var("SYSTEM_ACCESSTOKEN")?.to_owned());
                let url = self.var("SYSTEM_OIDCREQUESTURI")?.to_owned();
                let connection = self.var("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")?.to_owned();
                let (tenant, client) = (self.var("AZURESUBSCRIPTION_TENANT_ID")?, self.var("AZURESUBSCRIPTION_CLIENT_ID")?);
                self.asserting_as(tenant, client, AzurePipelines::new(self.pipeline.clone(), url, token, connection))?
            }
            CredentialSource::ManagedIdentity => {
                if self.var("IDENTITY_ENDPOINT").is_err() && self.var("MSI_ENDPOINT").is_err() {
                    return Err("IDENTITY_ENDPOINT is not set".to_owned());
                }
                self.managed(client_options)?
            }
            CredentialSource::Az => {
                let options = id::AzureCliCredentialOptions { executor: Some(Arc::new(Program)), ..Default::default() };
                id::AzureCliCredential::new(Some(options)).map_err(|e| reason(&e))?
            }
            CredentialSource::Azd => {
                let options = id::AzureDeveloperCliCredentialOptions { executor: Some(Arc::new(Program)), ..Default::default() };
                id::AzureDeveloperCliCredential::new(Some(options)).map_err(|e| reason(&e))?
            }
            CredentialSource::Metadata => {
                let url = METADATA.parse().map_err(|_| "no address".to_owned())?;
                let probe = self.pipeline.send(HttpRequest::for_token(Method::GET, url));
                match tokio::time::timeout(METADATA_PROBE, probe).await {
                    // the service rejects requests without `Metadata: true`, and a 400 proves that it exists
                    Ok(Ok(answer)) if answer.status == 400 => self.managed(client_options)?,
                    _ => return Err("this machine has no instance metadata service".to_owned()),
                }
            }
        })
    }

    fn asserting<A: id::ClientAssertion + 'static>(&self, assertion: A) -> std::result::Result<Credential, String> {
        self.asserting_as(self.var("AZURE_TENANT_ID")?, self.var("AZURE_CLIENT_ID")?, assertion)
    }

    /// The assertion is fetched for each token: it lives for minutes only.
    fn asserting_as<A: id::ClientAssertion + 'static>(
        &self,
        tenant: &str,
        client: &str,
        assertion: A,
    ) -> std::result::Result<Credential, String> {
        let options = id::ClientAssertionCredentialOptions { client_options: v1_options(&self.pipeline) };
        let made = id::ClientAssertionCredential::new(tenant.to_owned(), client.to_owned(), assertion, Some(options));
        Ok(made.map_err(|e| reason(&e))?)
    }

    fn managed(&self, client_options: azure_core::http::ClientOptions) -> std::result::Result<Credential, String> {
        let user_assigned_id = self.env.get("AZURE_CLIENT_ID").cloned().map(id::UserAssignedId::ClientId);
        let options = id::ManagedIdentityCredentialOptions { user_assigned_id, client_options };
        Ok(id::ManagedIdentityCredential::new(Some(options)).map_err(|e| reason(&e))?)
    }

    /// Returns the default subscription of az, from az's profile file.
    pub fn default_subscription(&self) -> Option<String> {
        let folder = match self.env.get("AZURE_CONFIG_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(self.env.get("HOME").or_else(|| self.env.get("USERPROFILE"))?).join(".azure"),
        };
        let text = whole::read_text(&folder.join("azureProfile.json"), whole::CONFIG_LIMIT, Accept::Regular).ok()?;
        // az writes a byte order mark
        let profile: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
        let default = profile
            .get("subscriptions")?
            .as_array()?
            .iter()
            .find(|s| s.get("isDefault").and_then(serde_json::Value::as_bool) == Some(true))?;
        default.get("id")?.as_str().map(str::to_owned)
    }
}

/// Shortens the message of an SDK, which adds a link to a page about the SDK.
fn reason(error: &azure_core::Error) -> String {
    let text = match failures::unwrapped(error) {
        Error::Protocol(_) => error.to_string(),
        ours => ours.to_string(),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("To troubleshoot")).collect();
    lines.join(" ")
}
