//! The hosts that tokens are sent to, and the scopes that tokens are for.

/// Azure Resource Manager.
pub const ARM: &str = "management.azure.com";
/// Microsoft Graph.
pub const GRAPH: &str = "graph.microsoft.com";

pub const ARM_SCOPE: &str = "https://management.azure.com/.default";
pub const GRAPH_SCOPE: &str = "https://graph.microsoft.com/.default";
