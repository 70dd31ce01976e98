//! What one command wants, as a part of a spec: the same things that `podid.yaml` says, one at a time.
//! Names may be full ARM ids; what is left out is taken from spec, state and defaults by `expand`.

use super::{
    creation::ClusterCreate,
    model::ComponentSpec,
    reference::{FederatedSubject, NameOrId, Principal, Scope},
    settings::Settings,
    vault_model::Model,
};
use crate::{
    apps::manifests::App,
    azure::ObjectKind,
    resources::{
        data_roles::PermissionSet, policy_role::PolicyRole, secret_provider_class::Object, values::SecretSource, vault::VaultOptions,
        vault_model::VaultModel, workload::WorkloadKind,
    },
};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Identity {
        name: NameOrId,
        group: Option<String>,
        location: Option<String>,
    },
    Vault {
        name: NameOrId,
        group: Option<String>,
        location: Option<String>,
        model: Option<Model>,
        options: VaultOptions,
    },
    Grant {
        vault: NameOrId,
        group: Option<String>,
        to: Principal,
        permissions: Permissions,
    },
    Secret {
        vault: NameOrId,
        group: Option<String>,
        name: String,
        /// None: the value does not matter (a removal, or a secret that was found).
        source: Option<SecretSource>,
    },
    StorageAccount {
        name: NameOrId,
        group: Option<String>,
        location: Option<String>,
        sku: Option<String>,
    },
    Container {
        account: NameOrId,
        group: Option<String>,
        name: String,
    },
    Rotate(Rotate),
    Role {
        role: String,
        to: Principal,
        scope: Scope,
    },
    Federate(Box<Federate>),
    Bind(Bind),
    Mount(Box<Mount>),
    Component(Component),
    Exception(Exception),
    /// A cluster that is to be created.
    Cluster {
        name: NameOrId,
        group: Option<String>,
        create: Box<ClusterCreate>,
    },
    ResourceGroup {
        name: String,
        location: Option<String>,
    },
    Deploy(Deploy),
    Wire(Wire),
    MountAdd(Box<MountAdd>),
    MigrateVault(Box<Migration>),
    Keep(Keep),
}

/// What a grant allows, by kind of object; none at all: to read secrets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions {
    pub secrets: Option<Vec<String>>,
    pub keys: Option<Vec<String>>,
    pub certificates: Option<Vec<String>>,
}

impl Permissions {
    /// The kinds of objects that it is for, each with the permissions that were asked for by name.
    pub fn each(&self) -> Vec<(ObjectKind, Option<Vec<String>>)> {
        let of = |kind| match kind {
            ObjectKind::Secret => &self.secrets,
            ObjectKind::Key => &self.keys,
            ObjectKind::Cert => &self.certificates,
        };
        let given = |kind| of(kind).clone().map(|named| (kind, Some(named)));
        let all: Vec<_> = ObjectKind::ALL.into_iter().filter_map(given).collect();
        if all.is_empty() { vec![(ObjectKind::Secret, None)] } else { all }
    }
}

/// A federated credential of a managed identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Federate {
    /// None: the only identity that spec and state know.
    pub identity: Option<NameOrId>,
    pub group: Option<String>,
    pub credential: Credential,
    /// None: that of Azure.
    pub audience: Option<String>,
    /// The cluster of a service account.
    pub cluster: Option<NameOrId>,
    /// Whether a removal takes one that podid did not create, too.
    pub foreign: bool,
}

impl Federate {
    /// Whether a cluster publishes the issuer.
    pub fn is_of_cluster(&self) -> bool {
        matches!(self.credential, Credential::For(FederatedSubject::ServiceAccount { .. }))
    }
}

