//! The hosts of the sandbox's Azure, and the token audiences that its services accept.

pub const LOGIN_HOST: &str = "login.microsoftonline.com";
pub const ARM_HOST: &str = "management.azure.com";
pub const GRAPH_HOST: &str = "graph.microsoft.com";
pub const VAULT_SUFFIX: &str = ".vault.azure.net";
pub const BLOB_SUFFIX: &str = ".blob.core.windows.net";
pub const IMDS_HOST: &str = "169.254.169.254";
/// The domain of AKS token issuers, with the location in front.
const OIDC_SUFFIX: &str = ".oic.prod-aks.azure.com";

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

/// Returns whether the host is the public address of a cluster's token issuer.
pub fn is_oidc_issuer(host: &str) -> bool {
    host.ends_with(OIDC_SUFFIX)
}
