//! A workload with what its pods get.

use super::{origin::origin, owners::PodOwner};
use crate::{
    chain::{
        edge::EdgeNode,
        texts::field,
        uses::{Asking, IdentityUse, NodeAccess, PodView, SecretUse},
    },
    deliveries, modes,
    survey::Survey,
};
use serde_json::Value;

/// A Deployment, a StatefulSet, a DaemonSet, a Job, a CronJob, a single pod, or whatever else owns pods.
pub struct Workload {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub node: EdgeNode,
    /// How many pods it is to have. None: it does not say.
    pub wanted: Option<i64>,
    pub service_account: String,
    /// Who made it or applies it.
    pub origin: String,
    pub pods: Vec<WorkloadPod>,
    /// What the pods that it would make now get; of a workload whose template is not known, what its first pod gets.
    pub identities: Vec<IdentityUse>,
    pub mounts: Vec<Mount>,
    /// Why its pods get the tokens of all identities of their nodes.
    pub node_access: Option<NodeAccess>,
    pub is_on_host_network: bool,
}

/// A pod of a workload.
pub struct WorkloadPod {
    pub name: String,
    pub node: Option<String>,
    /// `Running`, `Pending`, …
    pub phase: String,
    pub is_ready: bool,
    /// When it was created, as the object says it.
    pub created: String,
    /// What this very pod gets, which may be older than the template.
    pub identities: Vec<IdentityUse>,
    pub mounts: Vec<Mount>,
    pub node_access: Option<NodeAccess>,
}

/// What takes the place of a mode.
pub const NODE_IDENTITY: &str = "node identity";
pub const SERVICE_PRINCIPAL: &str = "service principal";

/// Secrets that a pod gets, and as whom they are read.
pub struct Mount {
    pub secrets: SecretUse,
    pub token: Token,
}

/// How the token for a vault is got.
pub enum Token {
    /// As one of the identities of the pod; the mode may be told by the parameters of the volume.
    Identities(Vec<IdentityUse>),
    /// As an identity of the node, whatever the pod is bound to: its client id, or None for the system-assigned one.
    Node(Option<String>),
    /// As a service principal, by a password in a Kubernetes Secret.
    Password,
    /// What says it could not be read.
    Unknown,
}

impl Mount {
    fn of(secrets: SecretUse, pod: &PodView<'_>, survey: &Survey) -> Self {
        let token = token(&secrets, pod, survey);
        Self { secrets, token }
    }

    pub fn identities(&self) -> &[IdentityUse] {
        match &self.token {
            Token::Identities(all) => all,
            Token::Node(_) | Token::Password | Token::Unknown => &[],
        }
    }

    /// The mode by which the token is got, or what takes its place.
    pub fn mode(&self) -> Option<&'static str> {
        match &self.token {
            Token::Identities(all) => all.first().map(|one| one.mode),
            Token::Node(_) => Some(NODE_IDENTITY),
            Token::Password => Some(SERVICE_PRINCIPAL),
            Token::Unknown => None,
        }
    }
}

fn token(secrets: &SecretUse, pod: &PodView<'_>, survey: &Survey) -> Token {
    let asking = secrets.asking();
    let all: Vec<IdentityUse> = modes::all().flat_map(|mode| mode.uses(pod, asking, survey)).collect();
    match (asking, &secrets.through) {
        (Asking::App, Some(_)) => Token::Unknown,
        (Asking::App, None) => Token::Identities(all),
        (Asking::Volume(parameters), _) => {
            let is_on = |name: &str| field(parameters, &format!("/{name}")).eq_ignore_ascii_case("true");
            let of_node = is_on("useVMManagedIdentity");
            let has_mode = modes::all().any(|mode| mode.is_of_class(parameters));
            match () {
                () if of_node => Token::Node(Some(field(parameters, "/userAssignedIdentityID").to_owned()).filter(|id| !id.is_empty())),
                () if has_mode || !all.is_empty() => Token::Identities(all),
                () => Token::Password,
            }
        }
    }
}

