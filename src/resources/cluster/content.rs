//! What is in a cluster and is not podid's: people would miss it with the cluster.

use super::super::{
    manifest,
    namespace::Namespace,
    world::{ClusterTarget, Reader},
};
use crate::engine::fault::Fault;
use futures::future::join_all;
use serde_json::Value;

/// Namespaces of Kubernetes and of AKS itself; a name that ends in `-` is a prefix.
const SYSTEM: &[&str] = &["kube-", "aks-", "app-routing-system", "calico-system", "gatekeeper-system", "tigera-operator", "azure-"];

/// Returns what of others is in the namespaces of a cluster, or why that could not be seen.
pub async fn foreign(app: &str, target: &ClusterTarget, reader: &Reader) -> Vec<String> {
    match listed(app, target, reader).await {
        Ok(found) => found,
        Err(fault) => vec![format!("whether it holds anything of others could not be seen ({fault})")],
    }
}

async fn listed(app: &str, target: &ClusterTarget, reader: &Reader) -> Result<Vec<String>, Fault> {
    let cluster = reader.cluster(target).await?;
    let namespaces = cluster.list(&manifest::namespace_api(), None, None).await.map_err(Fault::cloud)?;
    let names = namespaces.iter().filter_map(|one| one.pointer("/metadata/name").and_then(Value::as_str)).filter(|name| !is_system(name));
    let looked = names.map(|name| async move {
        let namespace = Namespace { target: target.clone(), name: name.to_owned() };
        let found = namespace.content_of_others(app, reader).await?;
        // the API server's own Service is in every cluster
        let found = found.into_iter().filter(|one| name != "default" || one != "service/kubernetes");
        Ok::<_, Fault>(found.map(|one| format!("{one} in namespace {name} is not podid's")).collect::<Vec<_>>())
    });
    let all = join_all(looked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().flatten().collect())
}

fn is_system(name: &str) -> bool {
    SYSTEM.iter().any(|system| if system.ends_with('-') { name.starts_with(system) } else { name == *system })
}
