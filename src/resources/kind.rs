//! What a kind says of itself beyond what the engine asks: the rights that its requests need, how it is listed, how it is shown.
//! Each kind implements `Resource` in its own file; the table of kinds (`resources::KINDS`) is asked through `AnyResource`.

use super::{
    access::{Access, Right},
    manifest::Rendered,
    world::{Cloud, Clusters, Reader},
};
use crate::{
    azure::{self, ArmId},
    cluster::{self, Api},
    engine::{
        desired::{Desired, Intent},
        fault::Fault,
        key::Key,
        resource::{ErasedKind, Kind, KindOf},
    },
};
use futures::future::BoxFuture;
use serde_json::Value;

/// An Azure role that allows requests, for the hint after a 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AzureRole {
    /// The beginning of the actions that it allows, as ARM and Key Vault name them in a refusal; compared without regard to case.
    pub actions: &'static str,
    /// Whether it is also the one to ask for where the action only reads.
    pub reads: bool,
    pub role: &'static str,
    pub scope: HintScope,
}

/// Where an Azure role is best asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintScope {
    /// At the subscription, which all of it is about.
    Subscription,
    /// At the resource group: the resource itself may not exist yet.
    Group,
    /// At the resource: what lies in it is data.
    Resource,
}

/// Something that a listing found.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The app whose marks it carries.
    pub app: Option<String>,
    /// As the client of its service returned it.
    pub actual: Value,
}

/// What a kind says of itself. The defaults are those of a kind in Azure that nobody lists.
pub trait Resource: Kind<Cloud> {
    /// The type of its ARM resources, such as `Microsoft.KeyVault/vaults`, where users name them by name or id.
    const ARM_TYPE: Option<&'static str> = None;
    /// The roles that allow its requests to Azure.
    const ROLES: &'static [AzureRole] = &[];

    /// Where its objects count as what people would miss of a namespace: how they are listed.
    fn content() -> Option<Api> {
        None
    }
    /// What access to any object of this kind needs of a cluster's RBAC.
    fn access(_: Access) -> Vec<Right> {
        Vec::new()
    }
    /// What access to this very object needs, where that is only known from its spec.
    fn own_access(&self, _: Access) -> Vec<Right> {
        Vec::new()
    }
    /// What to do where it is there and an output has no value: a sentence with a command or a field of the spec.
    fn missing_output(_: &Key, _field: &str) -> Option<String> {
        None
    }
    /// The manifest of a Kubernetes object; None: it is none. `mine`: with the labels that say whose it is.
    fn rendered(&self, _app: &str, _mine: bool, _: &Reader) -> impl Future<Output = Result<Option<Rendered>, Fault>> + Send {
        std::future::ready(Ok(None))
    }
    /// Names what others make for it and delete with it, beside the resource itself: `CLUSTER/NAMESPACE/KIND/NAME`. Such objects are not
    /// foreign content.
    fn brings(&self) -> Vec<String> {
        Vec::new()
    }
    /// The same resource for a run that neither looks at its side nor has it in the state (`--only`). None: such a run cannot do without it.
    fn without_looking(self) -> Option<Self> {
        None
    }
    /// Checks what this machine must have to change such a resource. It is asked once, before anything is changed.
    fn preflight(_: &Clusters) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }
    /// Those of a subscription.
    fn list(_: &azure::Read, _subscription: &ArmId) -> impl Future<Output = Result<Vec<Listed>, azure::Error>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
    /// Returns the resource that created an object which `list` found. None if the object alone does not show it, so that `state rebuild` has
    /// to compare several.
    fn made_of(_: &Listed) -> Option<(Key, Self)> {
        None
    }
    /// Those of a cluster.
    fn list_in(_: &cluster::Read) -> impl Future<Output = Result<Vec<Listed>, cluster::Error>> + Send {
        std::future::ready(Ok(Vec::new()))
    }
}

