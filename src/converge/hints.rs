//! Hints with the names that only the graph has: which managed cluster, and in which group, a failed command was about.

use crate::{
    azure::ArmId,
    engine::{desired::Desired, fault::Fault, key::Key},
    failure::{Failure, of_node},
};

/// What a fault means, with the cluster's names in the commands of its hints where the graph has but one.
pub fn told(desired: &Desired, key: &Key, fault: &Fault) -> Failure {
    let mut failure = of_node(key, fault);
    let mut clusters = desired.nodes.values().filter(|node| node.kind == "cluster");
    if let (Some(node), None) = (clusters.next(), clusters.next())
        && let Some(id) = node.spec.get("id").and_then(|id| id.as_str()).and_then(ArmId::parse)
        && let Some(group) = id.group_name()
    {
        let names = format!("-g {group} -n {}", id.name());
        failure.hints.iter_mut().for_each(|hint| *hint = hint.replace("-g GROUP -n CLUSTER", &names));
    }
    failure
}