/// Which credential of an identity a request is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Credential {
    For(FederatedSubject),
    /// The one of this name, for a removal.
    Name(String),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bind {
    /// Name of the identity mode; None: the default one.
    pub mode: Option<String>,
    pub namespace: String,
    /// None: the only identity that spec and state know.
    pub identity: Option<NameOrId>,
    pub group: Option<String>,
    /// Name or id of the managed cluster; None: the context's name, or the only one that spec and state know.
    pub cluster: Option<NameOrId>,
    /// What the mode adds.
    pub settings: Settings,
}

/// Pods whose token requests NMI passes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exception {
    pub namespace: String,
    pub name: String,
    /// Empty for a removal.
    pub labels: BTreeMap<String, String>,
    pub cluster: Option<NameOrId>,
    /// Whether the pod identity add-on of the cluster has it, which is looked up.
    pub of_addon: bool,
}

/// A component of a cluster to install, or to uninstall.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Component {
    pub wanted: Box<ComponentSpec>,
    pub cluster: Option<NameOrId>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mount {
    /// Name of the delivery; None: the default one.
    pub delivery: Option<String>,
    /// Name of the identity mode; None: the one that binds the pods of the namespace.
    pub mode: Option<String>,
    /// The identity of the pods; None: the one that is bound in the namespace.
    pub identity: Option<NameOrId>,
    pub namespace: String,
    /// Of the object that delivers.
    pub name: String,
    pub vault: Option<NameOrId>,
    pub group: Option<String>,
    pub secrets: Vec<Object>,
    pub sync: Vec<Sync>,
    pub cluster: Option<NameOrId>,
}

/// A new version of a secret, which the pods that mount it are to get.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotate {
    pub vault: NameOrId,
    pub group: Option<String>,
    pub name: String,
    /// None: as the spec or the state says, or a generated value.
    pub source: Option<SecretSource>,
    /// The version that is current before; empty until that is known.
    pub replaces: String,
    /// Whether workloads are restarted that would not see the new version otherwise.
    pub restart: bool,
    pub disable_old: bool,
}

/// A vault that changes from access policies to Azure RBAC.
#[derive(Clone, Debug, PartialEq)]
pub struct Migration {
    /// What replaces the policies.
    pub roles: Vec<PolicyRole>,
    pub switch: VaultModel,
    /// What podid's own login may do by roles that it has already.
    pub own: PermissionSet,
    /// Whether the vault uses Azure RBAC already.
    pub is_done: bool,
}

/// A secret that is set and added to a class that the state knows.
#[derive(Clone, Debug, PartialEq)]
pub struct MountAdd {
    pub namespace: String,
    /// Name of the SecretProviderClass.
    pub class: String,
    /// None: that of the class.
    pub vault: Option<NameOrId>,
    pub group: Option<String>,
    pub object: Object,
    pub source: SecretSource,
    /// Name and key of a Kubernetes Secret that gets it, too.
    pub sync: Option<(String, String)>,
    pub cluster: Option<NameOrId>,
}

/// A pod that keeps a class mounted.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    pub namespace: String,
    /// Name of the SecretProviderClass.
    pub class: String,
    pub cluster: Option<NameOrId>,
}

/// A synced Kubernetes Secret's key: `K8SSECRET:KEY=ALIAS`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    pub secret: String,
    pub key: String,
    pub alias: String,
    /// Type of the Secret; None: Opaque.
    pub of_type: Option<String>,
}

/// An app to deploy with what its namespace's identity and secrets need.
#[derive(Clone, Debug, PartialEq)]
pub struct Deploy {
    pub app: Box<App>,
    pub needs: NeedsOf,
}

/// An existing workload that gets what its pods need.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire {
    pub workload: WorkloadKind,
    pub namespace: String,
    pub name: String,
    /// None: every container.
    pub container: Option<String>,
    pub needs: NeedsOf,
}

/// Which of the things that earlier commands made a workload gets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NeedsOf {
    /// Name of the mount; None: that of the workload's name, or the only one of its namespace.
    pub mount: Option<String>,
    pub cluster: Option<NameOrId>,
}
