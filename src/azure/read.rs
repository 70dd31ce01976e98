//! Reads for one pass: each resource is requested at most once, however many callers want it at the same time.

use super::{
    ArmId, AssignedRole, Caller, DeletedSecret, DeletedVault, DirectoryObject, Error, FederatedCredential, Identity, ImageError, ImageTag,
    PolicyEntry, PrincipalKind, Result, RoleAssignment, RoleDefinition, Secret, SecretInfo, ServicePrincipal, Vault, arm,
    cache::RequestCache, clients::Clients, deadline, directory, failures::absent, federated_credentials, hosts, identities, roles, vaults,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

#[derive(Clone)]
pub struct Read {
    pub(super) core: Arc<Clients>,
    seen: Arc<ReadCache>,
}

#[derive(Default)]
struct ReadCache {
    /// Bodies of resources of Azure Resource Manager.
    resource: RequestCache<Option<Bytes>>,
    resources: RequestCache<Arc<Vec<Value>>>,
    identity: RequestCache<Option<Identity>>,
    identities: RequestCache<Vec<Identity>>,
    role_assignments: RequestCache<Arc<Assignments>>,
    role_definition: RequestCache<Option<RoleDefinition>>,
    vault: RequestCache<Option<Arc<Vault>>>,
    vaults: RequestCache<Vec<Vault>>,
    deleted_vault: RequestCache<Option<DeletedVault>>,
    secret: RequestCache<Option<Secret>>,
    secrets: RequestCache<Vec<SecretInfo>>,
    secret_version: RequestCache<Option<SecretInfo>>,
    latest_secret: RequestCache<Option<SecretInfo>>,
    deleted_secret: RequestCache<Option<DeletedSecret>>,
    service_principal: RequestCache<Option<ServicePrincipal>>,
    directory_object: RequestCache<Option<DirectoryObject>>,
    federated_credentials: RequestCache<Option<Arc<Vec<FederatedCredential>>>>,
}

/// Requests with its own clone of the core, because the request may outlive the caller that started it, and within the time limit of a
/// call.
macro_rules! remembered {
    ($self:ident . $memo:ident, $key:expr, |$core:ident| $ask:expr) => {{
        let $core = $self.core.clone();
        $self.seen.$memo.get($key, move || async move { deadline::within($core.limit, $ask).await }).await
    }};
}

/// The assignments at a scope, indexed by principal.
struct Assignments {
    all: Vec<RoleAssignment>,
    /// Indices in `all`, by the principal's id in lower case.
    by_principal: HashMap<String, Vec<usize>>,
}

impl Assignments {
    async fn of(asking: impl Future<Output = Result<Vec<RoleAssignment>>>) -> Result<Arc<Self>> {
        let all = asking.await?;
        let mut by_principal: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, assignment) in all.iter().enumerate() {
            by_principal.entry(assignment.principal_id.to_ascii_lowercase()).or_default().push(at);
        }
        Ok(Arc::new(Self { all, by_principal }))
    }

    fn of_principal(&self, principal: &str) -> Vec<RoleAssignment> {
        let places = self.by_principal.get(&principal.to_ascii_lowercase());
        places.into_iter().flatten().map(|at| self.all[*at].clone()).collect()
    }
}

async fn shared<T>(asking: impl Future<Output = Result<Option<T>>>) -> Result<Option<Arc<T>>> {
    Ok(asking.await?.map(Arc::new))
}

fn folded(parts: &[&str]) -> String {
    parts.join("\n").to_ascii_lowercase()
}

impl Read {
    pub(super) fn new(core: Arc<Clients>) -> Self {
        Self { core, seen: Arc::default() }
    }

    /// Sends requests that no cache should answer.
    pub(super) fn arm(&self) -> &arm::Arm {
        &self.core.arm
    }

    pub(super) fn limit(&self) -> std::time::Duration {
        self.core.limit
    }

    pub async fn caller(&self) -> Result<Caller> {
        deadline::within(self.core.limit, self.core.arm.tokens.caller()).await
    }

