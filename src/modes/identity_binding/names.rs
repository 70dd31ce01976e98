//! Names of identity bindings.

/// The annotation by which the webhook gives a pod a token for the proxy, and the proxy's address.
pub const USE: &str = "azure.workload.identity/use-identity-binding";
