//! Explains the errors of a cluster.

use super::Failure;
use crate::{
    cluster::{Error, is_private_server},
    exit::Exit,
};

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Kubeconfig(_) => {
                Self::new(Exit::Failed, text).hint("Get one with `az aks get-credentials -g GROUP -n CLUSTER`, or name it with `--kubeconfig`.")
            }
            Error::UnknownContext { known, .. } => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Self::new(Exit::Refused, text)
                    .because(format!("the contexts there are: {known}"))
                    .hint("Name one of them with `--context` (or `context:` of the spec's cluster), or get it with `az aks get-credentials -g GROUP -n CLUSTER`.")
            }
            Error::Login { context, .. } => Self::new(Exit::Failed, text).hint(format!(
                "Run the login command of the kubeconfig by hand (`kubectl --context {context} get ns`); kubelogin may be missing."
            )),
            Error::Unreachable { server, .. } if is_private_server(server) => Self::new(Exit::Failed, text)
                .because("the cluster is private: its API server has a name and an address only in its own virtual network")
                .hint("Run podid in that network, or in one that is peered with it and linked to the cluster's private DNS zone: a VM, a self-hosted agent, a VPN.")
                .hint("From elsewhere, `--only azure` does what needs no cluster, and `az aks command invoke -g GROUP -n CLUSTER --command \"kubectl get pods -A\"` looks into it."),
            Error::Unreachable { .. } => Self::new(Exit::Failed, text)
                .hint("Check the network (a private cluster is reached only from its own), HTTPS_PROXY and NO_PROXY; a stopped cluster is started by `az aks start -g GROUP -n CLUSTER`."),
            Error::Untrusted { .. } => {
                Self::new(Exit::Failed, text).hint("The kubeconfig may be of an older cluster of that name: `az aks get-credentials -g GROUP -n CLUSTER --overwrite-existing`.")
            }
            Error::Unauthorized { .. } => {
                Self::new(Exit::Failed, text).hint("The token or client certificate may have expired: `az aks get-credentials -g GROUP -n CLUSTER --overwrite-existing`, or `kubelogin`.")
            }
            Error::Forbidden { verb, resource, namespace, .. } => {
                let place = namespace.as_ref().map_or_else(|| "in the cluster".to_owned(), |n| format!("in namespace {n}"));
                Self::new(Exit::Failed, format!("this login may not {verb} {resource} {place}"))
                    .because(text)
                    .hint(format!("Ask for a Role (or ClusterRole) that allows {verb} on {resource} {place}; `podid cluster rbac` prints all that podid needs."))
            }
            Error::KindMissing { group, .. } => {
                let install = if group.starts_with("gateway.networking") {
                    "Install the Gateway API: `podid cluster install ingress`, or add `ingress` to `cluster.components` in the spec; or expose the app by a load balancer."
                } else if group.contains("secrets-store") {
                    "Install the Secrets Store CSI driver: `podid cluster install csi`, or add `csi` to `cluster.components` in the spec."
                } else {
                    "Install AAD Pod Identity: `podid cluster install pod-identity`, or add `pod-identity` to `cluster.components` in the spec."
                };
                Self::new(Exit::Refused, text).hint(install)
            }
            Error::Conflicts(fields) => {
                let fields: Vec<String> = fields.iter().map(|(field, manager)| format!("{field} is owned by {manager}")).collect();
                Self::new(Exit::Refused, fields.join(", ")).hint("Overwrite the fields with `--force-conflicts`, or change the spec to the current values.")
            }
            Error::Changed { .. } => Self::new(Exit::Failed, text).hint("Somebody else changed it meanwhile: run the same command again."),
            Error::Invalid { causes, .. } => {
                causes.iter().fold(Self::new(Exit::Failed, text), |f, (field, why)| f.because(format!("{field}: {why}")))
            }
            Error::TooLarge { .. } | Error::EndlessList { .. } => Self::new(Exit::Failed, text)
                .hint("The response does not come from an API server. Check what answers: `kubectl get --raw /version`; `-vv` shows each request."),
            Error::Unencrypted { server, cluster, file, .. } => {
                let encrypted = server.replacen("http://", "https://", 1);
                Self::new(Exit::Refused, text)
                    .because(format!("the kubeconfig is {file}; nothing was sent"))
                    .hint(format!("Use the server's encrypted address: `kubectl config set-cluster {cluster} --server={encrypted} --kubeconfig {file}`."))
                    .hint("For a tunnel such as `kubectl proxy`, which logs in by itself, use a context without a user.")
            }
            Error::TimedOut(_) => Self::new(Exit::Failed, text).hint("Give it longer with `--timeout`."),
            Error::Held { what, .. } => {
                let look = looked_at_with(what);
                Self::new(Exit::Failed, text)
                    .hint(format!("A finalizer blocks the deletion. Show it with `{look}`, and check the log of its controller."))
            }
            Error::Exists { .. } | Error::NotFound { .. } | Error::Failed { .. } => Self::new(Exit::Failed, text),
        }
    }
}

/// Returns the command that shows an object such as `AzureIdentity shop/shop-mid`.
fn looked_at_with(what: &str) -> String {
    let (kind, name) = what.split_once(' ').unwrap_or((what, ""));
    let kind = kind.to_lowercase();
    match name.split_once('/') {
        Some((namespace, name)) => format!("kubectl get {kind} {name} -n {namespace} -o yaml"),
        None => format!("kubectl get {kind} {name} -o yaml"),
    }
}
