//! The errors of a cluster, distinguished by what the caller would do differently.

use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no kubeconfig, or it cannot be read.
    #[error("the kubeconfig could not be read: {0}")]
    Kubeconfig(String),
    #[error("there is no context {name:?} in the kubeconfig")]
    UnknownContext { name: String, known: Vec<String> },
    /// The exec plugin of the kubeconfig failed or is missing.
    #[error("the login command of context {context:?} ({server}) failed: {cause}")]
    Login { context: String, server: String, cause: String },
    #[error("the cluster of context {context:?} ({server}) could not be reached: {cause}")]
    Unreachable { context: String, server: String, cause: String },
    #[error("the cluster of context {context:?} ({server}) shows a certificate that is not trusted: {cause}")]
    Untrusted { context: String, server: String, cause: String },
    /// The status was 401.
    #[error("the cluster of context {context:?} ({server}) does not accept the credential")]
    Unauthorized { context: String, server: String },
    /// The status was 403; verb, resource and namespace are as the server reports them.
    #[error("{message}")]
    Forbidden { verb: String, resource: String, namespace: Option<String>, message: String },
    /// The server does not know the kind, because its CRD is not installed.
    #[error("the cluster does not know the kind {kind} ({group}/{version})")]
    KindMissing { kind: String, group: String, version: String },
    /// Other managers own fields of the manifest: (field path, manager).
    #[error("fields are owned by others")]
    Conflicts(Vec<(String, String)>),
    #[error("{what} is there already")]
    Exists { what: String },
    #[error("{what} is not there")]
    NotFound { what: String },
    /// The status was 409 for another reason than a field conflict (resourceVersion, uid, a namespace that is being deleted).
    #[error("{message}")]
    Changed { reason: String, message: String },
    /// The status was 400 or 422: the object is not valid. The fields are listed if the server lists them.
    #[error("{message}")]
    Invalid { message: String, causes: Vec<(String, String)> },
    #[error("the cluster failed with {status} {reason}: {message}")]
    Failed { status: u16, reason: String, message: String },
    /// The response is larger than anything an API server sends of its kind. `most` is such as `8 MiB`.
    #[error("could not read {what} from the cluster of context {context:?} ({server}): it is larger than {most}")]
    TooLarge { what: String, context: String, server: String, most: String },
    /// A list returned a page that was read before, or has too many pages.
    #[error("could not read a list from the cluster of context {context:?} ({server}): {why}")]
    EndlessList { context: String, server: String, why: String },
    /// The credential would be sent to a server over plain HTTP.
    #[error(
        "could not use context {context:?}: its server {server} is not encrypted, and the credential of user {user:?} would be sent to it"
    )]
    Unencrypted { context: String, server: String, cluster: String, user: String, file: String },
    #[error("time ran out after {0:?}")]
    TimedOut(Duration),
    /// A deletion was accepted and does not end. The error has what blocks it: finalizers, or a namespace's messages about its content.
    #[error("{what} is still there after {after:?}, held by {}", by.join(", "))]
    Held { what: String, by: Vec<String>, after: Duration },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whether the address of an API server is that of a private cluster: AKS makes its name in a private DNS zone, `privatelink.LOCATION.azmk8s.io`
/// or `private.LOCATION.azmk8s.io`, which resolves only in networks that have the zone.
pub fn is_private_server(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    host.ends_with(".azmk8s.io") && [".privatelink.", ".private."].iter().any(|zone| host.contains(zone))
}

#[cfg(test)]
mod tests {
    use super::is_private_server;

    #[test]
    fn a_private_server_is_known_by_its_name() {
        assert!(is_private_server("https://shop-1a2b.aaaaaaaa-0000.privatelink.westeurope.azmk8s.io:443"));
        assert!(is_private_server("shop.private.westeurope.azmk8s.io"));
        assert!(!is_private_server("https://shop-1a2b.hcp.westeurope.azmk8s.io:443"));
        assert!(!is_private_server("https://shop.privatelink.example"));
    }
}
