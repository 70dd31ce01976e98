//! The links of the chain from a pod to its secrets, and what is reported of the one that is broken.

use serde::Serialize;
use std::time::Duration;

/// Stable words for programs (`-o json`): which part of the chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The cluster, or the namespace.
    Cluster,
    /// The proof's pod: it was not accepted, not scheduled, or deleted.
    Pod,
    /// The managed identity in Azure.
    Identity,
    /// The AzureIdentity in the cluster.
    AzureIdentity,
    /// The AzureIdentityBinding, or another one with the same selector.
    Binding,
    /// A role of the cluster, without which MIC cannot act.
    Role,
    /// MIC puts the identity on the node.
    Assignment,
    /// NMI gets a token for the pod.
    Token,
    /// The Secrets Store CSI driver.
    Driver,
    /// Its Azure provider.
    Provider,
    /// The SecretProviderClass.
    Class,
    Vault,
    /// The identity's right to read the vault's secrets.
    Grant,
    Secret,
    /// The version that was mounted is not the vault's.
    Version,
    /// The driver keeps a Kubernetes Secret.
    Sync,
    /// The container starts.
    Start,
    /// No component said anything that tells the link.
    Unknown,
}

/// The chain ended before the secret: what was seen, why, and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct NotProved {
    pub link: Link,
    pub what: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
}

impl NotProved {
    pub(super) fn new(link: Link, what: impl Into<String>) -> Self {
        Self { link, what: what.into(), causes: Vec::new(), hints: Vec::new() }
    }

    pub(super) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// How long it may take until a reason passes by itself; after that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heals {
    Never,
    Within(Duration),
    /// It may pass at any time: the whole time limit is waited.
    Perhaps,
}

impl Heals {
    /// Whether it is known by now that waiting does not help.
    pub(super) fn is_over(self, seen_for: Duration) -> bool {
        match self {
            Self::Never => true,
            Self::Within(bound) => seen_for >= bound,
            Self::Perhaps => false,
        }
    }
}

/// What keeps a proof from going on right now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reason {
    pub(super) heals: Heals,
    pub(super) found: NotProved,
}

impl Reason {
    pub(super) fn new(heals: Heals, found: NotProved) -> Self {
        Self { heals, found }
    }
}

/// A component that restarts, or a pod of it that starts on the node.
pub(super) const RESTART: Duration = Duration::from_secs(30);
/// MIC puts an identity on a scale set in 40 to 60 s; 3 min 14 s were seen.
pub(super) const ASSIGNMENT: Duration = Duration::from_secs(240);
/// Azure's own bound for a new role assignment.
pub(super) const ROLE: Duration = Duration::from_secs(600);
/// An entry of an access policy takes effect within seconds to minutes.
pub(super) const POLICY: Duration = Duration::from_secs(120);
/// The name of a new vault is in the DNS after 30 to 60 s.
pub(super) const DNS: Duration = Duration::from_secs(90);
