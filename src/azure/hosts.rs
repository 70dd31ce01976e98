//! The hosts that podid sends tokens to, and the scopes of these tokens.

/// The host of Azure Resource Manager.
pub const ARM: &str = "management.azure.com";
/// The host of Microsoft Graph.
pub const GRAPH: &str = "graph.microsoft.com";

pub const ARM_SCOPE: &str = "https://management.azure.com/.default";
pub const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";

/// The host at which tokens are exchanged.
pub const LOGIN: &str = "login.microsoftonline.com";
