//! Hints with the names that only the graph has: which managed cluster, and in which group, a failed command was about.

use crate::{
    engine::{desired::Desired, fault::Fault, key::Key},
    failure::{Failure, of_node},
    resources::{cluster::Cluster, kind::spec_of},
};

/// What a fault means, with the cluster's names in the commands of its hints where the graph has but one.
pub fn told(desired: &Desired, key: &Key, fault: &Fault) -> Failure {
    let mut failure = of_node(key, fault);
    let mut clusters = desired.nodes.values().filter_map(|node| spec_of::<Cluster>(&node.kind, &node.spec));
    if let (Some(cluster), None) = (clusters.next(), clusters.next())
        && let Some(group) = cluster.id.group_name()
    {
        let names = format!("-g {group} -n {}", cluster.id.name());
        failure.hints.iter_mut().for_each(|hint| *hint = hint.replace("-g GROUP -n CLUSTER", &names));
    }
    failure
}
