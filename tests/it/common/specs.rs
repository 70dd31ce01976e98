//! Specs and paths that several tests use.

use super::World;

pub const LAB_000: &str = "000.yaml";
pub const LAB_001: &str = "001.yaml";
pub const LAB_004: &str = "004.yaml";

/// What a `down` of the lab needs to be told to take everything.
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
    /// The same lab on a vault that gives rights by roles.
    pub fn with_rbac(&self, spec: &str) -> &'static str {
        let text = self.read(spec);
        assert!(text.contains("model: access-policy"));
        self.write("rbac.yaml", &text.replace("model: access-policy", "model: rbac"));
        "rbac.yaml"
    }
}

/// The cluster of a lab.
pub fn context_of(spec: &str) -> &'static str {
    if spec == LAB_000 || spec == LAB_001 { "aks-sp" } else { "aks-mi" }
}
