//! The kubeconfigs that the sandbox writes: for `listClusterUserCredential`, and the file in its folder.

use super::state::Cluster;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// What a kubeconfig says of one cluster: how it is reached, and as whom. Holds a credential, so no Debug.
#[derive(Clone)]
pub struct KubeconfigEntry {
    pub cluster: Value,
    pub user: Value,
}

impl KubeconfigEntry {
    /// Of a cluster that is served here.
    pub fn of_sandbox(cluster: &Cluster, ca_pem: &str, token: &str, proxy: Option<&str>) -> Self {
        let mut entry = json!({"server": format!("https://{}:443", cluster.fqdn), "certificate-authority-data": STANDARD.encode(ca_pem)});
        if let Some(proxy) = proxy {
            entry["proxy-url"] = json!(proxy);
        }
        Self { cluster: entry, user: json!({ "token": token }) }
    }
}

/// A kubeconfig (JSON is YAML) with a context for each; the first is current. `role` is `clusterUser` or `clusterAdmin`: az names the context of
/// an admin by it.
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
