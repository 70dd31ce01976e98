//! The hosts of the sandbox's Azure, and the token audiences that its services accept.

use super::ids;

pub const LOGIN_HOST: &str = "login.microsoftonline.com";
pub const ARM_HOST: &str = "management.azure.com";
pub const GRAPH_HOST: &str = "graph.microsoft.com";
pub const VAULT_SUFFIX: &str = ".vault.azure.net";
pub const BLOB_SUFFIX: &str = ".blob.core.windows.net";
pub const REGISTRY_HOST: &str = "mcr.microsoft.com";
pub const IMDS_HOST: &str = "169.254.169.254";
/// The domain of AKS token issuers, with the location in front.
pub const OIDC_SUFFIX: &str = ".oic.prod-aks.azure.com";

pub const ARM_AUDIENCES: &[&str] = &[
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://management.core.windows.net",
    "https://management.core.windows.net/",
];
pub const GRAPH_AUDIENCES: &[&str] =
    &["https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"];
pub const VAULT_AUDIENCES: &[&str] = &["https://vault.azure.net"];
/// Beside these, each account accepts its own address.
pub const STORAGE_AUDIENCES: &[&str] = &["https://storage.azure.com", "https://storage.azure.com/"];

/// The domain of the token proxies for identity bindings. Each is part of the API server of a cluster, under a name of its own.
const TOKEN_PROXY_SUFFIX: &str = ".ests.aks";

/// Returns the name of a cluster's token proxy.
pub fn token_proxy(cluster: &str) -> String {
    format!("a{}{TOKEN_PROXY_SUFFIX}", ids::hex(&["identity-binding", cluster]))
}

/// Returns whether the host has the form of a token proxy's name.
pub fn is_token_proxy(host: &str) -> bool {
    host.ends_with(TOKEN_PROXY_SUFFIX)
}

/// Returns whether the host is the public address of a cluster's token issuer.
pub fn is_oidc_issuer(host: &str) -> bool {
    host.ends_with(OIDC_SUFFIX)
}
