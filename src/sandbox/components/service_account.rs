//! Service account tokens of pods: requests one as kubelet does, and finds the one that a file of a container holds.

use super::kube::{KubeClient, KubeError};
use serde_json::{Value, json};

/// The type of an assertion at Entra that is such a token.
pub(super) const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The default lifetime of a projected token, in seconds.
const LIFETIME: i64 = 3600;

/// A pod and its service account.
pub(super) struct PodAccount<'a> {
    pub(super) namespace: &'a str,
    pub(super) account: &'a str,
    pub(super) pod: &'a str,
    pub(super) uid: &'a str,
}

impl<'a> PodAccount<'a> {
    pub(super) fn of(pod: &'a Value) -> Self {
        let text = |name: &str| pod["metadata"][name].as_str().unwrap_or_default();
        let account = pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default");
        Self { namespace: text("namespace"), account, pod: text("name"), uid: text("uid") }
    }

    /// Requests a token. Without an audience it is for the API server.
    pub(super) async fn token(&self, kube: &KubeClient, audience: &str, seconds: Option<i64>) -> Result<String, KubeError> {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", self.namespace, self.account);
        let audiences: Vec<&str> = Some(audience).filter(|audience| !audience.is_empty()).into_iter().collect();
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": audiences,
                "expirationSeconds": seconds.unwrap_or(LIFETIME),
                "boundObjectRef": { "apiVersion": "v1", "kind": "Pod", "name": self.pod, "uid": self.uid },
            },
        });
        let answer = kube.post(&path, &body).await?;
        let token = answer["status"]["token"].as_str().map(str::to_owned);
        token.ok_or_else(|| KubeError::lost("the answer to the TokenRequest holds no token"))
    }
}

/// Returns the projection that writes a file of a container: its audience, its lifetime and its path.
pub(super) fn projection<'a>(pod: &'a Value, container: &Value, file: &str) -> Option<&'a Value> {
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    let (volume, path) = mounts.filter_map(|mount| Some((&mount["name"], below(mount, file)?))).next()?;
    let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let sources = volumes.find(|v| v["name"] == *volume)?["projected"]["sources"].as_array()?;
    sources.iter().map(|source| &source["serviceAccountToken"]).find(|token| token["path"] == path)
}

/// Returns the path of a file below a mount.
fn below<'a>(mount: &Value, file: &'a str) -> Option<&'a str> {
    file.strip_prefix(mount["mountPath"].as_str()?)?.strip_prefix('/')
}
