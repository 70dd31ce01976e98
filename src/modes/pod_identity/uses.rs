//! Which identities a pod gets by bindings that MIC serves, and whether MIC has put them on the pod's node.

use crate::{
    chain::{
        edge::{Edge, EdgeNode},
        texts::field,
        uses::{Asking, IdentityRef, IdentityUse, PodView},
    },
    modes::aad,
    survey::{Survey, kinds::AZURE_ASSIGNED_IDENTITY},
};
use serde_json::Value;

pub(super) fn uses(pod: &PodView<'_>, asking: Asking<'_>, survey: &Survey, mode: &'static str) -> Vec<IdentityUse> {
    match asking {
        // the provider asks NMI for the pod
        Asking::Volume(parameters) if !aad::is_of_class(parameters) => Vec::new(),
        Asking::Volume(_) | Asking::App => {
            aad::uses(pod, survey, mode, false, &|identity, _, found| assigned(pod, identity, found, survey))
        }
    }
}

/// Whether MIC has put the identity on the node of a pod that runs.
fn assigned(pod: &PodView<'_>, identity: &Value, found: &IdentityRef, survey: &Survey) -> Option<Edge> {
    let (name, node) = (pod.name()?, pod.node_name()?);
    if matches!(field(pod.object, "/status/phase"), "Succeeded" | "Failed") {
        return None;
    }
    let (from, to, by) = (found.node(survey), EdgeNode::new("Node", node), "AzureAssignedIdentity");
    let all = survey.cluster.of_kind(&AZURE_ASSIGNED_IDENTITY);
    let is_for = |one: &&Value| {
        let of = |pointer: &str, wanted: &str| field(one, pointer) == wanted;
        of("/spec/pod", name)
            && of("/spec/podNamespace", pod.namespace)
            && of("/spec/azureIdentityRef/metadata/name", field(identity, "/metadata/name"))
    };
    Some(match (all.iter().find(is_for), &all.gap) {
        (Some(one), _) => match field(one, "/status/status") {
            "Assigned" => Edge::there(&from, &to, by),
            state => Edge::missing(&from, &to, by, format!("MIC has not put it on the node yet: its state is {state:?}"))
                .hint("See what MIC reports: `podid logs mic`."),
        },
        (None, Some(gap)) => Edge::unknown(&from, &to, by, format!("the {} could not be read: {}", gap.what, gap.why)),
        (None, None) if !aad::Programs::of(survey).has_mic() => {
            Edge::missing(&from, &to, by, "MIC does not run in the cluster").hint("Install it: `podid cluster install pod-identity`.")
        }
        (None, None) => Edge::missing(&from, &to, by, format!("MIC has no AzureAssignedIdentity for the pod {name}"))
            .hint("See what MIC reports: `podid logs mic`."),
    })
}
