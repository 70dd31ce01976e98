//! The only place where a kube type may be named: server-side apply as field manager `podid`, reading, watching.
//! Objects go in and out as JSON trees; this room knows no kind of podid.
//!
//! `kubeconfig` which cluster, as whom · `credential` whether it may be sent · `login` the exec plugin · `token_file` a token from a file ·
//! `proxy` through whom · `connect` the connections · `calls` one request · `paths` · `limits` how much is read · `status` what a refusal means · `list` `watch` · `read` with a memory for one pass · `write` without.

mod calls;
mod connect;
mod credential;
mod discovery;
pub mod error;
mod kubeconfig;
mod limits;
mod list;
mod login;
mod paths;
mod proxy;
mod read;
mod status;
#[cfg(test)]
pub(crate) mod tests;
mod token_file;
mod watch;
mod write;

pub use error::{Error, Result};
pub use login::PluginOutput;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub const FIELD_MANAGER: &str = "podid";
const TIMEOUT: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);

/// Where the cluster is found. All of it plain data, from flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A path, or a list of them as in KUBECONFIG; None: KUBECONFIG, then ~/.kube/config, then in-cluster.
    pub kubeconfig: Option<String>,
    pub context: Option<String>,
    /// Of each request with its tries, and of the connection; default 30 s.
    pub timeout: Option<Duration>,
    /// Of all requests that belong together (the pages of a list, the looks at what is being deleted); default 10 minutes.
    pub whole: Option<Duration>,
    /// Most requests (and connections) at once.
    pub parallelism: usize,
    /// Where a login command's words to the person at the terminal go.
    pub plugin_output: PluginOutput,
}

/// A kind of object, as far as a URL needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Api {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
}

impl Api {
    pub fn new(group: &str, version: &str, kind: &str, plural: &str) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into(), plural: plural.into() }
    }
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A kind as a server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub api: Api,
    pub namespaced: bool,
}

/// One object's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    pub api: Api,
    /// None for cluster-scoped kinds.
    pub namespace: Option<String>,
    pub name: String,
}

/// What a dry run of an apply would make of an object.
#[derive(Clone, Debug)]
pub enum Preview {
    /// The object as it would be.
    Object(Value),
    /// Fields that others own: (field path, manager).
    Conflicts(Vec<(String, String)>),
}

#[derive(Clone)]
pub struct Cluster {
    connection: calls::SharedConnection,
    unverified: Option<Arc<str>>,
}

/// One pass of looking; clones share what was seen.
#[derive(Clone)]
pub struct Read {
    connection: calls::SharedConnection,
    pass: Arc<read::ReadCache>,
}

#[derive(Clone)]
pub struct Write {
    connection: calls::SharedConnection,
    /// Every request that would change something carries dryRun=All.
    dry_run: bool,
}

impl Cluster {
    /// Reads the kubeconfig (an exec plugin runs once); talks to no server yet.
    pub async fn new(settings: Settings) -> Result<Self> {
        Self::with_env(settings, &|name| std::env::var(name).ok()).await
    }

    async fn with_env(settings: Settings, env: &proxy::Env) -> Result<Self> {
        let times = calls::Timeouts { timeout: settings.timeout.unwrap_or(TIMEOUT), whole: settings.whole.unwrap_or(WHOLE) };
        let kubeconfig::ResolvedContext { context, mut config, exec, unverified } = kubeconfig::find(&settings, env)?;
        let login = match (exec, config.auth_info.token_file.take()) {
            (Some(exec), _) => {
                Some(login::Login::by_command(&context, &config.cluster_url, exec, times, settings.plugin_output.clone()).await?)
            }
            (None, Some(path)) => Some(login::Login::by_file(&context, path.into(), config.auth_info.token.take())?),
            (None, None) => None,
        };
        if let Some(login) = &login {
            login.put_pair(&mut config.auth_info).await;
        }
        let connection = calls::ServerConnection::new(context, &config, login, settings.parallelism, times)?;
        Ok(Self { connection: Arc::new(connection), unverified: unverified.map(Into::into) })
    }

    /// The contexts of the kubeconfig, each with the host name of its server. Talks to nobody and runs no plugin.
    pub fn contexts(settings: &Settings) -> Result<Vec<(String, String)>> {
        kubeconfig::contexts(settings, &|name| std::env::var(name).ok())
    }

