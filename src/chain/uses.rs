//! What the objects of a cluster say of one pod: which identities it gets, and which secrets. Modes and deliveries read it from a survey;
//! nothing of it needs the state or a spec.

use super::{
    edge::{Edge, EdgeNode},
    texts::field,
};
use crate::{
    azure::{ArmId, Identity},
    resources::secret_provider_class::{Object, Synced},
    survey::Survey,
};
use serde_json::Value;

/// A pod, or the template of the pods of a workload.
#[derive(Clone, Copy)]
pub struct PodView<'a> {
    pub namespace: &'a str,
    /// It has `metadata` and `spec`.
    pub object: &'a Value,
    /// The workload or the pod, as an edge begins at it.
    pub node: &'a EdgeNode,
    /// Of a template: the name of the Deployment or ReplicaSet.
    pub template_of: Option<&'a str>,
}

impl<'a> PodView<'a> {
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.object.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    pub fn annotation(&self, name: &str) -> Option<&'a str> {
        self.object.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    pub fn service_account(&self) -> &'a str {
        Some(field(self.object, "/spec/serviceAccountName")).filter(|name| !name.is_empty()).unwrap_or("default")
    }

    /// Its own name, if it is a pod that exists.
    pub fn name(&self) -> Option<&'a str> {
        Some(field(self.object, "/metadata/name")).filter(|name| !name.is_empty() && self.object.get("status").is_some())
    }

    /// The name of the ReplicaSet that its pods belong to. Of a Deployment's template: the name with which it begins.
    pub fn replica_set(&self) -> Option<&'a str> {
        let owners = self.object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
        let own = owners.into_iter().find(|owner| field(owner, "/kind") == "ReplicaSet").map(|owner| field(owner, "/name"));
        own.or(self.template_of)
    }

    /// The node it is on.
    pub fn node_name(&self) -> Option<&'a str> {
        Some(field(self.object, "/spec/nodeName")).filter(|name| !name.is_empty())
    }

    pub fn is_on_host_network(&self) -> bool {
        self.object.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or_default()
    }

    pub fn volumes(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.object.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten()
    }

    pub fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let lists = ["/spec/initContainers", "/spec/containers"].map(|pointer| self.object.pointer(pointer).and_then(Value::as_array));
        lists.into_iter().flatten().flatten()
    }

    /// The plain variables of all containers.
    pub fn variables(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let all = self.containers().filter_map(|container| container.get("env")?.as_array()).flatten();
        all.map(|variable| (field(variable, "/name"), field(variable, "/value"))).filter(|(_, value)| !value.is_empty())
    }
}

/// Who asks for the token.
#[derive(Clone, Copy)]
pub enum Asking<'a> {
    /// The app itself.
    App,
    /// The provider of a volume, by these parameters.
    Volume(&'a Value),
}

/// A managed identity, as far as the cluster's objects name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdentityRef {
    pub client_id: Option<String>,
    pub resource_id: Option<String>,
}

impl IdentityRef {
    pub fn of(client_id: &str, resource_id: &str) -> Self {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self { client_id: filled(client_id), resource_id: filled(resource_id) }
    }

