//! Which AzureIdentities a pod gets by its label, and which pods NMI lets around the bindings, from the objects of a cluster.

use super::names::LABEL;
use crate::{
    chain::{
        edge::{Edge, EdgeNode},
        texts::field,
        uses::{IdentityRef, IdentityUse, NodeAccess, PodView, node_of},
    },
    resources::{
        azure_identity, manifest,
        running::{self, Sign},
    },
    survey::{
        Survey,
        kinds::{AZURE_IDENTITY, AZURE_IDENTITY_BINDING, DAEMON_SET, DEPLOYMENT, EXCEPTION},
    },
};
use serde_json::Value;
use std::collections::BTreeMap;

/// The label of what AKS makes in a cluster.
const OF_AKS: (&str, &str) = ("kubernetes.azure.com/managedby", "aks");
/// The names of ReplicaSets that NMI takes for MIC's begin so (pkg/nmi/server/server.go: `^mic-*`).
const MIC: &str = "mic";
const MIC_NAMESPACE: &str = "default";

/// Whether AKS made an object, for an entry of the add-on.
pub fn is_of_aks(object: &Value) -> bool {
    manifest::labels(object).get(OF_AKS.0).is_some_and(|by| by == OF_AKS.1)
}

/// The programs of pod identity that run in a cluster, with what decides whom they serve.
pub struct Programs<'a> {
    /// The DaemonSet of NMI.
    nmi: Option<&'a Value>,
    mic: Option<&'a Value>,
}

impl<'a> Programs<'a> {
    pub fn of(survey: &'a Survey) -> Self {
        let runs = |object: &&Value, program: &str| {
            let images = format!("aad-pod-identity/{program}");
            !running::of(object, &[Sign::new(program, &[&images])]).is_empty()
        };
        let find = |kind, program: &str| survey.cluster.of_kind(kind).iter().find(|object| runs(object, program));
        Self { nmi: find(&DAEMON_SET, "nmi"), mic: find(&DEPLOYMENT, "mic") }
    }

    pub fn has_nmi(&self) -> bool {
        self.nmi.is_some()
    }

    pub fn has_mic(&self) -> bool {
        self.mic.is_some()
    }

    /// Whether NMI is that of the add-on.
    fn is_managed(&self) -> bool {
        self.nmi.is_some_and(is_of_aks) || self.nmi.and_then(|nmi| argument(nmi, "operation-mode")).is_some_and(|mode| mode == "managed")
    }

    /// Whether bindings count only in their own namespace, whatever the AzureIdentities say.
    fn is_namespaced(&self) -> bool {
        let on = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("true");
        let set =
            |object: &Value| argument(object, "forceNamespaced").is_some_and(on) || variable(object, "FORCENAMESPACED").is_some_and(on);
        self.is_managed() || [self.mic, self.nmi].into_iter().flatten().any(set)
    }
}

/// Whether bindings count only in their own namespace in this cluster, or there is no pod identity in it.
pub fn is_namespaced(survey: &Survey) -> bool {
    let programs = Programs::of(survey);
    programs.is_namespaced() || !programs.has_nmi() && !programs.has_mic()
}

fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten()
}

/// The value of an argument of a program; empty for a switch without one.
pub fn argument<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    let all = containers(object).filter_map(|one| one.get("args")?.as_array()).flatten().filter_map(Value::as_str);
    all.filter_map(|word| word.trim_start_matches('-').strip_prefix(name)).find_map(|rest| match rest.strip_prefix('=') {
        Some(value) => Some(value),
        None => rest.is_empty().then_some(""),
    })
}

fn variable<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    let all = containers(object).filter_map(|one| one.get("env")?.as_array()).flatten();
    all.into_iter().find(|one| field(one, "/name") == name).map(|one| field(one, "/value"))
}

/// What a mode adds to the path from the AzureIdentity on.
pub type Further<'a> = &'a dyn Fn(&Value, &EdgeNode, &IdentityRef) -> Option<Edge>;

/// The identities that a pod gets by bindings of this mode; `of_aks`: those that AKS made.
pub fn uses(pod: &PodView<'_>, survey: &Survey, mode: &'static str, of_aks: bool, further: Further<'_>) -> Vec<IdentityUse> {
    let Some(selector) = pod.label(LABEL) else { return Vec::new() };
    let by = format!("label {LABEL}={selector}");
    let all = survey.cluster.of_kind(&AZURE_IDENTITY_BINDING);
    let alone = Programs::of(survey).is_namespaced();
    let mut uses = Vec::new();
    for binding in all.iter().filter(|binding| field(binding, "/spec/selector") == selector && is_of_aks(binding) == of_aks) {
        let (namespace, name) = (field(binding, "/metadata/namespace"), field(binding, "/spec/azureIdentity"));
        let identity = survey.cluster.named(&AZURE_IDENTITY, namespace, name);
        if namespace != pod.namespace && (alone || identity.is_none_or(azure_identity::is_namespaced)) {
            continue;
        }
        let node = node_of("AzureIdentityBinding", binding);
        let mut edges = vec![Edge::there(pod.node, &node, by.clone())];
        let identity_ref = through(identity, &node, (namespace, name), survey, further, &mut edges);
        uses.push(IdentityUse { mode, identity: identity_ref, edges, by_credential: false });
    }
    let is_on = survey.azure.cluster.as_ref().is_some_and(|cluster| cluster.pod_identity_addon);
    let is_bound = |other: &Value| field(other, "/spec/selector") == selector && field(other, "/metadata/namespace") == pod.namespace;
    if uses.is_empty() && is_on == of_aks && !all.iter().any(is_bound) {
        let node = EdgeNode::object("AzureIdentityBinding", pod.namespace, &format!("(selector {selector})"));
        let edge = match &all.gap {
            Some(gap) => Edge::unknown(pod.node, &node, by, format!("the {} could not be read: {}", gap.what, gap.why)),
            None => Edge::missing(
                pod.node,
                &node,
                by,
                format!("no AzureIdentityBinding has the selector {selector} for namespace {}", pod.namespace),
            )
            .hint(format!(
                "Bind the pods: `podid bind --mode {mode} --namespace {} --identity NAME --selector {selector}`.",
                pod.namespace
            )),
        };
        uses.push(IdentityUse { mode, identity: IdentityRef::default(), edges: vec![edge], by_credential: false });
    }
    uses
}

