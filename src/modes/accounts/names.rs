//! Names that the modes of Workload ID use.

use crate::resources::{feature::WORKLOAD_IDENTITY, manifested::Manifested, service_account::ServiceAccount};

/// The label without which the webhook does not look at a pod.
pub const USE: &str = "azure.workload.identity/use";

/// The kind of the service account's resource.
pub const KIND: &str = <ServiceAccount as Manifested>::KIND;

/// The component that both need.
pub const COMPONENT: &str = WORKLOAD_IDENTITY;

/// The parameter by which the provider asks the cluster's proxy for identity bindings.
pub const TOKEN_PROXY: &str = "useAzureTokenProxy";

/// The audience of the tokens that the proxy takes.
pub const PROXY_AUDIENCE: &str = "api://AKSIdentityBinding";
