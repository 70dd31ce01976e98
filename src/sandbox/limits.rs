//! How many requests are still let through before Azure's throttling answers: none is limited until a setting says so.
//! ARM counts by subscription and verb, Managed Identity its writes, Key Vault what is asked of a vault.

use serde::{Deserialize, Serialize};

/// What is left of each. None: no end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub reads: Option<u32>,
    pub writes: Option<u32>,
    pub deletes: Option<u32>,
    pub identity: Option<u32>,
    pub vault: Option<u32>,
}

/// Which limit a request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    Reads,
    Writes,
    Deletes,
    Identity,
    Vault,
}

impl Limits {
    /// Counts the request; the gateway's limit comes before that of a provider.
    pub fn count(&mut self, method: &str, host: &str, path: &str) -> Option<Spent> {
        let mut wanted = Vec::new();
        if host.ends_with(super::azure::VAULT_SUFFIX) {
            wanted.push((&mut self.vault, Spent::Vault));
        } else if host == super::azure::ARM_HOST {
            let read = matches!(method, "GET" | "HEAD");
            wanted.push(match method {
                _ if read => (&mut self.reads, Spent::Reads),
                "DELETE" => (&mut self.deletes, Spent::Deletes),
                _ => (&mut self.writes, Spent::Writes),
            });
            if !read && path.to_ascii_lowercase().contains("/microsoft.managedidentity/") {
                wanted.push((&mut self.identity, Spent::Identity));
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
    fn each_limit_counts_what_it_is_of() {
        let mut limits = Limits { writes: Some(2), identity: Some(1), vault: Some(0), ..Limits::default() };
        let identity = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";
        let arm = super::super::azure::ARM_HOST;
        assert_eq!(limits.count("GET", arm, identity), None);
        assert_eq!(limits.count("PUT", arm, identity), None);
        assert_eq!(limits.count("PUT", arm, identity), Some(Spent::Identity));
        assert_eq!(limits.count("PUT", arm, "/subscriptions/s/resourceGroups/g"), Some(Spent::Writes));
        assert_eq!(limits.count("DELETE", arm, "/subscriptions/s/resourceGroups/g"), None);
        assert_eq!(limits.count("GET", "v.vault.azure.net", "/secrets"), Some(Spent::Vault));
    }
}
