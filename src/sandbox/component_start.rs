//! Starts the components of a cluster when there is work for them, and waits until they are idle.

use super::{
    azure,
    components::{self, Token},
    http::{Body, Request},
    program_logs::ProgramLogs,
    running::{Running, RunningCluster},
};
use bytes::Bytes;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// Returns whether an item of a list means work.
type MeansWork = fn(&Value) -> bool;

/// Lists whose entries mean work: a pod outside of kube-system or a pending one, an assigned identity that MIC must remove, or a Service that
/// waits for an address.
const WORK_LISTS: [(&str, MeansWork); 3] = [
    ("/api/v1/pods", |pod| pod["metadata"]["namespace"] != "kube-system" || pod["status"]["phase"] == "Pending"),
    ("/apis/aadpodidentity.k8s.io/v1/azureassignedidentities", |_| true),
    ("/api/v1/services", |service| service["spec"]["type"] == "LoadBalancer" && service["status"]["loadBalancer"]["ingress"].is_null()),
];

async fn has_work(running: &Running, cluster: &RunningCluster) -> bool {
    for (path, means_work) in WORK_LISTS {
        let request = Request {
            method: "GET".to_owned(),
            host: cluster.fqdn.clone(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("authorization".to_owned(), format!("Bearer {}", running.keys.admin_token))],
            body: Bytes::new(),
        };
        let answer = cluster.kube.answer(&request).await;
        let Body::Full(bytes) = answer.body else { continue };
        let list: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let items = list.get("items").and_then(Value::as_array);
        if items.into_iter().flatten().any(means_work) {
            return true;
        }
    }
    false
}

fn config(running: &Running, cluster: &str, kube: components::KubeAccess, foreign: bool) -> Option<components::Config> {
    let azure = running.azure();
    let existing = azure.clusters.values().find(|c| c.name == cluster)?;
    let login = match azure::callers::login_of_nodes(&azure, existing)? {
        (client_id, None) => components::Login::Managed { client_id },
        (client_id, Some(client_secret)) => components::Login::ServicePrincipal { client_id, client_secret },
    };
    Some(components::Config {
        cluster: cluster.to_owned(),
        proxy: running.proxy(),
        ca_pem: running.authority.ca_pem.clone(),
        kube,
        foreign,
        by_workload: azure::seed::is_bare(&azure, existing),
        tenant: azure.tenant.clone(),
        token_proxy: azure::hosts::token_proxy(cluster),
        subscription: azure.subscription.clone(),
        node_group: existing.node_group.clone(),
        scale_set: azure.scale_sets.get(&existing.scale_set)?.name.clone(),
        login,
        logs: ProgramLogs::of_cluster(&running.folder, cluster),
    })
}

impl Running {
    pub async fn wake_all(self: &Arc<Self>) {
        let names: Vec<String> = self.clusters().iter().map(|c| c.name.clone()).collect();
        self.wake(&names).await;
    }

    /// Starts the components of these clusters, if needed, and those of external clusters.
    pub async fn wake(self: &Arc<Self>, names: &[String]) {
        // the components of clusters from outside run all the time: nothing reports when there is work for them
        for (name, stand_in) in &self.stand_ins {
            let config = async { config(self, name, stand_in.access.clone(), true) };
            self.components.start(name, config).await;
        }
        for cluster in self.clusters().iter().filter(|c| names.contains(&c.name)) {
            self.wake_cluster(cluster).await;
        }
    }

    /// Starts the components of a cluster that has work for them.
    pub async fn wake_cluster(self: &Arc<Self>, cluster: &RunningCluster) {
        let config = async {
            if !has_work(self, cluster).await {
                return None;
            }
            let kube = components::KubeAccess {
                server: format!("https://{}:443", cluster.fqdn),
                token: Some(Token::Fixed(self.keys.admin_token.clone())),
                ca_pem: Some(self.authority.ca_pem.clone()),
                proxy: Some(self.proxy()),
                ..components::KubeAccess::default()
            };
            config(self, &cluster.name, kube, false)
        };
        self.components.start(&cluster.name, config).await;
    }

    /// Waits until nothing has work left in two consecutive checks, or until the time is over. Returns whether all are idle.
    pub async fn settle(self: &Arc<Self>, most: Duration) -> bool {
        let end = tokio::time::Instant::now() + most;
        let mut quiet = 0;
        loop {
            self.wake_all().await;
            let idle = self.components.idle().await && self.clusters().iter().all(|c| c.kube.idle());
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet >= 2 {
                return true;
            }
            if tokio::time::Instant::now() >= end {
                return false;
            }
            let empty = self.components.is_empty().await;
            tokio::time::sleep(Duration::from_millis(if empty { 1 } else { 25 })).await;
        }
    }
}
