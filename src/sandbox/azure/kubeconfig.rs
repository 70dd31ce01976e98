//! The kubeconfigs that the sandbox writes: the answer to `listClusterUserCredential`, and the file in its folder.

use super::state::Cluster;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// The cluster and user of a kubeconfig. It holds a credential, so it has no Debug.
#[derive(Clone)]
pub struct KubeconfigEntry {
    pub cluster: Value,
    pub user: Value,
}

impl KubeconfigEntry {
    /// Returns the entry of a cluster that this sandbox serves.
    pub fn of_sandbox(cluster: &Cluster, ca_pem: &str, token: &str, proxy: Option<&str>) -> Self {
        let mut entry = json!({"server": format!("https://{}:443", cluster.fqdn), "certificate-authority-data": STANDARD.encode(ca_pem)});
        if let Some(proxy) = proxy {
            entry["proxy-url"] = json!(proxy);
        }
        Self { cluster: entry, user: json!({ "token": token }) }
    }
}

/// Returns a kubeconfig (JSON is YAML) with one context for each cluster; the first one is current. `role` is `clusterUser` or
/// `clusterAdmin`; az uses it in user names.
pub fn kubeconfig(clusters: &[(&Cluster, KubeconfigEntry)], role: &str) -> String {
    let user = |cluster: &Cluster| format!("{role}_{}_{}", cluster.group, cluster.name);
    let of = |make: &dyn Fn(&Cluster, &KubeconfigEntry) -> Value| {
        clusters.iter().map(|(cluster, entry)| make(cluster, entry)).collect::<Vec<Value>>()
    };
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": clusters.first().map_or("", |(cluster, _)| &cluster.name),
        "clusters": of(&|cluster, entry| json!({"name": cluster.name, "cluster": entry.cluster})),
        "contexts": of(&|cluster, _| json!({"name": cluster.name, "context": {"cluster": cluster.name, "user": user(cluster)}})),
        "users": of(&|cluster, entry| json!({"name": user(cluster), "user": entry.user})),
    });
    serde_json::to_string_pretty(&config).unwrap_or_default()
}
