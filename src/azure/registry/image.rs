//! The name of an image as people write it, and where its registry is.

use super::error::ImageError;
use serde::{Deserialize, Serialize};

/// `mcr.microsoft.com/oss/azure/aad-pod-identity/mic` and `v1.8.17`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTag {
    pub repository: String,
    pub tag: String,
}

/// Where Docker's own registry is, which names without a host mean (distribution/reference, "normalize.go").
const DOCKER: &str = "registry-1.docker.io";

/// A registry and a repository in it.
pub(super) struct Place {
    /// `https://mcr.microsoft.com`, or `http://localhost:5000`.
    pub origin: String,
    pub host: String,
    /// The repository without its registry.
    pub path: String,
}

/// Whether requests to this host do not leave the machine: only there a registry may do without TLS, as for docker and containerd.
pub(super) fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}

fn is_tag(tag: &str) -> bool {
    let first = tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && tag.len() <= 128 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
    };
    path.len() <= 255 && path.split('/').all(|p| part(p) && p.bytes().any(|b| b.is_ascii_alphanumeric()))
}

impl ImageTag {
    /// `REPOSITORY:TAG`
    pub fn text(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// `REPOSITORY@DIGEST`, which a registry can never give another content.
    pub fn pinned(&self, digest: &str) -> String {
        format!("{}@{digest}", self.repository)
    }

    /// The grammar of names and tags: distribution-spec, "Pulling manifests".
    pub(super) fn place(&self) -> Result<Place, ImageError> {
        let odd = || ImageError::Name { image: self.text() };
        let (host, path) = match self.repository.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host.to_ascii_lowercase(), path.to_owned()),
            Some(_) => (DOCKER.to_owned(), self.repository.clone()),
            None => (DOCKER.to_owned(), format!("library/{}", self.repository)),
        };
        let host = if host == "docker.io" || host == "index.docker.io" { DOCKER.to_owned() } else { host };
        let path = if host == DOCKER && !path.contains('/') { format!("library/{path}") } else { path };
        let name = if host.starts_with('[') {
            host.rsplit_once(']').map_or(host.as_str(), |(name, _)| name)
        } else {
            host.split(':').next().unwrap_or_default()
        };
        let origin = format!("{}://{host}", if is_local(name.trim_matches(['[', ']'])) { "http" } else { "https" });
        let url = url::Url::parse(&origin).map_err(|_| odd())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.path() == "/" && url.query().is_none();
        if !plain || !is_path(&path) || !is_tag(&self.tag) {
            return Err(odd());
        }
        Ok(Place { origin, host: url.host_str().unwrap_or_default().to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(repository: &str) -> String {
        let image = ImageTag { repository: repository.into(), tag: "v1".into() };
        image.place().map_or_else(|error| error.to_string(), |place| format!("{} {}", place.origin, place.path))
    }

    #[test]
    fn a_name_without_a_host_is_in_dockers_registry() {
        assert_eq!(place("nginx"), "https://registry-1.docker.io library/nginx");
        assert_eq!(place("docker.io/nginx"), "https://registry-1.docker.io library/nginx");
        assert_eq!(place("bitnami/nginx"), "https://registry-1.docker.io bitnami/nginx");
        assert_eq!(place("mcr.microsoft.com/oss/mic"), "https://mcr.microsoft.com oss/mic");
    }

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        assert_eq!(place("localhost:5000/web"), "http://localhost:5000 web");
        assert_eq!(place("127.0.0.1:5000/web"), "http://127.0.0.1:5000 web");
        assert_eq!(place("localhost.example/web"), "https://localhost.example web");
        assert_eq!(place("10.0.0.1:5000/web"), "https://10.0.0.1:5000 web");
    }

    #[test]
    fn a_name_that_is_none_is_not_asked_for() {
        for name in ["Upper.example/Web", "r.example/a//b", "user@r.example/web", "r.example/web?x", "r.example/../web", "", "r.example/"] {
            assert!(place(name).contains("not a valid name"), "{name}: {}", place(name));
        }
        let tag = |tag: &str| ImageTag { repository: "r.example/web".into(), tag: tag.into() }.place().is_ok();
        assert!(tag("v1.8.17") && tag("_x") && !tag("") && !tag("-x") && !tag("a/b") && !tag("latest@sha256:abc"));
    }
}
