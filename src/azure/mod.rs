//! The client of Azure, and the only module that names an Azure SDK type.
//!
//! `Azure` is the connection (one HTTP client, one login). `Read` reads for one pass, each resource at most once.
//! `Write` changes resources, and waits for replication and propagation.

mod access;
mod arm;
mod blocked;
mod cache;
mod clients;
mod cluster_credentials;
mod cluster_settings;
pub mod clusters;
pub mod condition;
mod deadline;
mod directory;
pub mod error;
mod exchange;
mod failures;
mod federated_credentials;
pub mod fields;
mod groups;
mod hosts;
mod http;
pub mod id;
mod identities;
pub mod identity_bindings;
mod lifetime;
mod limits;
mod login;
pub mod model;
pub mod obstacles;
mod operations;
mod pipeline;
pub mod pod_exceptions;
pub mod pod_identities;
mod preview_features;
mod principals;
mod program;
mod read;
mod registry;
mod roles;
mod scale_sets;
mod secrets;
mod settings;
mod storage;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod transport_legacy;
mod vault_uri;
mod vaults;
mod wait;
mod write;

pub use access::{AzureAction, DeniedPrincipal, DenyAssignment, RoleGrant, RoleRights};
pub use error::{Blocked, DisallowingPolicy, Error, RefusedAction, Result};
pub use exchange::{Exchanged, IssuedFor, TokenClaims, claims_of};
pub use federated_credentials::{FederatedCredential, MOST as MOST_FEDERATED_CREDENTIALS};
pub use id::ArmId;
pub use identity_bindings::IdentityBinding;
pub use login::{LoginMethod, LoginMode};
pub use model::*;
pub use pod_identities::PodIdentity;
pub use preview_features::REGISTERED;
pub use principals::Principal;
pub use read::Read;
pub use registry::{ImageError, ImageTag};
pub use scale_sets::ScaleSet;
pub use settings::{ClientLogin, OnWait, Settings};
pub use storage::{Container, NewStorageAccount, StorageAccount, container_id};
pub use write::Write;

use clients::Clients;
use secrecy::SecretString;
use std::{sync::Arc, time::Duration};

/// The limit of a single request, and the default limit of one call with all its requests and waits.
const REQUEST: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(600);

/// A connection to Azure with one HTTP client and one login. Cheap to clone.
#[derive(Clone)]
pub struct Azure {
    core: Arc<Clients>,
}

impl Azure {
    /// Builds the client. Requests no token yet.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::with(settings, login::environment(), true)
    }

    fn with(settings: Settings, env: login::Env, tools: bool) -> Result<Self> {
        let limit = settings.timeout.unwrap_or(WAIT);
        let request = REQUEST.min(limit);
        let pipeline = Arc::new(pipeline::HttpPipeline::new(http::client(&settings, request)?, request, limit));
        let login = Arc::new(login::Login::new(pipeline.clone(), settings.client, env, tools).by(settings.method));
        let tokens = Arc::new(token::Tokens::new(login));
        let secrets = secrets::Secrets::new(pipeline.clone(), tokens.clone());
        let registries = registry::Registries::new(pipeline.clone(), tokens.clone());
        Ok(Self { core: Arc::new(Clients { arm: arm::Arm::new(pipeline, tokens)?, secrets, registries, limit, asked: settings.timeout }) })
    }

    /// Returns which credential of the chain is used. Requests a token if needed.
    #[cfg(test)]
    pub async fn login(&self) -> Result<String> {
        let tokens = &self.core.arm.tokens;
        if tokens.login.winner().await.is_none() {
            deadline::within(self.core.limit, tokens.get(hosts::ARM_SCOPE)).await?;
        }
        Ok(tokens.login.winner().await.unwrap_or_default().to_owned())
    }

    /// Returns the subscription of `az account show`, read from az's profile file.
    pub fn default_subscription(&self) -> Option<String> {
        self.core.arm.tokens.login.default_subscription()
    }

    /// Returns the kubeconfig of a cluster's users, or of its administrator, as text.
    pub async fn cluster_credential(&self, id: &ArmId, admin: bool) -> Result<SecretString> {
        deadline::within(self.core.limit, cluster_credentials::kubeconfig(&self.core.arm, id, admin)).await
    }

    /// Returns a token for the API servers of clusters with Entra, which is what kubelogin returns.
    pub async fn api_server_token(&self) -> Result<SecretString> {
        let token = deadline::within(self.core.limit, self.core.arm.tokens.get(cluster_credentials::API_SERVER_SCOPE)).await?;
        Ok(SecretString::from(token.secret().to_owned()))
    }

    /// Returns how this process is logged in, once it has asked for a token.
    pub async fn login_mode(&self) -> Option<LoginMode> {
        self.core.arm.tokens.login.mode().await
    }

    /// Begins a new pass with an empty cache.
    pub fn read(&self) -> Read {
        Read::new(self.core.clone())
    }

    pub fn write(&self, on_wait: OnWait) -> Write {
        Write::new(self.core.clone(), on_wait)
    }
}
