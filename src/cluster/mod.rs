//! The only place where a kube type may be named: server-side apply as field manager `podid`, reading, watching. Objects are JSON trees;
//! this module knows none of podid's kinds.
//!
//! `kubeconfig`, `credential`, `login`, `token_file` and `proxy` find the cluster and the user; `connect` opens connections; `calls` sends
//! one request; `read` caches for one pass; `write` caches nothing; `export` writes a kubeconfig for a program that podid runs.

mod calls;
mod connect;
mod credential;
mod discovery;
pub mod error;
mod export;
mod kubeconfig;
mod limits;
mod list;
mod login;
mod logs;
mod object;
mod paths;
mod proxy;
mod read;
mod settings;
mod status;
#[cfg(test)]
pub(crate) mod tests;
mod token_file;
mod tokens;
mod watch;
mod write;

pub use error::{Error, Result, is_private_server};
pub use login::{PluginOutput, TokenSource};
pub use logs::LogRange;
pub use object::{Api, FIELD_MANAGER, ObjectRef, Preview, Served};
pub use settings::Settings;

use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub struct Cluster {
    connection: calls::SharedConnection,
    unverified: Option<Arc<str>>,
    config: Arc<kube::Config>,
}

/// Reads for one pass; clones share one cache.
#[derive(Clone)]
pub struct Read {
    connection: calls::SharedConnection,
    pass: Arc<read::ReadCache>,
}

#[derive(Clone)]
pub struct Write {
    connection: calls::SharedConnection,
    /// With this, every request that would change something carries dryRun=All.
    dry_run: bool,
}

impl Cluster {
    /// Reads the kubeconfig and runs an exec plugin once. Does not connect yet.
    pub async fn new(settings: Settings) -> Result<Self> {
        Self::with_env(settings, &|name| std::env::var(name).ok()).await
    }

    /// Connects by a kubeconfig that is in no file; `origin` says where it comes from. Instead of running kubelogin, `token` is asked.
    pub async fn from_text(settings: Settings, text: &str, origin: &str, token: TokenSource) -> Result<Self> {
        let found = kubeconfig::from_text(text, origin, &settings, &|name| std::env::var(name).ok())?;
        Self::resolved(settings, found, Some(token)).await
    }

    async fn with_env(settings: Settings, env: &proxy::Env) -> Result<Self> {
        let found = kubeconfig::find(&settings, env)?;
        Self::resolved(settings, found, None).await
    }

    async fn resolved(settings: Settings, found: kubeconfig::ResolvedContext, token: Option<TokenSource>) -> Result<Self> {
        let times = limits::Timeouts { timeout: settings.timeout.unwrap_or(TIMEOUT), whole: settings.whole.unwrap_or(WHOLE) };
        let kubeconfig::ResolvedContext { context, is_current, mut config, exec, unverified } = found;
        let is_kubelogin = exec.as_ref().and_then(|exec| exec.command.as_deref()).is_some_and(|command| command.contains("kubelogin"));
        let login = match (exec, config.auth_info.token_file.take()) {
            (Some(_), _) if let Some(token) = token.filter(|_| is_kubelogin) => {
                Some(login::Login::by_source(&context, &config.cluster_url, token))
            }
            (Some(exec), _) => {
                Some(login::Login::by_command(&context, &config.cluster_url, exec, times, settings.plugin_output.clone()).await?)
            }
            (None, Some(path)) => Some(login::Login::by_file(&context, path.into(), config.auth_info.token.take())?),
            (None, None) => None,
        };
        if let Some(login) = &login {
            login.put_pair(&mut config.auth_info).await;
        }
        let mut connection = calls::ServerConnection::new(context, &config, login, settings.parallelism, times)?;
        connection.is_current = is_current;
        Ok(Self { connection: Arc::new(connection), unverified: unverified.map(Into::into), config: Arc::new(config) })
    }

    /// Returns the contexts of the kubeconfig, each with the host name of its server. Does not connect and runs no plugin.
    pub fn contexts(settings: &Settings) -> Result<Vec<(String, String)>> {
        kubeconfig::contexts(settings, &|name| std::env::var(name).ok())
    }

    /// Returns the context's name ("in-cluster" inside a pod).
    pub fn context(&self) -> &str {
        &self.connection.context
    }
    /// Returns the host name of the server's URL in lower case, without port.
    pub fn server_host(&self) -> &str {
        &self.connection.host
    }
    /// Returns the kubeconfig with `insecure-skip-tls-verify`, if the server's certificate is not checked.
    pub fn unverified(&self) -> Option<&str> {
        self.unverified.as_deref()
    }
    /// Returns a kubeconfig for a program that podid runs: this context alone, with the credential that podid itself sends.
    pub async fn kubeconfig(&self) -> Result<SecretString> {
        export::kubeconfig(&self.config, self.connection.token().await?)
    }
    /// Returns the context, if kubectl uses another one by itself.
    pub fn other_context(&self) -> Option<&str> {
        other_context(&self.connection)
    }
    /// Begins a new pass with an empty cache.
    pub fn read(&self) -> Read {
        Read { connection: self.connection.clone(), pass: Arc::default() }
    }
    pub fn write(&self) -> Write {
        Write { connection: self.connection.clone(), dry_run: false }
    }
    /// Returns a writer whose requests are dry runs: admission, validation and RBAC apply, and nothing is stored.
    pub fn write_dry_run(&self) -> Write {
        Write { connection: self.connection.clone(), dry_run: true }
    }
}

fn other_context(connection: &calls::ServerConnection) -> Option<&str> {
    (!connection.is_current).then_some(connection.context.as_str())
}

