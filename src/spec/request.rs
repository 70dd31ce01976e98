//! What one command wants, as a part of a spec: the same things that `podid.yaml` says, one at a time.
//! Names may be full ARM ids; what is left out is taken from spec, state and defaults by `expand`.

use super::{
    creation::ClusterCreate,
    model::ComponentSpec,
    reference::{NameOrId, Principal, Scope},
    settings::Settings,
    vault_model::Model,
};
use crate::{
    apps::manifests::App,
    resources::{values::SecretSource, workload::WorkloadKind},
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
    },
    Grant {
        vault: NameOrId,
        group: Option<String>,
        to: Principal,
        secrets: Option<Vec<String>>,
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
    Role {
        role: String,
        to: Principal,
        scope: Scope,
    },
    Bind(Bind),
    Mount(Mount),
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
}

/// A component of a cluster to install, or to uninstall.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Component {
    pub wanted: ComponentSpec,
    pub cluster: Option<NameOrId>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mount {
    /// Name of the identity mode; None: the one that binds the pods of the namespace.
    pub mode: Option<String>,
    pub namespace: String,
    /// Of the object that delivers.
    pub name: String,
    pub vault: Option<NameOrId>,
    pub group: Option<String>,
    pub secrets: Vec<Mounted>,
    pub sync: Vec<Sync>,
    pub cluster: Option<NameOrId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mounted {
    pub name: String,
    pub alias: Option<String>,
}

/// A synced Kubernetes Secret's key: `K8SSECRET:KEY=ALIAS`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sync {
    pub secret: String,
    pub key: String,
    pub alias: String,
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
