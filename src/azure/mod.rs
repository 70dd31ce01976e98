//! The only place where an Azure SDK type may be named. Knows nothing of podid's kinds, its terminal, or the sandbox.
//!
//! `Azure` is the connection (one HTTP client, one login). `Read` is one pass of looking: it asks each thing at most once.
//! `Write` changes things, and waits out what Azure is late with.

mod arm;
mod blocked;
mod cache;
mod clusters;
mod deadline;
mod directory;
pub mod error;
mod failures;
mod groups;
mod http;
pub mod id;
mod identities;
mod limits;
mod login;
pub mod model;
mod operations;
mod pipeline;
mod program;
mod read;
mod roles;
mod secrets;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod vault_uri;
mod vaults;
mod wait;
mod write;

pub use error::{Blocked, DisallowingPolicy, Error, RefusedAction, Result};
pub use id::ArmId;
pub use model::*;

pub use read::Read;
pub use write::Write;

use secrecy::SecretString;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How to reach Azure. All of it plain data, from flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Overrides HTTPS_PROXY of the environment.
    pub proxy: Option<String>,
    /// An extra trusted CA (PEM).
    pub ca: Option<PathBuf>,
    /// A client secret login that comes before the environment's.
    pub client: Option<ClientLogin>,
    /// How long one call may take, with its login, its tries, its pages and its waits (replication of a principal, propagation of a grant,
    /// DNS of a vault); default 10 minutes.
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct ClientLogin {
    pub tenant: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// ErrorBody when a write has to wait for Azure: a whole sentence for the progress line.
pub type OnWait = Arc<dyn Fn(String) + Send + Sync>;

/// A single request may take this long, and one call with all its requests and waits as long as the settings say.
const REQUEST: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_secs(600);

/// One HTTP client, one login. Cheap to clone.
#[derive(Clone)]
pub struct Azure {
    core: Arc<Core>,
}

/// What `Read` and `Write` share.
struct Core {
    arm: arm::Arm,
    secrets: secrets::Secrets,
    limit: Duration,
}

impl Azure {
    /// Builds the client; asks for no token yet.
    pub fn new(settings: Settings) -> Result<Self> {
        Self::with(settings, login::environment(), true)
    }

    fn with(settings: Settings, env: login::Env, tools: bool) -> Result<Self> {
        let limit = settings.timeout.unwrap_or(WAIT);
        let request = REQUEST.min(limit);
        let pipeline = Arc::new(pipeline::HttpPipeline::new(http::client(&settings, request)?, request, limit));
        let login = Arc::new(login::Login::new(pipeline.clone(), settings.client, env, tools));
        let tokens = Arc::new(token::Tokens::new(login));
        let secrets = secrets::Secrets::new(pipeline.clone(), tokens.clone());
        Ok(Self { core: Arc::new(Core { arm: arm::Arm::new(pipeline, tokens)?, secrets, limit }) })
    }

    /// Which credential of the chain won (asks for a token if none was asked yet).
    #[cfg(test)]
    pub async fn login(&self) -> Result<String> {
        let tokens = &self.core.arm.tokens;
        if tokens.login.winner().await.is_none() {
            deadline::within(self.core.limit, tokens.get(token::ARM)).await?;
        }
        Ok(tokens.login.winner().await.unwrap_or_default().to_owned())
    }

    /// The subscription of `az account show` (read from az's own profile file), for want of flag, environment and spec.
    pub fn default_subscription(&self) -> Option<String> {
        self.core.arm.tokens.login.default_subscription()
    }

    /// A new pass: nothing remembered.
    pub fn read(&self) -> Read {
        Read::new(self.core.clone())
    }

    pub fn write(&self, on_wait: OnWait) -> Write {
        Write::new(self.core.clone(), on_wait)
    }
}
