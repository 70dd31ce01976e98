//! ARM resource ids: parsed, validated, compared without regard to case, kept as received.
//! Nothing here talks to anyone.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `/subscriptions/S/resourceGroups/G/providers/NS/TYPE/NAME`, or the id of a resource group or subscription.
/// The text is kept as it came (Azure answers with other casing than it was asked in); equality ignores case.
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
    /// Takes any text that begins with `/subscriptions/`; None otherwise, or when a segment is empty or a dot segment.
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

    /// `kind` as in `Microsoft.ManagedIdentity/userAssignedIdentities`.
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

    /// The last segment: the resource's name, the group's name, or the subscription id.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// `Microsoft.KeyVault/vaults`, where it is a resource's id.
    pub fn kind(&self) -> Option<String> {
        let mut parts = self.0.split('/');
        parts.find(|p| p.eq_ignore_ascii_case("providers"))?;
        Some(format!("{}/{}", parts.next()?, parts.next()?))
    }

    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind().is_some_and(|k| k.eq_ignore_ascii_case(kind))
    }

    /// The form for keys of maps and for names that are derived from ids.
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