    /// The context's name ("in-cluster" inside a pod).
    pub fn context(&self) -> &str {
        &self.connection.context
    }
    /// Of the server's URL: host name, lower case, no port.
    pub fn server_host(&self) -> &str {
        &self.connection.host
    }
    /// The kubeconfig that says `insecure-skip-tls-verify`: whoever answers there is believed.
    pub fn unverified(&self) -> Option<&str> {
        self.unverified.as_deref()
    }
    /// A new pass: nothing is remembered yet.
    pub fn read(&self) -> Read {
        Read { connection: self.connection.clone(), pass: Arc::default() }
    }
    pub fn write(&self) -> Write {
        Write { connection: self.connection.clone(), dry_run: false }
    }
    /// The same requests, of which the server keeps nothing: admission, validation and RBAC answer as they would.
    pub fn write_dry_run(&self) -> Write {
        Write { connection: self.connection.clone(), dry_run: true }
    }
}

impl Read {
    /// Asked at most once per pass. None: not there. A kind that the server does not know is `Error::KindMissing`.
    pub async fn get(&self, at: &ObjectRef) -> Result<Option<Value>> {
        read::get(&self.connection, &self.pass, at).await
    }
    /// Asked at most once per pass.
    pub async fn list(&self, api: &Api, namespace: Option<&str>, label_selector: Option<&str>) -> Result<Vec<Value>> {
        read::list(&self.connection, &self.pass, api, namespace, label_selector).await
    }
    /// The plural and scope of a kind; asked at most once per pass, and for all kinds of a group and version at once.
    pub async fn served(&self, group: &str, version: &str, kind: &str) -> Result<Served> {
        read::served(&self.connection, &self.pass, group, version, kind).await
    }
    /// Lists by a field selector such as `metadata.name=x`; asked each time.
    pub async fn selected(&self, api: &Api, namespace: Option<&str>, field_selector: &str) -> Result<Vec<Value>> {
        write::list(&self.connection, api, namespace, None, Some(field_selector)).await
    }
    /// Server-side apply with dryRun=All, fieldValidation=Strict, fieldManager=podid; asked at most once per pass.
    pub async fn preview(&self, at: &ObjectRef, manifest: &Value, force: bool) -> Result<Preview> {
        read::preview(&self.connection, &self.pass, at, manifest, force).await
    }
    /// Asks for a preview before it is known whether it will be wanted; it is remembered.
    pub async fn preview_ahead(&self, at: &ObjectRef, manifest: &Value, force: bool) {
        read::preview_ahead(&self.connection, &self.pass, at, manifest, force).await;
    }
}

impl Write {
    /// Server-side apply, strict; `Error::Conflicts` unless forced.
    pub async fn apply(&self, at: &ObjectRef, manifest: &Value, force: bool) -> Result<Value> {
        write::patch(&self.connection, at, manifest, self.dry_run, force).await
    }
    /// The plural and scope of a kind. A kind that was not there before is asked for again.
    pub async fn served(&self, group: &str, version: &str, kind: &str) -> Result<Served> {
        discovery::served(&self.connection, group, version, kind).await
    }
    /// A JSON patch; one that sets another resourceVersion than there is now is `Error::Changed`.
    pub async fn patch(&self, at: &ObjectRef, steps: &Value) -> Result<Value> {
        write::json_patch(&self.connection, at, steps, self.dry_run).await
    }
    /// POST; `AlreadyExists` is `Error::Exists`.
    pub async fn create(&self, at: &ObjectRef, manifest: &Value) -> Result<Value> {
        write::create(&self.connection, at, manifest, self.dry_run).await
    }
    /// Absent is success; waits until the object is really gone (finalizers), bounded, and needs no more rights for that than to get it. `uid`: only that very object. `grace`: seconds.
    pub async fn delete(&self, at: &ObjectRef, uid: Option<&str>, grace: Option<u32>) -> Result<()> {
        write::delete(&self.connection, at, uid, grace, self.dry_run).await
    }
    /// Reads past any memory.
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
    /// Watches objects of a kind (all, or one by a field selector such as `metadata.name=x`) from now-or-as-listed on, and calls `see`
    /// with each object as it is first and whenever it changes; ends when `see` answers Some. A cut watch or 410 starts over. None: time ran out.
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
