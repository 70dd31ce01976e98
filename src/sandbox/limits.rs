//! Throttling: how many requests are still allowed. Nothing is limited until a setting says so. ARM counts by subscription and kind of
//! request, Managed Identity counts its writes, and Key Vault the requests to a vault.

use serde::{Deserialize, Serialize};

/// The remaining requests of each kind; None means no limit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub reads: Option<u32>,
    pub writes: Option<u32>,
    pub deletes: Option<u32>,
    pub identity: Option<u32>,
    pub vault: Option<u32>,
}

/// The limit that a request exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceededLimit {
    Reads,
    Writes,
    Deletes,
    Identity,
    Vault,
}

impl Limits {
    /// Counts the request. The gateway's limit is checked before that of a provider.
    pub fn count(&mut self, method: &str, host: &str, path: &str) -> Option<ExceededLimit> {
        let mut wanted = Vec::new();
        if host.ends_with(super::azure::hosts::VAULT_SUFFIX) {
            wanted.push((&mut self.vault, ExceededLimit::Vault));
        } else if host == super::azure::hosts::ARM_HOST {
            let read = matches!(method, "GET" | "HEAD");
            wanted.push(match method {
                _ if read => (&mut self.reads, ExceededLimit::Reads),
                "DELETE" => (&mut self.deletes, ExceededLimit::Deletes),
                _ => (&mut self.writes, ExceededLimit::Writes),
            });
            if !read && path.to_ascii_lowercase().contains("/microsoft.managedidentity/") {
                wanted.push((&mut self.identity, ExceededLimit::Identity));
            }
        }
        for (left, spent) in wanted {
            match left {
                Some(0) => return Some(spent),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_counts_its_own_requests() {
        let mut limits = Limits { writes: Some(2), identity: Some(1), vault: Some(0), ..Limits::default() };
        let identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";
        let arm = super::super::azure::hosts::ARM_HOST;
        assert_eq!(limits.count("GET", arm, identity), None);
        assert_eq!(limits.count("PUT", arm, identity), None);
        assert_eq!(limits.count("PUT", arm, identity), Some(ExceededLimit::Identity));
        assert_eq!(limits.count("PUT", arm, "/subscriptions/s/resourceGroups/g"), Some(ExceededLimit::Writes));
        assert_eq!(limits.count("DELETE", arm, "/subscriptions/s/resourceGroups/g"), None);
        assert_eq!(limits.count("GET", "v.vault.azure.net", "/secrets"), Some(ExceededLimit::Vault));
    }
}
