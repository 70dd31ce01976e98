//! An exception as a part of a graph: an entry of the pod identity add-on where the cluster has it, otherwise an AzurePodIdentityException.

use crate::{
    engine::{desired::Intent, fault::Fault, input::DependsOn, key::Key},
    modes,
    resources::{
        addon_exception::{self, AddonException},
        exception::{self, Exception},
    },
    spec::{graph::Graph, request},
};

pub(super) fn expand(wanted: &request::Exception, graph: &mut Graph<'_>) -> Result<Key, Fault> {
    let request::Exception { namespace, name, labels, cluster: _, of_addon } = wanted;
    let target = graph.target()?;
    if *of_addon {
        let cluster = graph.cluster_ref()?.id.clone();
        let addon = modes::addon_feature(graph)?;
        let key = addon_exception::key(&target.name, namespace, name);
        let after = vec![DependsOn::of(&addon)];
        let exception = AddonException { cluster, namespace: namespace.clone(), name: name.clone(), labels: labels.clone(), after };
        graph.add(&key, &exception, Intent::Present)?;
        return Ok(key);
    }
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
