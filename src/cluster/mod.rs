//! The only place where a kube type may be named: server-side apply as field manager `podid`, reading, watching.
//! Objects go in and out as JSON trees; this room knows no kind of podid.

pub mod error;

pub use error::{Error, Result};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

pub const FIELD_MANAGER: &str = "podid";

/// Where the cluster is found. All of it plain data, from flags and environment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A path, or a list of them as in KUBECONFIG; None: KUBECONFIG, then ~/.kube/config, then in-cluster.
    pub kubeconfig: Option<String>,
    pub context: Option<String>,
    /// Of each request and of the connection; default 30 s.
    pub timeout: Option<Duration>,
    /// Most requests (and connections) at once.
    pub parallelism: usize,
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

/// One object's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct At {
    pub api: Api,
    /// None for cluster-scoped kinds.
    pub namespace: Option<String>,
    pub name: String,
}

/// What a dry run of an apply would make of an object.
#[derive(Clone, Debug)]
pub enum Preview {
    /// The object as it would be.
    Would(Value),
    /// Fields that others own: (field path, manager).
    Conflicts(Vec<(String, String)>),
}

#[derive(Clone)]
pub struct Cluster {}
#[derive(Clone)]
pub struct Read {}
#[derive(Clone)]
pub struct Write {}

#[expect(unused_variables, clippy::unimplemented, reason = "the contract; the room is being built")]
impl Cluster {
    /// Reads the kubeconfig (an exec plugin runs once); talks to no server yet.
    pub async fn new(settings: Settings) -> Result<Self> {
        unimplemented!()
    }
    /// The context's name ("in-cluster" inside a pod).
    pub fn context(&self) -> &str {
        unimplemented!()
    }
    /// Of the server's URL: host name, lower case, no port.
    pub fn server_host(&self) -> &str {
        unimplemented!()
    }
    pub fn read(&self) -> Read {
        unimplemented!()
    }
    pub fn write(&self) -> Write {
        unimplemented!()
    }
}

#[expect(unused_variables, clippy::unimplemented, reason = "the contract; the room is being built")]
impl Read {
    /// Asked at most once per pass. None: not there. A kind that the server does not know is `Error::KindMissing`.
    pub async fn get(&self, at: &At) -> Result<Option<Value>> {
        unimplemented!()
    }
    pub async fn list(&self, api: &Api, namespace: Option<&str>, label_selector: Option<&str>) -> Result<Vec<Value>> {
        unimplemented!()
    }
    /// Server-side apply with dryRun=All, fieldValidation=Strict, fieldManager=podid.
    pub async fn preview(&self, at: &At, manifest: &Value, force: bool) -> Result<Preview> {
        unimplemented!()
    }
}

#[expect(unused_variables, clippy::unimplemented, reason = "the contract; the room is being built")]
impl Write {
    /// Server-side apply, strict; `Error::Conflicts` unless forced.
    pub async fn apply(&self, at: &At, manifest: &Value, force: bool) -> Result<Value> {
        unimplemented!()
    }
    /// POST; `AlreadyExists` is `Error::Exists`.
    pub async fn create(&self, at: &At, manifest: &Value) -> Result<Value> {
        unimplemented!()
    }
    /// Absent is success; waits until the object is really gone (finalizers), bounded. `uid`: only that very object. `grace`: seconds.
    pub async fn delete(&self, at: &At, uid: Option<&str>, grace: Option<u32>) -> Result<()> {
        unimplemented!()
    }
    /// Reads past any memory.
    pub async fn get(&self, at: &At) -> Result<Option<Value>> {
        unimplemented!()
    }
    pub async fn list(
        &self,
        api: &Api,
        namespace: Option<&str>,
        label_selector: Option<&str>,
        field_selector: Option<&str>,
    ) -> Result<Vec<Value>> {
        unimplemented!()
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
        unimplemented!()
    }
}
