//! The identities of the nodes, which pods may get around their bindings.

use crate::{azure::ArmId, survey::Survey};
use std::collections::BTreeMap;

/// The role of an identity that MIC, AKS or somebody else put on the nodes for pods.
pub const ASSIGNED: &str = "assigned";

/// An identity of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The name of the user-assigned identity, or of the scale set whose system-assigned identity it is.
    pub name: String,
    pub principal_id: Option<String>,
    /// What it is there for, such as `kubelet`.
    pub role: &'static str,
    /// The scale sets that have it. Empty: it is on all of them as far as is known.
    pub scale_sets: Vec<String>,
}

/// Lists the identities that the nodes of the cluster have, as far as they could be read.
pub fn node_identities(survey: &Survey) -> Vec<NodeIdentity> {
    let mut found: BTreeMap<String, NodeIdentity> = BTreeMap::new();
    let kubelet = survey.azure.cluster.as_ref().and_then(|cluster| cluster.kubelet.as_ref());
    if let Some(kubelet) = kubelet {
        let one = NodeIdentity {
            name: kubelet.resource_id.name().to_owned(),
            principal_id: Some(kubelet.object_id.clone()),
            role: "kubelet",
            scale_sets: Vec::new(),
        };
        found.insert(kubelet.resource_id.folded(), one);
    }
    for set in survey.azure.scale_sets.iter() {
        if let Some(principal) = &set.principal_id {
            let (name, scale_sets) = (set.name.clone(), vec![set.name.clone()]);
            found.insert(
                principal.to_ascii_lowercase(),
                NodeIdentity { name, principal_id: Some(principal.clone()), role: "system", scale_sets },
            );
        }
        for id in &set.identities {
            let known = survey.azure.identity(None, Some(id));
            // MIC writes ids in lower case
            let written = ArmId::parse(id).map_or_else(|| id.clone(), |id| id.name().to_owned());
            let name = known.map_or(written, |identity| identity.id.name().to_owned());
            let entry = found.entry(id.to_ascii_lowercase()).or_insert_with(|| NodeIdentity {
                name,
                principal_id: known.map(|identity| identity.principal_id.clone()),
                role: ASSIGNED,
                scale_sets: Vec::new(),
            });
            entry.scale_sets.push(set.name.clone());
        }
    }
    found.into_values().collect()
}
