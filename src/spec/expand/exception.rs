//! An AzurePodIdentityException as a part of a graph.

use crate::{
    engine::{desired::Intent, fault::Fault, input::DependsOn, key::Key},
    resources::exception::{self, Exception},
    spec::{graph::Graph, request},
};

pub(super) fn expand(wanted: &request::Exception, graph: &mut Graph<'_>) -> Result<Key, Fault> {
    let request::Exception { namespace, name, labels, cluster: _ } = wanted;
    let target = graph.target()?;
    let within = graph.namespace(&target, namespace, Intent::Existing)?;
    graph.comes_after(&["pod-identity"])?;
    let key = exception::key(&target.name, namespace, name);
    let exception = Exception {
        target: target.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
        labels: labels.clone(),
        within: DependsOn::of(&within),
        after: Vec::new(),
    };
    graph.add_in_cluster(&key, &exception, Intent::Present, &target)?;
    Ok(key)
}