/// Adds the edges from a binding to the managed identity, which it returns.
fn through(
    identity: Option<&Value>,
    binding: &EdgeNode,
    (namespace, name): (&str, &str),
    survey: &Survey,
    further: Further<'_>,
    edges: &mut Vec<Edge>,
) -> IdentityRef {
    let node = EdgeNode::object("AzureIdentity", namespace, name);
    let Some(identity) = identity else {
        let all = survey.cluster.of_kind(&AZURE_IDENTITY);
        edges.push(match &all.gap {
            Some(gap) => Edge::unknown(binding, &node, "azureIdentity", format!("the {} could not be read: {}", gap.what, gap.why)),
            None => Edge::missing(binding, &node, "azureIdentity", format!("there is no AzureIdentity {namespace}/{name}"))
                .hint(format!("Look for the name: `kubectl get azureidentities -n {namespace}`.")),
        });
        return IdentityRef::default();
    };
    edges.push(Edge::there(binding, &node, "azureIdentity"));
    let found = IdentityRef::of(field(identity, "/spec/clientID"), field(identity, "/spec/resourceID"));
    if identity.pointer("/spec/type").and_then(Value::as_u64).unwrap_or_default() != 0 {
        let why = "it is a service principal with a password or certificate of its own";
        edges.push(Edge::unknown(&node, &EdgeNode::new("ServicePrincipal", found.shown(survey)), "clientID", why));
        return found;
    }
    edges.push(found.edge(&node, "resourceID", survey));
    edges.extend(further(identity, &node, &found));
    found
}

/// Whether NMI gives a pod tokens of any identity of its node. `managed`: only where NMI is that of the add-on, or only where it is not.
pub fn node_access(pod: &PodView<'_>, survey: &Survey, mode: &'static str, managed: bool) -> Option<NodeAccess> {
    let programs = Programs::of(survey);
    if !programs.has_nmi() || programs.is_managed() != managed {
        return None;
    }
    let labels = manifest::labels(pod.object);
    let of_namespace = survey.cluster.of_kind(&EXCEPTION).iter().filter(|one| field(one, "/metadata/namespace") == pod.namespace);
    for exception in of_namespace {
        let wanted: BTreeMap<String, String> =
            exception.pointer("/spec/podLabels").and_then(|all| serde_json::from_value(all.clone()).ok()).unwrap_or_default();
        if let Some((name, value)) = excepting(&wanted, &labels) {
            let by = node_of("AzurePodIdentityException", exception);
            return Some(NodeAccess { mode, why: format!("is excepted by {by} (label {name}={value})"), by });
        }
    }
    let namespace = programs.nmi.and_then(|nmi| argument(nmi, "MICNamespace")).filter(|name| !name.is_empty()).unwrap_or(MIC_NAMESPACE);
    (pod.namespace == namespace && pod.replica_set().is_some_and(|name| name.starts_with(MIC))).then(|| NodeAccess {
        mode,
        why: format!("counts as MIC: the name of its ReplicaSet begins with `{MIC}`, and it is in namespace {namespace}"),
        by: EdgeNode::new("DaemonSet", programs.nmi.map(|nmi| node_of("DaemonSet", nmi).name).unwrap_or_default()),
    })
}

/// NMI excepts a pod when any one label matches; it compares values without regard to case (pkg/pod/pod.go).
pub fn excepting<'a>(exception: &'a BTreeMap<String, String>, pod: &BTreeMap<String, String>) -> Option<(&'a str, &'a str)> {
    let fits = |(key, value): &(&String, &String)| pod.get(*key).is_some_and(|found| found.eq_ignore_ascii_case(value));
    exception.iter().find(fits).map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_matching_label_is_enough_and_the_case_of_its_value_does_not_count() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let exception = map(&[("app", "mic"), ("component", "mic")]);
        assert_eq!(excepting(&exception, &map(&[("app", "MIC")])), Some(("app", "mic")));
        assert!(excepting(&exception, &map(&[("App", "mic"), ("tier", "mic")])).is_none());
    }
}
