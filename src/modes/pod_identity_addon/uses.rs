//! Which identities a pod gets by entries of the add-on.

use crate::{
    chain::{
        edge::{Edge, EdgeNode},
        texts::field,
        uses::{Asking, IdentityUse, PodView},
    },
    modes::aad,
    survey::Survey,
};
use serde_json::Value;

pub(super) fn uses(pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey, mode: &'static str) -> Vec<IdentityUse> {
    match asking {
        Asking::Volume(parameters) if !aad::is_of_class(parameters) => Vec::new(),
        Asking::Volume(_) | Asking::App => aad::uses(pod, survey, mode, true, &|identity, node, _| entry(identity, node, survey)),
    }
}

/// The entry of the managed cluster from which AKS made the AzureIdentity.
fn entry(identity: &Value, node: &EdgeNode, survey: &Survey) -> Option<Edge> {
    let cluster = survey.azure.cluster.as_ref()?;
    let (namespace, name) = (field(identity, "/metadata/namespace"), field(identity, "/metadata/name"));
    let (to, by) = (EdgeNode::new("AddonEntry", format!("{namespace}/{name}")), "podIdentityProfile");
    let again = format!("Add it again: `podid bind --mode pod-identity-addon --namespace {namespace} --name {name} --identity NAME`.");
    Some(match survey.azure.addon_entries.iter().find(|entry| entry.namespace == namespace && entry.name == name) {
        Some(entry) if entry.has_failed() => {
            let why = entry.problem.clone().unwrap_or_else(|| "AKS gives no reason".to_owned());
            Edge::missing(node, &to, by, format!("AKS could not put the identity on the nodes: {why}")).hint(again)
        }
        Some(_) => Edge::there(node, &to, by),
        None => Edge::missing(node, &to, by, format!("the cluster {} has no entry {namespace}/{name}", cluster.id.name())).hint(again),
    })
}
