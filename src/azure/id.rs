//! ARM resource ids: parsed, validated, compared without regard to case, kept as received. This module sends nothing.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `/subscriptions/S/resourceGroups/G/providers/NS/TYPE/NAME[/TYPE/NAME…]`, or the id of a resource group or subscription. The text is kept
/// as received (Azure may return another casing than it was sent); equality ignores case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ArmId(String);

impl From<ArmId> for String {
    fn from(id: ArmId) -> Self {
        id.0
    }
}

impl TryFrom<String> for ArmId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is not the id of an Azure resource"))
    }
}

impl ArmId {
    /// Parses a text that begins with `/subscriptions/`. Returns None for any other text, and if a segment is empty or a dot segment.
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim_end_matches('/');
        let mut parts = trimmed.strip_prefix('/')?.split('/');
        if !parts.next()?.eq_ignore_ascii_case("subscriptions") {
            return None;
        }
        let rest: Vec<&str> = parts.collect();
        if rest.is_empty() || rest.iter().any(|p| p.is_empty() || *p == "." || *p == ".." || p.contains(['?', '#', '%', '\\'])) {
            return None;
        }
        Some(Self(trimmed.to_owned()))
    }

    pub fn subscription(subscription: &str) -> Self {
        Self(format!("/subscriptions/{subscription}"))
    }

    pub fn group(subscription: &str, group: &str) -> Self {
        Self(format!("/subscriptions/{subscription}/resourceGroups/{group}"))
    }

    /// Makes the id of a resource. `kind` is such as `Microsoft.ManagedIdentity/userAssignedIdentities`.
    pub fn resource(subscription: &str, group: &str, kind: &str, name: &str) -> Self {
        Self(format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn after(&self, word: &str) -> Option<&str> {
        let mut parts = self.0.split('/');
        parts.find(|p| p.eq_ignore_ascii_case(word))?;
        parts.next()
    }

    pub fn subscription_id(&self) -> &str {
        self.after("subscriptions").unwrap_or_default()
    }

    pub fn group_name(&self) -> Option<&str> {
        self.after("resourceGroups")
    }

    /// Returns the last segment: the resource's name, the group's name, or the subscription id.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the id of a nested resource, such as an agent pool of a cluster: `child("agentPools", "pool1")`.
    #[must_use]
    pub fn child(&self, kind: &str, name: &str) -> Self {
        Self(format!("{self}/{kind}/{name}"))
    }

    /// Returns the id of the resource that contains this one. None if this one is not nested.
    pub fn parent(&self) -> Option<Self> {
        let (_, nested) = self.types()?;
        let (parent, _) = self.0.rsplit_once('/').filter(|_| nested > 1)?.0.rsplit_once('/')?;
        Some(Self(parent.to_owned()))
    }

    /// Returns the type of a resource, such as `Microsoft.KeyVault/vaults`. The type of a nested resource has all types on the way, as in
    /// `Microsoft.ContainerService/managedClusters/agentPools`. An extension of a resource (`…/providers/Microsoft.Authorization/locks/x`)
    /// has its own type.
    pub fn kind(&self) -> Option<String> {
        self.types().map(|(kind, _)| kind)
    }

    /// Returns the type and the number of names in it.
    fn types(&self) -> Option<(String, usize)> {
        let segments: Vec<&str> = self.0.split('/').collect();
        let at = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"))?;
        let mut rest = segments[at + 1..].iter();
        let mut kind = (*rest.next()?).to_owned();
        let mut names = 0;
        while let Some(part) = rest.next() {
            kind.push('/');
            kind.push_str(part);
            rest.next()?;
            names += 1;
        }
        (names > 0).then_some((kind, names))
    }

    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind().is_some_and(|k| k.eq_ignore_ascii_case(kind))
    }

    /// Returns the id in lower case, for keys of maps and for names that are derived from ids.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl PartialEq for ArmId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for ArmId {}

impl fmt::Display for ArmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
pub const VAULT: &str = "Microsoft.KeyVault/vaults";
pub const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";
pub const STORAGE_ACCOUNT: &str = "Microsoft.Storage/storageAccounts";
pub const CONTAINER: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER_ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/aks";

    #[test]
    fn a_nested_resource_is_of_the_type_of_all_its_names() {
        let cluster = ArmId::parse(CLUSTER_ID).unwrap();
        let pool = cluster.child("agentPools", "pool1");
        assert_eq!(pool.kind().as_deref(), Some("Microsoft.ContainerService/managedClusters/agentPools"));
        assert_eq!((pool.name(), pool.group_name()), ("pool1", Some("g")));
        assert!(pool.is_kind("microsoft.containerservice/managedclusters/agentpools") && !pool.is_kind(CLUSTER));
        assert!(cluster.is_kind(CLUSTER));
        assert_eq!(pool.parent(), Some(cluster.clone()));
        assert_eq!(cluster.parent(), None);
        let respelled = format!("{}/AGENTPOOLS/Pool1", CLUSTER_ID.replace("resourceGroups", "resourcegroups"));
        assert_eq!(ArmId::parse(&respelled), Some(pool));
    }

    #[test]
    fn an_extension_resource_has_its_own_type_and_a_collection_has_none() {
        let lock = ArmId::parse(&format!("{CLUSTER_ID}/providers/Microsoft.Authorization/locks/l")).unwrap();
        assert_eq!(lock.kind().as_deref(), Some("Microsoft.Authorization/locks"));
        for none in [
            "/subscriptions/s",
            "/subscriptions/s/resourceGroups/g",
            &format!("{CLUSTER_ID}/agentPools"),
            "/subscriptions/s/providers/Microsoft.KeyVault",
        ] {
            assert_eq!(ArmId::parse(none).unwrap().kind(), None, "{none}");
        }
    }
}
