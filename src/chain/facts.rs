//! What is known of one workload: the identity that its pods are bound to, the secrets that they get, and what its pod template must say.
//! Modes and deliveries fill these in, from a graph that is being built, from the state, or from the objects of a cluster.

pub use crate::resources::pod_patch::PodPatch;
use crate::{
    azure::ArmId,
    engine::{desired::Requester, input::Input, key::Key, ledger::Ledger},
    resources::{
        identity,
        secret_provider_class::{Object, Synced},
        world::ClusterTarget,
    },
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The identity of the pods of one namespace, as a mode gives it to them.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Name of the mode.
    pub mode: &'static str,
    pub app: String,
    /// Whether a spec or a single command made it.
    pub by: Requester,
    pub cluster: ClusterTarget,
    pub namespace: String,
    /// How pods are told apart: the value of their label, or the name of their service account.
    pub subject: String,
    /// What the cluster calls the identity.
    pub name: String,
    pub identity: BoundIdentity,
    /// Names of the mode's own objects, by their kinds.
    pub objects: BTreeMap<&'static str, String>,
    /// The resources that the pods depend on, first the one that binds them; whatever these refer to counts, too.
    pub keys: Vec<Key>,
    /// Further flags of `podid bind`, where they are not the defaults.
    pub flags: Vec<String>,
}

impl Bound {
    /// The name of the mode's object of a kind; empty if the mode has none.
    pub fn object(&self, kind: &str) -> &str {
        self.objects.get(kind).map(String::as_str).unwrap_or_default()
    }
}

/// A managed identity, as far as it is known.
#[derive(Clone, Debug)]
pub struct BoundIdentity {
    /// None: it is not podid's to know, only its ids are.
    pub key: Option<Key>,
    pub name: String,
    pub resource_group: Option<String>,
    pub resource_id: Option<Input<String>>,
    pub client_id: Option<Input<String>>,
}

impl BoundIdentity {
    /// An identity of a graph, whose ids may come from it.
    pub fn of(key: Key) -> Self {
        Self {
            name: key.names().to_owned(),
            resource_group: None,
            resource_id: Some(identity::ID.of(&key)),
            client_id: Some(identity::CLIENT_ID.of(&key)),
            key: Some(key),
        }
    }

    /// An identity as far as the state knows it. `name`: where it knows nothing.
    pub fn recalled(ledger: &Ledger, app: &str, key: Option<Key>, name: &str) -> Self {
        let published = key.as_ref().and_then(|key| ledger.get(app, key));
        let text = |field: &str| published.and_then(|e| e.outputs.get(field)).and_then(Value::as_str).map(str::to_owned);
        let resource_id = text(identity::ID.0);
        Self {
            name: key.as_ref().map_or_else(|| name.to_owned(), |key| key.names().to_owned()),
            resource_group: resource_id.as_deref().and_then(ArmId::parse).and_then(|id| id.group_name().map(str::to_owned)),
            resource_id: resource_id.map(Input::Known),
            client_id: text(identity::CLIENT_ID.0).map(Input::Known),
            key,
        }
    }

    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_ref().and_then(Input::known).map(String::as_str)
    }

    pub fn resource_id(&self) -> Option<&str> {
        self.resource_id.as_ref().and_then(Input::known).map(String::as_str)
    }
}

/// The secrets of one vault, as a delivery brings them to the pods of a workload.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Name of the delivery.
    pub delivery: &'static str,
    pub app: String,
    /// Whether a spec or a single command made it.
    pub by: Requester,
    pub cluster: ClusterTarget,
    pub namespace: String,
    /// Name of the workload, or of the object that delivers.
    pub name: String,
    /// Which bound pods get them; None: any of the namespace.
    pub subject: Option<String>,
    pub vault: VaultFacts,
    pub objects: Vec<Object>,
    pub synced: Vec<Synced>,
    /// What the pod template must say of identity and vault, where no object in the cluster says it.
    pub parameters: Parameters,
    /// The resources that the delivery depends on; whatever these refer to counts, too.
    pub keys: Vec<Key>,
}

/// A vault, as far as the state knows it.
#[derive(Clone, Debug)]
pub struct VaultFacts {
    pub name: String,
    pub resource_group: Option<String>,
    /// Base URL of its data plane.
    pub uri: Option<String>,
    /// Whether it asks Azure roles; None: not known.
    pub rbac: Option<bool>,
}

/// What a SecretProviderClass or a pod template says of the identity and the vault, by name.
pub type Parameters = BTreeMap<String, Input<String>>;

/// What must run in a cluster for a mode or a delivery to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// As `podid cluster install` will call it.
    pub name: &'static str,
    /// Words in the names of its pods.
    pub pods: &'static [&'static str],
}
