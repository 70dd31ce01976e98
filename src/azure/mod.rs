//! The only place where an Azure SDK type may be named. Knows nothing of podid's kinds, its terminal, or the sandbox.
//!
//! `Azure` is the connection (one HTTP client, one login). `Read` is one pass of looking: it asks each thing at most once.
//! `Write` changes things, and waits out what Azure is late with.

pub mod error;
pub mod id;
pub mod model;

pub use error::{Error, Result};
pub use id::ArmId;
pub use model::*;

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
    /// The bound of each wait (replication of a principal, propagation of a grant, DNS of a vault); default 10 minutes.
    pub timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct ClientLogin {
    pub tenant: String,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// Told when a write has to wait for Azure: a whole sentence for the progress line.
pub type OnWait = Arc<dyn Fn(String) + Send + Sync>;

#[derive(Clone)]
pub struct Azure {}

#[derive(Clone)]
pub struct Read {}

#[derive(Clone)]
pub struct Write {}

#[expect(unused_variables, clippy::unimplemented, reason = "the contract; the room is being built")]
impl Azure {
    /// Builds the client; asks for no token yet.
    pub fn new(settings: Settings) -> Result<Self> {
        unimplemented!()
    }
    /// Which credential of the chain won (asks for a token if none was asked yet).
    pub async fn login(&self) -> Result<String> {
        unimplemented!()
    }
    /// The subscription of `az account show` (read from az's own profile file), for want of flag, environment and spec.
    pub fn default_subscription(&self) -> Option<String> {
        unimplemented!()
    }
    /// A new pass: nothing remembered.
    pub fn read(&self) -> Read {
        unimplemented!()
    }
    pub fn write(&self, on_wait: OnWait) -> Write {
        unimplemented!()
    }
}

#[expect(unused_variables, clippy::unimplemented, reason = "the contract; the room is being built")]
impl Read {
    pub async fn caller(&self) -> Result<Caller> {
        unimplemented!()
    }
    pub async fn group(&self, id: &ArmId) -> Result<Option<Group>> {
        unimplemented!()
    }
    pub async fn identity(&self, id: &ArmId) -> Result<Option<Identity>> {
        unimplemented!()
    }
    /// `scope`: a group's or a subscription's id.
    pub async fn identities(&self, scope: &ArmId) -> Result<Vec<Identity>> {
        unimplemented!()
    }
    /// All that hold at this scope and were made exactly there (inherited ones left out); `[]` where the scope is gone.
    pub async fn role_assignments(&self, scope: &ArmId) -> Result<Vec<RoleAssignment>> {
        unimplemented!()
    }
    /// A role that is not in the built-in table, by its name, as the scope sees it.
    pub async fn role_definition(&self, scope: &ArmId, name: &str) -> Result<Option<RoleDefinition>> {
        unimplemented!()
    }
    pub async fn vault(&self, id: &ArmId) -> Result<Option<Vault>> {
        unimplemented!()
    }
    pub async fn vaults(&self, scope: &ArmId) -> Result<Vec<Vault>> {
        unimplemented!()
    }
    pub async fn deleted_vault(&self, subscription: &str, location: &str, name: &str) -> Result<Option<DeletedVault>> {
        unimplemented!()
    }
    pub async fn cluster(&self, id: &ArmId) -> Result<Option<Cluster>> {
        unimplemented!()
    }
    pub async fn clusters(&self, scope: &ArmId) -> Result<Vec<Cluster>> {
        unimplemented!()
    }
    /// With its value, the current version.
    pub async fn secret(&self, vault_uri: &str, name: &str) -> Result<Option<Secret>> {
        unimplemented!()
    }
    /// Names, tags and times of all, no value.
    pub async fn secrets(&self, vault_uri: &str) -> Result<Vec<SecretInfo>> {
        unimplemented!()
    }
    /// The current version's id without reading the value (list of versions, the newest enabled one).
    pub async fn secret_version(&self, vault_uri: &str, name: &str) -> Result<Option<SecretInfo>> {
        unimplemented!()
    }
    pub async fn deleted_secret(&self, vault_uri: &str, name: &str) -> Result<Option<DeletedSecret>> {
        unimplemented!()
    }
    pub async fn service_principal(&self, app_id: &str) -> Result<Option<ServicePrincipal>> {
        unimplemented!()
    }
}

#[expect(unused_variables, clippy::unimplemented, reason = "the contract; the room is being built")]
impl Write {
    pub async fn put_identity(&self, id: &ArmId, location: &str, tags: &Tags) -> Result<Identity> {
        unimplemented!()
    }
    /// Absent is success, here and in all `delete_*`.
    pub async fn delete_identity(&self, id: &ArmId) -> Result<()> {
        unimplemented!()
    }
    /// Waits out `PrincipalNotFound`. 409 RoleAssignmentExists is `Conflict`.
    pub async fn put_role_assignment(
        &self,
        scope: &ArmId,
        name: &str,
        role_definition_id: &str,
        principal_id: &str,
        kind: PrincipalKind,
        description: &str,
    ) -> Result<RoleAssignment> {
        unimplemented!()
    }
    /// By its full id.
    pub async fn delete_role_assignment(&self, id: &str) -> Result<()> {
        unimplemented!()
    }
    /// Creates or recovers, and waits until it is `Succeeded`.
    pub async fn put_vault(&self, vault: &NewVault) -> Result<Vault> {
        unimplemented!()
    }
    /// Waits until a vault that is there is `Succeeded`.
    pub async fn await_vault(&self, id: &ArmId) -> Result<Vault> {
        unimplemented!()
    }
    /// PATCH of nothing but the tags.
    pub async fn tag_vault(&self, id: &ArmId, tags: &Tags) -> Result<Vault> {
        unimplemented!()
    }
    pub async fn delete_vault(&self, id: &ArmId) -> Result<()> {
        unimplemented!()
    }
    /// `add` merges, `replace` sets this principal's entry, `remove` takes it away. Never a PUT of the vault.
    pub async fn add_policy(&self, vault: &ArmId, entry: &PolicyEntry) -> Result<()> {
        unimplemented!()
    }
    pub async fn replace_policy(&self, vault: &ArmId, entry: &PolicyEntry) -> Result<()> {
        unimplemented!()
    }
    pub async fn remove_policy(&self, vault: &ArmId, entry: &PolicyEntry) -> Result<()> {
        unimplemented!()
    }
    /// Reads the current version past any memory. `patient`: a 403 is waited out (a grant was just made), else it is an error at once.
    pub async fn secret(&self, vault_uri: &str, name: &str, patient: bool) -> Result<Option<Secret>> {
        unimplemented!()
    }
    /// A new version. `patient` as above. 409 ObjectIsBeingDeleted/-Recovered are waited out, ObjectIsDeletedButRecoverable is `Conflict`.
    pub async fn set_secret(&self, vault_uri: &str, name: &str, value: &SecretString, tags: &Tags, patient: bool) -> Result<SecretInfo> {
        unimplemented!()
    }
    /// Tags of the current version; its value stays.
    pub async fn tag_secret(&self, vault_uri: &str, name: &str, tags: &Tags) -> Result<SecretInfo> {
        unimplemented!()
    }
    pub async fn delete_secret(&self, vault_uri: &str, name: &str) -> Result<()> {
        unimplemented!()
    }
    /// Starts the recovery and waits until the secret answers again.
    pub async fn recover_secret(&self, vault_uri: &str, name: &str, patient: bool) -> Result<()> {
        unimplemented!()
    }
}