    /// The identity in Azure. None: it is not in the subscription, or identities could not be read.
    pub fn found<'a>(&self, survey: &'a Survey) -> Option<&'a Identity> {
        survey.azure.identity(self.client_id.as_deref(), self.resource_id.as_deref())
    }

    pub fn is_named(&self) -> bool {
        self.client_id.is_some() || self.resource_id.is_some()
    }

    /// Returns the name of the identity if its id or Azure shows it, else the client id.
    pub fn shown(&self, survey: &Survey) -> String {
        let named = self.resource_id.as_deref().and_then(ArmId::parse).map(|id| id.name().to_owned());
        let found = self.found(survey).map(|identity| identity.id.name().to_owned());
        found.or(named).or_else(|| self.client_id.clone()).unwrap_or_else(|| "unknown".to_owned())
    }

    pub fn node(&self, survey: &Survey) -> EdgeNode {
        EdgeNode::new("Identity", self.shown(survey))
    }

    /// The last edge on the way to an identity: whether it exists, and has the client id that the cluster's object names.
    pub fn edge(&self, from: &EdgeNode, by: &str, survey: &Survey) -> Edge {
        let to = self.node(survey);
        if !self.is_named() {
            return Edge::missing(from, &to, by, format!("{from} names no identity"));
        }
        let Some(found) = self.found(survey) else {
            let foreign = self.resource_id.as_deref().and_then(ArmId::parse).filter(|id| {
                let own = survey.azure.subscription.as_deref();
                own.is_some_and(|own| !own.eq_ignore_ascii_case(id.subscription_id()))
            });
            return match (&survey.azure.identities.gap, foreign) {
                (Some(gap), _) => Edge::unknown(from, &to, by, format!("the {} could not be read: {}", gap.what, gap.why)),
                (None, Some(id)) => Edge::unknown(from, &to, by, format!("it is in another subscription, {}", id.subscription_id())),
                (None, None) if survey.azure.subscription.is_none() => Edge::unknown(from, &to, by, "Azure was not asked"),
                (None, None) => {
                    let what = self.resource_id.as_deref().or(self.client_id.as_deref()).unwrap_or_default();
                    let why = format!("there is no managed identity {what} in the subscription");
                    Edge::missing(from, &to, by, why).hint("Look for it: `podid identity list`.")
                }
            };
        };
        match &self.client_id {
            Some(id) if !id.eq_ignore_ascii_case(&found.client_id) => {
                let why = format!("{from} has the client id {id}, but the identity {} has {}", found.id.name(), found.client_id);
                Edge::missing(from, &to, by, why)
                    .hint("It was deleted and made again, or another one is meant: bind it again with `podid bind`.")
            }
            _ => Edge::there(from, &to, by),
        }
    }
}

/// An identity that a pod gets, and how.
#[derive(Clone, Debug)]
pub struct IdentityUse {
    /// Name of the mode.
    pub mode: &'static str,
    pub identity: IdentityRef,
    /// From the pod to the identity, in their order.
    pub edges: Vec<Edge>,
    /// Whether federated credentials of the identity decide.
    pub by_credential: bool,
}

impl IdentityUse {
    /// Whether nothing on the way is known to be missing.
    pub fn is_sound(&self) -> bool {
        !self.edges.iter().any(Edge::is_missing)
    }
}

/// A way around the bindings: the pod gets tokens of every identity of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAccess {
    /// Name of the mode that lets it.
    pub mode: &'static str,
    /// A part of a sentence that begins with a verb, such as `is excepted by …`.
    pub why: String,
    pub by: EdgeNode,
}

/// The secrets of one vault that a pod gets.
#[derive(Clone, Debug)]
pub struct SecretUse {
    /// Name of the delivery.
    pub delivery: &'static str,
    /// The object that delivers; None: the pod template says it all.
    pub through: Option<EdgeNode>,
    /// None: it is not said, or the object does not exist.
    pub vault: Option<String>,
    /// Empty where the app decides at run time.
    pub objects: Vec<Object>,
    pub synced: Vec<Synced>,
    /// What says how a token is got, as a SecretProviderClass says it; None: the app asks by itself.
    pub parameters: Option<Value>,
    /// From the pod to what delivers.
    pub edges: Vec<Edge>,
}

impl SecretUse {
    pub fn asking(&self) -> Asking<'_> {
        self.parameters.as_ref().map_or(Asking::App, Asking::Volume)
    }
}

/// `NAMESPACE/NAME` of an object, as a node.
pub fn node_of(kind: &str, object: &Value) -> EdgeNode {
    EdgeNode::object(kind, field(object, "/metadata/namespace"), field(object, "/metadata/name"))
}
