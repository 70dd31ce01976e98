//! Hints with what only a run knows: which managed cluster, and in which group, a failed command was about; and how kubectl and helm reach the
//! cluster of a resource.

use crate::{
    chain::commands::Reaches,
    engine::{desired::Desired, fault::Fault, key::Key, plan::Plan},
    failure::{Failure, of_node},
    resources::{cluster::Cluster, kind::spec_of},
};

/// Sends the commands that a plan shows for kubectl and helm to the clusters of its resources.
pub fn send(plan: &mut Plan, reaches: &Reaches) {
    for refusal in &mut plan.refused {
        if let (Some(reach), Some(way_out)) = (reaches.of(&refusal.key), &mut refusal.way_out) {
            *way_out = reach.text(way_out);
        }
    }
    for warning in &mut plan.warnings {
        if let (Some(reach), Some(hint)) = (reaches.of(&warning.key), &mut warning.hint) {
            *hint = reach.text(hint);
        }
    }
    for action in &mut plan.actions {
        if let Some(reach) = reaches.of(&action.key) {
            action.commands.iter_mut().for_each(|command| *command = reach.command(command));
        }
    }
}

/// What a fault means, with the cluster's names in the commands of its hints where the graph has but one.
pub fn told(desired: &Desired, key: &Key, fault: &Fault, reaches: &Reaches) -> Failure {
    let mut failure = of_node(key, fault);
    if let Some(reach) = reaches.of(key) {
        failure.hints.iter_mut().for_each(|hint| *hint = reach.text(hint));
    }
    let mut clusters = desired.nodes.values().filter_map(|node| spec_of::<Cluster>(&node.kind, &node.spec));
    if let (Some(cluster), None) = (clusters.next(), clusters.next())
        && let Some(group) = cluster.id.group_name()
    {
        let names = format!("-g {group} -n {}", cluster.id.name());
        failure.hints.iter_mut().for_each(|hint| *hint = hint.replace("-g GROUP -n CLUSTER", &names));
    }
    failure
}