/// The face that the table of kinds has.
pub trait AnyResource: ErasedKind<Cloud> {
    fn arm_type(&self) -> Option<&'static str>;
    fn roles(&self) -> &'static [AzureRole];
    fn content(&self) -> Option<Api>;
    fn access(&self, access: Access) -> Vec<Right>;
    fn own_access(&self, spec: &Value, access: Access) -> Result<Vec<Right>, Fault>;
    fn missing_output(&self, key: &Key, field: &str) -> Option<String>;
    fn rendered<'a>(
        &'a self,
        placed: Value,
        app: &'a str,
        mine: bool,
        reader: &'a Reader,
    ) -> BoxFuture<'a, Result<Option<Rendered>, Fault>>;
    fn brings(&self, spec: &Value) -> Result<Vec<String>, Fault>;
    fn without_looking(&self, spec: &Value) -> Result<Option<Value>, Fault>;
    fn preflight<'a>(&'a self, clusters: &'a Clusters) -> BoxFuture<'a, Result<(), Fault>>;
    fn list<'a>(&'a self, azure: &'a azure::Read, subscription: &'a ArmId) -> BoxFuture<'a, Result<Vec<Listed>, azure::Error>>;
    /// Adds the resource that made something that `list` found.
    fn add_found(&self, listed: &Listed, desired: &mut Desired) -> Result<(), Fault>;
    fn list_in<'a>(&'a self, cluster: &'a cluster::Read) -> BoxFuture<'a, Result<Vec<Listed>, cluster::Error>>;
}

impl<K: Resource> AnyResource for KindOf<K> {
    fn arm_type(&self) -> Option<&'static str> {
        K::ARM_TYPE
    }
    fn roles(&self) -> &'static [AzureRole] {
        K::ROLES
    }
    fn content(&self) -> Option<Api> {
        K::content()
    }
    fn access(&self, access: Access) -> Vec<Right> {
        K::access(access)
    }
    fn own_access(&self, spec: &Value, access: Access) -> Result<Vec<Right>, Fault> {
        Ok(K::deserialize(spec)?.own_access(access))
    }
    fn missing_output(&self, key: &Key, field: &str) -> Option<String> {
        K::missing_output(key, field)
    }
    fn rendered<'a>(
        &'a self,
        placed: Value,
        app: &'a str,
        mine: bool,
        reader: &'a Reader,
    ) -> BoxFuture<'a, Result<Option<Rendered>, Fault>> {
        Box::pin(async move { K::deserialize(&placed)?.rendered(app, mine, reader).await })
    }
    fn brings(&self, spec: &Value) -> Result<Vec<String>, Fault> {
        Ok(K::deserialize(spec)?.brings())
    }
    fn without_looking(&self, spec: &Value) -> Result<Option<Value>, Fault> {
        Ok(K::deserialize(spec)?.without_looking().map(serde_json::to_value).transpose()?)
    }
    fn preflight<'a>(&'a self, clusters: &'a Clusters) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(K::preflight(clusters))
    }
    fn list<'a>(&'a self, azure: &'a azure::Read, subscription: &'a ArmId) -> BoxFuture<'a, Result<Vec<Listed>, azure::Error>> {
        Box::pin(K::list(azure, subscription))
    }
    fn add_found(&self, listed: &Listed, desired: &mut Desired) -> Result<(), Fault> {
        match K::made_of(listed) {
            Some((key, kind)) => desired.add::<Cloud, K>(key, &kind, Intent::Present).map(drop),
            None => Ok(()),
        }
    }
    fn list_in<'a>(&'a self, cluster: &'a cluster::Read) -> BoxFuture<'a, Result<Vec<Listed>, cluster::Error>> {
        Box::pin(K::list_in(cluster))
    }
}

/// A spec of this kind, where it is one: of a node or an entry of the ledger.
pub fn spec_of<K: Kind<Cloud>>(kind: &str, spec: &Value) -> Option<K> {
    (kind == K::KIND).then(|| K::deserialize(spec).ok()).flatten()
}
