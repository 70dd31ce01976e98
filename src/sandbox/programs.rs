//! The programs that the sandbox plays in place of their containers. A container is known by the end of its image's repository, so that
//! mirrors, digests and other versions are known, too.

use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Mic,
    Nmi,
    Driver,
    Provider,
    FlexVolume,
    /// The gateway controller of application routing.
    Istiod,
}

impl Program {
    const ALL: [Self; 6] = [Self::Mic, Self::Nmi, Self::Driver, Self::Provider, Self::FlexVolume, Self::Istiod];

    /// The end of the image's repository.
    fn repository(self) -> &'static str {
        match self {
            Self::Mic => "/mic",
            Self::Nmi => "/nmi",
            Self::Driver => "secrets-store/driver",
            Self::Provider => "/provider-azure",
            Self::FlexVolume => "/keyvault-flexvolume",
            Self::Istiod => "/istio/pilot",
        }
    }

    /// Whether one runs on each node, and not one for the cluster.
    pub fn is_per_node(self) -> bool {
        !matches!(self, Self::Mic | Self::Istiod)
    }

    pub fn is_run_by(self, container: &Value) -> bool {
        container["image"].as_str().is_some_and(|image| repository(image).ends_with(self.repository()))
    }

    pub fn of(container: &Value) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.is_run_by(container))
    }

    /// The name of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mic => "mic",
            Self::Nmi => "nmi",
            Self::Driver => "driver",
            Self::Provider => "provider",
            Self::FlexVolume => "flexvolume",
            Self::Istiod => "istiod",
        }
    }
}

/// Returns an image without tag and digest. A colon before the last slash belongs to the port of the registry.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_is_known_by_its_repository() {
        let known = |program: Program, image: &str| program.is_run_by(&json!({ "image": image }));
        for image in [
            "mcr.microsoft.com/oss/azure/aad-pod-identity/mic:v1.8.17",
            "localhost:5000/mic",
            "registry.example/mirror/mic@sha256:0123",
            "registry.example:443/mirror/mic:v1.8.17@sha256:0123",
        ] {
            assert!(known(Program::Mic, image), "{image}");
        }
        for image in ["mimic:1", "example/mic/other:1", "example/nmi:1", "mic:5000/other", ""] {
            assert!(!known(Program::Mic, image), "{image}");
        }
        assert!(known(Program::Driver, "registry.k8s.io/csi-secrets-store/driver:v1.5.6"));
        assert!(known(Program::Driver, "mcr.microsoft.com/oss/v2/kubernetes-csi/secrets-store/driver:v1.5.6"));
        assert!(known(Program::Provider, "mcr.microsoft.com/oss/v2/azure/secrets-store/provider-azure:v1.8.2"));
        assert_eq!(Program::of(&json!({ "image": "registry.example/nmi:v1.8.17" })), Some(Program::Nmi));
        assert_eq!(Program::of(&json!({ "image": "nginx:1.29" })), None);
    }
}
