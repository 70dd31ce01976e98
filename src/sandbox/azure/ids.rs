//! Ids that derive from names (UUID v5), so that equal requests give equal bytes in every sandbox.

use uuid::Uuid;

/// UUID v5 of `sandbox.podid` in the DNS namespace.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f1c_3a2e_7d0b_5c51_9a46_2b8e_61d4_0f37);

/// Returns a GUID for these words. A resource that was deleted and created again adds its generation to them.
pub fn guid(words: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, words.join("\n").as_bytes()).hyphenated().to_string()
}

/// Returns the same id as 32 hex digits.
pub fn hex(words: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, words.join("\n").as_bytes()).simple().to_string()
}

pub fn random() -> String {
    Uuid::new_v4().hyphenated().to_string()
}

pub fn fold(text: &str) -> String {
    text.to_ascii_lowercase()
}

pub fn is_guid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

pub fn group_id(subscription: &str, group: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}")
}

pub fn resource_id(subscription: &str, group: &str, kind: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}")
}

/// Managed Identity and AKS write ids in this form.
pub fn low_group_id(subscription: &str, group: &str, kind: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourcegroups/{group}/providers/{kind}/{name}")
}

/// The root management group has the tenant's id; the sandbox has no other management groups.
pub const MANAGEMENT_GROUPS: &str = "/providers/microsoft.management/managementgroups/";

/// Returns whether `target` is the scope or below it. Both are lower case, and `/` is above all.
pub fn covers(scope: &str, target: &str) -> bool {
    let above = scope == "/" || (scope.starts_with(MANAGEMENT_GROUPS) && target.starts_with("/subscriptions/"));
    above || target.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_whole_segments_only() {
        assert!(covers("/subscriptions/s", "/subscriptions/s/resourcegroups/g"));
        assert!(covers("/", "/subscriptions/s"));
        assert!(covers("/providers/microsoft.management/managementgroups/t", "/subscriptions/s/resourcegroups/g"));
        assert!(!covers("/providers/microsoft.management/managementgroups/t", "/"));
        assert!(!covers("/subscriptions/s/resourcegroups/g", "/subscriptions/s/resourcegroups/gg"));
    }

    #[test]
    fn equal_words_give_the_same_id() {
        assert_eq!(guid(&["a", "b"]), guid(&["a", "b"]));
        assert_ne!(guid(&["a", "b"]), guid(&["ab"]));
        assert!(is_guid(&guid(&["a"])));
        assert_eq!(hex(&["a"]).len(), 32);
    }
}
