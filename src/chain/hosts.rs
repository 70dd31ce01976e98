//! Which hosts a text of a component names: errors of the network look alike wherever a program wanted to go.

/// Names of Key Vault's and Entra's hosts have one of these, in all clouds.
const OF_AZURE: &[&str] = &[
    ".vault.azure.",
    ".vaultcore.azure.",
    ".vault.usgovcloudapi.net",
    ".vault.microsoftazure.de",
    "login.microsoftonline.",
    "login.partner.microsoftonline.",
    "login.chinacloudapi.cn",
    "login.windows.net",
    "sts.windows.net",
];

/// Whether a text in lower case names a host of Key Vault or Entra.
pub fn names_azure(text: &str) -> bool {
    OF_AZURE.iter().any(|host| text.contains(host))
}

/// Whether a text in lower case is of a request to Key Vault or Entra, or says nothing of where it went.
pub fn is_not_of_others(text: &str) -> bool {
    names_azure(text) || !["://", "lookup "].iter().any(|lead| text.contains(lead))
}

/// Whether a text in lower case is of a request to Key Vault or Entra, or of a mount, which consists of these.
pub fn is_of_azure_or_mount(text: &str) -> bool {
    let of_mount = ["mountvolume.setup failed", "mount secrets store", "objecttype:"].iter().any(|part| text.contains(part));
    names_azure(text) || of_mount || text.contains(":443") && is_not_of_others(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_other_hosts_are_told_apart() {
        for text in ["get \"https://kv-shop.vault.azure.net/secrets/x\": eof", "lookup kv.vaultcore.azure.net: no such host", "timeout"] {
            assert!(is_not_of_others(text), "{text}");
        }
        for text in ["get \"https://api.example.com/x\": eof", "dial tcp: lookup postgres.default.svc: no such host"] {
            assert!(!is_not_of_others(text) && !is_of_azure_or_mount(text), "{text}");
        }
        assert!(is_of_azure_or_mount("dial tcp 20.1.2.3:443: i/o timeout"));
        assert!(!is_of_azure_or_mount("dial tcp 10.0.0.8:5432: i/o timeout"));
    }
}