impl Workload {
    pub(super) fn of(owner: &PodOwner<'_>, survey: &Survey) -> Self {
        let node = EdgeNode::object(&owner.kind, owner.namespace, owner.name);
        let makes_replica_sets = matches!(owner.kind.as_str(), "Deployment" | "ReplicaSet");
        let template = owner.template.or_else(|| owner.pods.first().copied()).unwrap_or(&Value::Null);
        let view =
            PodView { namespace: owner.namespace, object: template, node: &node, template_of: makes_replica_sets.then_some(owner.name) };
        let made_by = owner.object.or_else(|| owner.pods.first().copied()).unwrap_or(&Value::Null);
        Self {
            kind: owner.kind.clone(),
            namespace: owner.namespace.to_owned(),
            name: owner.name.to_owned(),
            wanted: wanted(owner),
            service_account: view.service_account().to_owned(),
            origin: origin(made_by),
            pods: owner.pods.iter().map(|pod| WorkloadPod::of(pod, survey)).collect(),
            identities: identities(&view, survey),
            mounts: mounts(&view, survey),
            node_access: node_access(&view, survey),
            is_on_host_network: view.is_on_host_network(),
            node,
        }
    }

    /// The identities of the app and of its volumes.
    pub fn all_identities(&self) -> impl Iterator<Item = &IdentityUse> {
        let of_pods = self.pods.iter().flat_map(|pod| pod.identities.iter().chain(pod.mounts.iter().flat_map(Mount::identities)));
        self.identities.iter().chain(self.mounts.iter().flat_map(Mount::identities)).chain(of_pods)
    }

    /// Whether it has to do with identities and vaults at all.
    pub fn is_concerned(&self) -> bool {
        !self.identities.is_empty() || !self.mounts.is_empty() || self.node_access.is_some()
    }

    /// `deployment shop/web`
    pub fn shown(&self) -> String {
        format!("{} {}/{}", self.kind.to_lowercase(), self.namespace, self.name)
    }
}

fn wanted(owner: &PodOwner<'_>) -> Option<i64> {
    let object = owner.object?;
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    match owner.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => Some(number("/spec/replicas").unwrap_or(1)),
        "DaemonSet" => number("/status/desiredNumberScheduled"),
        "Job" => Some(number("/spec/parallelism").unwrap_or(1)),
        _ => None,
    }
}

fn identities(view: &PodView<'_>, survey: &Survey) -> Vec<IdentityUse> {
    modes::all().flat_map(|mode| mode.uses(view, Asking::App, survey)).collect()
}

fn mounts(view: &PodView<'_>, survey: &Survey) -> Vec<Mount> {
    let found = deliveries::all().flat_map(|delivery| delivery.mounts(view, survey));
    found.map(|secrets| Mount::of(secrets, view, survey)).collect()
}

fn node_access(view: &PodView<'_>, survey: &Survey) -> Option<NodeAccess> {
    modes::all().find_map(|mode| mode.node_access(view, survey))
}

impl WorkloadPod {
    fn of(pod: &Value, survey: &Survey) -> Self {
        let (namespace, name) = (field(pod, "/metadata/namespace"), field(pod, "/metadata/name"));
        let node = EdgeNode::object("Pod", namespace, name);
        let view = PodView { namespace, object: pod, node: &node, template_of: None };
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let is_ready = conditions.into_iter().any(|one| field(one, "/type") == "Ready" && field(one, "/status") == "True");
        Self {
            name: name.to_owned(),
            node: view.node_name().map(str::to_owned),
            phase: field(pod, "/status/phase").to_owned(),
            is_ready,
            created: field(pod, "/metadata/creationTimestamp").to_owned(),
            identities: identities(&view, survey),
            mounts: mounts(&view, survey),
            node_access: node_access(&view, survey),
        }
    }
}
