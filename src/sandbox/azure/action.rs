//! Matches actions against the patterns of role definitions.

/// Matches an action against a pattern: `*` stands for any text. `/*/` also stands for a single slash, because the built-in role Managed
/// Identity Operator has `userAssignedIdentities/*/read` and means `userAssignedIdentities/read`.
pub fn matches(pattern: &str, action: &str) -> bool {
    matches_wildcard(pattern.as_bytes(), action.as_bytes())
        || (pattern.contains("/*/") && matches_wildcard(pattern.replace("/*/", "/").as_bytes(), action.as_bytes()))
}

fn matches_wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p].eq_ignore_ascii_case(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn actions_match_as_azure_writes_them() {
        assert!(matches("*", "Microsoft.KeyVault/vaults/write"));
        assert!(matches("*/read", "Microsoft.KeyVault/vaults/read"));
        assert!(!matches("*/read", "Microsoft.KeyVault/vaults/write"));
        assert!(matches(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "microsoft.managedidentity/userassignedidentities/read"
        ));
        assert!(matches(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
        ));
        assert!(matches("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write"));
        assert!(!matches("Microsoft.KeyVault/vaults/secrets/*", "Microsoft.KeyVault/vaults/keys/read"));
    }
}
