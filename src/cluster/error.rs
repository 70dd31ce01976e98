//! What can go wrong with a cluster, by what the caller would do differently.

use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No kubeconfig, or one that cannot be read.
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
    /// 401.
    #[error("the cluster of context {context:?} ({server}) does not accept the credential")]
    Unauthorized { context: String, server: String },
    /// 403: verb, resource and namespace as the server named them.
    #[error("{message}")]
    Forbidden { verb: String, resource: String, namespace: Option<String>, message: String },
    /// The server does not know the kind: its CRD is not installed.
    #[error("the cluster does not know the kind {kind} ({group}/{version})")]
    KindMissing { kind: String, group: String, version: String },
    /// Fields that other managers own: (field path, manager).
    #[error("fields are owned by others")]
    Conflicts(Vec<(String, String)>),
    #[error("{what} is there already")]
    Exists { what: String },
    #[error("{what} is not there")]
    NotFound { what: String },
    /// 409 that is no field conflict (resourceVersion, uid, a namespace that is being deleted).
    #[error("{message}")]
    Changed { reason: String, message: String },
    /// 400 and 422: the object is not valid; field by field where the server says so.
    #[error("{message}")]
    Invalid { message: String, causes: Vec<(String, String)> },
    #[error("the cluster failed with {status} {reason}: {message}")]
    Failed { status: u16, reason: String, message: String },
    /// An answer that is larger than anything an API server sends of its kind; `most` as in `8 MiB`.
    #[error("could not read {what} from the cluster of context {context:?} ({server}): it is larger than {most}")]
    TooLarge { what: String, context: String, server: String, most: String },
    /// A list that comes back to a page that was read before, or goes on and on.
    #[error("could not read a list from the cluster of context {context:?} ({server}): {why}")]
    EndlessList { context: String, server: String, why: String },
    /// A credential would be sent to a server by plain HTTP.
    #[error(
        "could not use context {context:?}: its server {server} is not encrypted, and the credential of user {user:?} would be sent to it"
    )]
    Unencrypted { context: String, server: String, cluster: String, user: String, file: String },
    #[error("time ran out after {0:?}")]
    TimedOut(Duration),
    /// A deletion that was accepted and does not end: who holds the object (its finalizers, or what a namespace says of its content).
    #[error("{what} is still there after {after:?}, held by {}", by.join(", "))]
    Held { what: String, by: Vec<String>, after: Duration },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