    /// Returns the digest that an image's tag points to now. None if there is no such tag.
    pub async fn image_digest(&self, image: &ImageTag) -> Result<Option<String>, ImageError> {
        let asked = async { Ok(self.core.registries.digest(image).await) };
        deadline::within(self.core.limit, asked).await?
    }

    /// Returns the body of a resource. The files of the single types add their own calls with it.
    pub(super) async fn resource<T: DeserializeOwned>(&self, id: &ArmId, version: &'static str) -> Result<Option<T>> {
        let asked = id.clone();
        let found = remembered!(self.resource, id.folded(), |core| async move { absent(core.arm.body(&asked, version).await) });
        found?.map(|body| arm::parsed(hosts::ARM, &body)).transpose()
    }

    /// Returns the bodies of all resources of a type at a scope: a group's or a subscription's id.
    pub(super) async fn resources<T: DeserializeOwned>(
        &self,
        scope: &ArmId,
        arm_type: &'static str,
        version: &'static str,
    ) -> Result<Vec<T>> {
        let asked = scope.clone();
        let found = remembered!(self.resources, folded(&[scope.as_str(), arm_type]), |core| {
            async move { Ok(Arc::new(absent(core.arm.list(&asked, arm_type, version).await)?.unwrap_or_default())) }
        });
        // the kind of error only: the text itself might be a secret
        let parsed = |one: &Value| T::deserialize(one).map_err(|e| Error::Protocol(format!("{}: {:?}", hosts::ARM, e.classify())));
        found?.iter().map(parsed).collect()
    }

    pub async fn identity(&self, id: &ArmId) -> Result<Option<Identity>> {
        let asked = id.clone();
        remembered!(self.identity, id.folded(), |core| identities::get(&core.arm, &asked))
    }

    /// Lists the identities in `scope`, the id of a group or subscription.
    pub async fn identities(&self, scope: &ArmId) -> Result<Vec<Identity>> {
        let asked = scope.clone();
        remembered!(self.identities, scope.folded(), |core| identities::list(&core.arm, &asked))
    }

    /// Lists the assignments made exactly at this scope, without inherited ones; empty if the scope does not exist.
    pub async fn role_assignments(&self, scope: &ArmId) -> Result<Vec<RoleAssignment>> {
        let asked = scope.clone();
        let found = remembered!(self.role_assignments, scope.folded(), |core| Assignments::of(roles::assignments(&core.arm, &asked)));
        found.map(|found| found.all.clone())
    }

    /// Lists the assignments of one principal at this scope, without copying all of them.
    pub async fn role_assignments_of(&self, scope: &ArmId, principal: &str) -> Result<Vec<RoleAssignment>> {
        let asked = scope.clone();
        let found = remembered!(self.role_assignments, scope.folded(), |core| Assignments::of(roles::assignments(&core.arm, &asked)));
        found.map(|found| found.of_principal(principal))
    }

    /// Lists the roles that a principal has at a scope, also by the scopes above it and by the groups that it is in.
    pub async fn assigned_roles(&self, scope: &ArmId, principal: &str, kind: PrincipalKind) -> Result<Vec<AssignedRole>> {
        deadline::within(self.core.limit, roles::assigned(&self.core.arm, scope, principal, kind)).await
    }

    /// Lists the roles that a service principal has in a subscription: at it, above it and below it, also by the groups that it is in.
    pub async fn assigned_roles_below(&self, subscription: &ArmId, principal: &str) -> Result<Vec<AssignedRole>> {
        deadline::within(self.core.limit, roles::assigned_below(&self.core.arm, subscription, principal)).await
    }

    /// Lists the assignments of a subscription and of all scopes below it.
    pub async fn role_assignments_below(&self, subscription: &ArmId) -> Result<Vec<RoleAssignment>> {
        let asked = subscription.clone();
        let key = format!("below {}", subscription.folded());
        let found = remembered!(self.role_assignments, key, |core| Assignments::of(roles::below(&core.arm, &asked)));
        found.map(|found| found.all.clone())
    }

    /// Finds a role that is not in the built-in table by its name, as it is visible at the scope.
    pub async fn role_definition(&self, scope: &ArmId, name: &str) -> Result<Option<RoleDefinition>> {
        let (asked, called) = (scope.clone(), name.to_owned());
        remembered!(self.role_definition, folded(&[scope.as_str(), name]), |core| roles::definition(&core.arm, &asked, &called))
    }