impl Read {
    /// Returns the context, if kubectl uses another one by itself.
    pub fn other_context(&self) -> Option<&str> {
        other_context(&self.connection)
    }

    /// Reads an object, at most once per pass. None if it does not exist. A kind that the server does not know is `Error::KindMissing`.
    pub async fn get(&self, at: &ObjectRef) -> Result<Option<Value>> {
        read::get(&self.connection, &self.pass, at).await
    }
    /// Lists objects, at most once per pass.
    pub async fn list(&self, api: &Api, namespace: Option<&str>, label_selector: Option<&str>) -> Result<Vec<Value>> {
        read::list(&self.connection, &self.pass, api, namespace, label_selector).await
    }
    /// Lists objects with the names of those who wrote them (`metadata.managedFields` without the fields), without the cache: for many
    /// objects that are read once.
    pub async fn list_once(&self, api: &Api, namespace: Option<&str>) -> Result<Vec<Value>> {
        read::list_once(&self.connection, &self.pass, api, namespace).await
    }
    /// Puts an object of a list into the cache, so that `get` does not ask for it again. It has only the names of its managers.
    pub fn know(&self, api: &Api, object: &Value) {
        read::know(&self.pass, api, object);
    }
    /// Returns plural and scope of a kind, requested at most once per pass, for all kinds of a group and version at once.
    pub async fn served(&self, group: &str, version: &str, kind: &str) -> Result<Served> {
        read::served(&self.connection, &self.pass, group, version, kind).await
    }
    /// Lists by a field selector such as `metadata.name=x`, without the cache.
    pub async fn selected(&self, api: &Api, namespace: Option<&str>, field_selector: &str) -> Result<Vec<Value>> {
        write::list(&self.connection, api, namespace, None, Some(field_selector)).await
    }
    /// Returns the issuer of the cluster's service account tokens, from its discovery document. None: this login may not read it.
    pub async fn issuer(&self) -> Result<Option<String>> {
        tokens::issuer(&self.connection).await
    }
    /// Reads the last lines of a container's log, without the cache.
    pub async fn log(&self, pod: &ObjectRef, container: &str, range: &LogRange) -> Result<String> {
        logs::log(&self.connection, pod, container, range).await
    }
    /// Sends a server-side apply with dryRun=All, fieldValidation=Strict, fieldManager=podid, at most once per pass.
    pub async fn preview(&self, at: &ObjectRef, manifest: &Value, force: bool) -> Result<Preview> {
        read::preview(&self.connection, &self.pass, at, manifest, force).await
    }
    /// Requests a preview that may be wanted later, and caches it.
    pub async fn preview_ahead(&self, at: &ObjectRef, manifest: &Value, force: bool) {
        read::preview_ahead(&self.connection, &self.pass, at, manifest, force).await;
    }
}

impl Write {
    /// Returns the context, if kubectl uses another one by itself.
    pub fn other_context(&self) -> Option<&str> {
        other_context(&self.connection)
    }

    /// Sends a server-side apply with strict validation. Fails with `Error::Conflicts` unless forced.
    pub async fn apply(&self, at: &ObjectRef, manifest: &Value, force: bool) -> Result<Value> {
        write::patch(&self.connection, at, manifest, self.dry_run, force).await
    }
    /// Returns plural and scope of a kind. A kind that did not exist before is requested again.
    pub async fn served(&self, group: &str, version: &str, kind: &str) -> Result<Served> {
        discovery::served(&self.connection, group, version, kind).await
    }
    /// Sends a JSON patch. Fails with `Error::Changed` if the patch has an outdated resourceVersion.
    pub async fn patch(&self, at: &ObjectRef, steps: &Value) -> Result<Value> {
        write::json_patch(&self.connection, at, steps, self.dry_run).await
    }
    /// Creates an object with POST; `AlreadyExists` is `Error::Exists`.
    pub async fn create(&self, at: &ObjectRef, manifest: &Value) -> Result<Value> {
        write::create(&self.connection, at, manifest, self.dry_run).await
    }
    /// Deletes an object and waits until it no longer exists (finalizers), for a limited time; this needs only the permission to get it.
    /// An absent object is a success. `uid` limits the deletion to that object; `grace` is in seconds.
    pub async fn delete(&self, at: &ObjectRef, uid: Option<&str>, grace: Option<u32>) -> Result<()> {
        write::delete(&self.connection, at, uid, grace, self.dry_run).await
    }
    /// Reads an object past all caches.
    pub async fn get(&self, at: &ObjectRef) -> Result<Option<Value>> {
        write::get(&self.connection, at).await
    }
    pub async fn list(
        &self,
        api: &Api,
        namespace: Option<&str>,
        label_selector: Option<&str>,
        field_selector: Option<&str>,
    ) -> Result<Vec<Value>> {
        write::list(&self.connection, api, namespace, label_selector, field_selector).await
    }
    /// Requests a token of a service account for an audience. This needs only the verb `create` on `serviceaccounts/token`.
    pub async fn service_account_token(&self, account: &ObjectRef, audience: &str) -> Result<SecretString> {
        tokens::service_account(&self.connection, account, audience).await
    }
    /// Watches objects of a kind (all, or one by a field selector such as `metadata.name=x`), and calls `see` with each existing object and
    /// on each change, until `see` returns Some. A broken watch or a 410 starts over. Returns None when the time is up.
    pub async fn wait<T: Send>(
        &self,
        api: &Api,
        namespace: Option<&str>,
        field_selector: Option<&str>,
        limit: Duration,
        see: impl FnMut(&Value) -> Option<T> + Send,
    ) -> Result<Option<T>> {
        let view = watch::WatchTarget { api, namespace, fields: field_selector };
        watch::follow(&self.connection, view, limit, see).await
    }
}
