//! Hints with what only a run knows: which managed cluster, and in which group, a failed command was about; and how kubectl and helm reach the
//! cluster of a resource.

use crate::{
    chain::commands::Reaches,
    engine::{desired::Desired, fault::Fault, key::Key, plan::Plan},
    failure::{Failure, explain, of_node},
    resources::{cluster::Cluster, kind::spec_of},
};

/// Sends the commands that a plan shows for kubectl and helm to the clusters of its resources.
pub fn send(plan: &mut Plan, reaches: &Reaches) {
    for refusal in &mut plan.refused {
        if let Some(reach) = reaches.of(&refusal.key) {
            reach.texts(refusal.way_out.as_mut_slice());
        }
    }
    for warning in &mut plan.warnings {
        if let Some(reach) = reaches.of(&warning.key) {
            reach.texts(warning.hint.as_mut_slice());
        }
    }
    for action in &mut plan.actions {
        if let Some(reach) = reaches.of(&action.key) {
            action.commands.iter_mut().for_each(|command| *command = reach.command(command));
            reach.texts(&mut action.notes.0);
        }
    }
}

/// What a fault means, with names and clusters in the commands of its hints.
pub fn told(desired: &Desired, key: &Key, fault: &Fault, reaches: &Reaches) -> Failure {
    complete(of_node(key, fault), desired, key, reaches)
}

/// The same, with the key before the message.
pub fn explained(desired: &Desired, key: &Key, fault: &Fault, reaches: &Reaches) -> Failure {
    complete(explain(key, fault), desired, key, reaches)
}

/// The names of the managed cluster are known where the graph has but one.
fn complete(mut failure: Failure, desired: &Desired, key: &Key, reaches: &Reaches) -> Failure {
    if let Some(reach) = reaches.of(key) {
        reach.texts(&mut failure.hints);
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