    pub async fn vault(&self, id: &ArmId) -> Result<Option<Vault>> {
        let asked = id.clone();
        let found = remembered!(self.vault, id.folded(), |core| shared(vaults::get(&core.arm, &asked)));
        found.map(|found| found.map(|vault| Vault::clone(&vault)))
    }

    /// Returns the vault's policy entry that counts for a principal.
    pub async fn vault_policy(&self, id: &ArmId, object_id: &str) -> Result<Option<PolicyEntry>> {
        let asked = id.clone();
        let found = remembered!(self.vault, id.folded(), |core| shared(vaults::get(&core.arm, &asked)));
        found.map(|found| found.and_then(|vault| vault.policy_of(object_id).cloned()))
    }

    pub async fn vaults(&self, scope: &ArmId) -> Result<Vec<Vault>> {
        let asked = scope.clone();
        remembered!(self.vaults, scope.folded(), |core| vaults::list(&core.arm, &asked))
    }

    pub async fn deleted_vault(&self, subscription: &str, location: &str, name: &str) -> Result<Option<DeletedVault>> {
        let (s, l, n) = (subscription.to_owned(), location.to_owned(), name.to_owned());
        remembered!(self.deleted_vault, folded(&[subscription, location, name]), |core| vaults::deleted(&core.arm, &s, &l, &n))
    }

    /// Returns the current version with its value.
    pub async fn secret(&self, vault_uri: &str, name: &str) -> Result<Option<Secret>> {
        let (vault, called) = (vault_uri.to_owned(), name.to_owned());
        remembered!(self.secret, folded(&[vault_uri, name]), |core| core.secrets.get(&vault, &called))
    }

    /// Lists names, tags and times of all secrets, without values.
    pub async fn secrets(&self, vault_uri: &str) -> Result<Vec<SecretInfo>> {
        let vault = vault_uri.to_owned();
        remembered!(self.secrets, folded(&[vault_uri]), |core| core.secrets.list(&vault))
    }

    /// Returns the current version without reading its value: the newest enabled one in the list of versions.
    pub async fn secret_version(&self, vault_uri: &str, name: &str) -> Result<Option<SecretInfo>> {
        let (vault, called) = (vault_uri.to_owned(), name.to_owned());
        remembered!(self.secret_version, folded(&[vault_uri, name]), |core| core.secrets.newest(&vault, &called))
    }

    /// Returns the latest version, disabled or not, without its value.
    pub async fn latest_secret(&self, vault_uri: &str, name: &str) -> Result<Option<SecretInfo>> {
        let (vault, called) = (vault_uri.to_owned(), name.to_owned());
        remembered!(self.latest_secret, folded(&[vault_uri, name]), |core| core.secrets.latest(&vault, &called))
    }

    pub async fn deleted_secret(&self, vault_uri: &str, name: &str) -> Result<Option<DeletedSecret>> {
        let (vault, called) = (vault_uri.to_owned(), name.to_owned());
        remembered!(self.deleted_secret, folded(&[vault_uri, name]), |core| core.secrets.deleted(&vault, &called))
    }

    pub async fn service_principal(&self, app_id: &str) -> Result<Option<ServicePrincipal>> {
        let asked = app_id.to_owned();
        remembered!(self.service_principal, folded(&[app_id]), |core| directory::service_principal(&core.arm, &asked))
    }

    /// Returns the user, group or service principal that has an object id.
    pub async fn directory_object(&self, object_id: &str) -> Result<Option<DirectoryObject>> {
        let asked = object_id.to_owned();
        remembered!(self.directory_object, folded(&[object_id]), |core| directory::object(&core.arm, &asked))
    }

    /// Lists the federated credentials of an identity. None: there is no such identity.
    pub async fn federated_credentials(&self, identity: &ArmId) -> Result<Option<Arc<Vec<FederatedCredential>>>> {
        let asked = identity.clone();
        remembered!(self.federated_credentials, identity.folded(), |core| shared(federated_credentials::list(&core.arm, &asked)))
    }
}
