//! The settings for connecting to Azure, and the callback for waits.

use super::LoginMethod;
use secrecy::SecretString;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The settings for connecting to Azure: plain data from flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The proxy, which overrides HTTPS_PROXY of the environment.
    pub proxy: Option<String>,
    /// An extra trusted CA (PEM).
    pub ca: Option<PathBuf>,
    /// A client secret login that has priority over the environment's.
    pub client: Option<ClientLogin>,
    /// The login method to use and no other.
    pub method: Option<LoginMethod>,
    /// The time limit of one call with its login, tries, pages and waits (replication of a principal, propagation of a grant, DNS of a
    /// vault); default 10 minutes.
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct ClientLogin {
    pub tenant: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// Called when a write has to wait for Azure, with a whole sentence for the progress line.
pub type OnWait = Arc<dyn Fn(String) + Send + Sync>;
