//! Specs and paths that several tests use.

use super::World;

pub const LAB_000: &str = "000.yaml";
pub const LAB_001: &str = "001.yaml";
pub const LAB_004: &str = "004.yaml";

/// Returns the argument that lets `down` of the lab delete everything.
pub fn vault_of(spec: &str) -> &'static str {
    match spec {
        LAB_000 => "claims-api-kv",
        LAB_001 => "demo-settings-kv",
        _ => "myk8skv",
    }
}

pub const NAMESPACES: &str = "/api/v1/namespaces";
pub const IDENTITIES: &str = "/apis/aadpodidentity.k8s.io/v1/namespaces";
pub const CLASSES: &str = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces";

impl World {
    /// Returns the same lab on a vault with Azure RBAC.
    pub fn with_rbac(&self, spec: &str) -> &'static str {
        let text = self.read(spec);
        assert!(text.contains("model: access-policy"));
        self.write("rbac.yaml", &text.replace("model: access-policy", "model: rbac"));
        "rbac.yaml"
    }
}

/// Returns the cluster of a lab.
pub fn context_of(spec: &str) -> &'static str {
    if spec == LAB_000 || spec == LAB_001 { "aks-sp" } else { "aks-mi" }
}
