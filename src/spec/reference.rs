//! What a text refers to: a resource by name or id, the scope of a role, a principal. Each text is parsed once, where it enters
//! (a flag or a field of the spec); everything after that matches on these enums.

mod federated;

pub use federated::{FederatedSubject, issuer};

use super::names::{self, guid};
use crate::azure::{ArmId, id::CONTAINER};
use std::{fmt, str::FromStr};

/// A resource by its name, or by its full ARM id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameOrId {
    Name(String),
    Id(ArmId),
}

impl NameOrId {
    /// Takes any text: whoever reads it checks it by the rules of its kind (`names::vault_or_id` and the like).
    pub fn new(text: &str) -> Self {
        ArmId::parse(text).map_or_else(|| Self::Name(text.to_owned()), Self::Id)
    }

    /// Returns the name without the rest of the id.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Id(id) => id.name(),
        }
    }

    /// Whether both can mean one resource. Azure ignores case, and a name alone matches an id that ends in it.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Id(one), Self::Id(other)) => one == other,
            _ => self.name().eq_ignore_ascii_case(other.name()),
        }
    }
}

impl fmt::Display for NameOrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Id(id) => id.fmt(f),
        }
    }
}

/// Where a role is assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Vault(NameOrId),
    Identity(NameOrId),
    ResourceGroup(NameOrId),
    StorageAccount(NameOrId),
    Container {
        account: NameOrId,
        name: String,
    },
    /// The resource group of a cluster's nodes.
    ClusterNodes(NameOrId),
    Subscription,
    /// Any other ARM id.
    Id(ArmId),
}

impl From<ArmId> for Scope {
    fn from(id: ArmId) -> Self {
        // what lies in a vault is not the vault
        if names::vault_or_id(id.as_str()).is_ok() {
            Self::Vault(NameOrId::Id(id))
        } else if names::identity_or_id(id.as_str()).is_ok() {
            Self::Identity(NameOrId::Id(id))
        } else if names::storage_account_or_id(id.as_str()).is_ok() {
            Self::StorageAccount(NameOrId::Id(id))
        } else if let Some(account) = account_of(&id) {
            Self::Container { name: id.name().to_owned(), account: NameOrId::Id(account) }
        } else if id.kind().is_none() && id.group_name().is_some() {
            Self::ResourceGroup(NameOrId::Id(id))
        } else {
            Self::Id(id)
        }
    }
}

/// The account of a container, if the id is one's.
fn account_of(id: &ArmId) -> Option<ArmId> {
    let account = Some(id).filter(|id| id.is_kind(CONTAINER) && names::container(id.name()).is_ok())?.parent()?.parent()?;
    names::storage_account_or_id(account.as_str()).is_ok().then_some(account)
}

/// The forms of a scope, for messages and help texts.
pub const SCOPES: &str = "`vault/NAME`, `identity/NAME`, `group/NAME`, `storage/ACCOUNT`, `storage/ACCOUNT/CONTAINER`, `cluster/NAME/nodes`, `subscription`, or a full id";

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            names::arm_scope(text)?;
            let id = ArmId::parse(text).ok_or_else(|| format!("{text:?} is not an ARM id"))?;
            return Ok(Self::from(id));
        }
        let named = |rule: fn(&str) -> names::Checked, name: &str| rule(name).map(|()| NameOrId::Name(name.to_owned()));
        match text.split('/').collect::<Vec<_>>()[..] {
            ["subscription"] => Ok(Self::Subscription),
            ["vault", name] => named(names::vault, name).map(Self::Vault),
            ["identity", name] => named(names::identity, name).map(Self::Identity),
            ["group", name] => named(names::resource_group, name).map(Self::ResourceGroup),
            ["storage", account] => named(names::storage_account, account).map(Self::StorageAccount),
            ["storage", account, container] => {
                names::container(container)?;
                named(names::storage_account, account).map(|account| Self::Container { account, name: container.to_owned() })
            }
            ["cluster", name, "nodes"] => named(names::cluster, name).map(Self::ClusterNodes),
            _ => Err(format!("a scope is {SCOPES}")),
        }
    }
}

/// Who gets a role or a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "a service principal is what Azure calls it")]
pub enum Principal {
    /// The login that podid itself uses.
    Caller,
    Identity(NameOrId),
    /// The principal that a cluster's node components use.
    Cluster(NameOrId),
    /// An object id whose kind the user gave: `user/GUID`, `group/GUID`, `service-principal/GUID`.
    User(String),
    Group(String),
    ServicePrincipal(String),
    /// A user by the user principal name, `user/ann@example.com`, and a group by the display name; the directory knows the object id.
    UserName(String),
    GroupName(String),
    /// An object id alone: the directory knows of which kind it is.
    Object(String),
}

/// The forms of a principal, for messages and help texts.
pub const PRINCIPALS: &str = "`identity/NAME`, an identity's name or full id, `cluster/NAME`, `caller`, an object id (a GUID), `user/` with an object id or a user principal name, `group/` with an object id or a display name, or `service-principal/` with an object id";

impl FromStr for Principal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "caller" {
            return Ok(Self::Caller);
        }
        if guid(text).is_ok() {
            return Ok(Self::Object(text.to_ascii_lowercase()));
        }
        let object = |id: &str| guid(id).map(|()| id.to_ascii_lowercase());
        const GUID: &str = "an object id, a GUID such as 00000000-0000-0000-0000-000000000000";
        match text.split_once('/') {
            Some(("user", name)) => object(name)
                .map(Self::User)
                .or_else(|_| names::user_name(name).map(|()| Self::UserName(name.to_owned())))
                .map_err(|rule| format!("`user/` takes {GUID}, or a user principal name: {rule}")),
            Some(("group", name)) => object(name)
                .map(Self::Group)
                .or_else(|_| names::group_name(name).map(|()| Self::GroupName(name.to_owned())))
                .map_err(|rule| format!("`group/` takes {GUID}, or a display name: {rule}")),
            Some(("service-principal", id)) => {
                object(id).map(Self::ServicePrincipal).map_err(|_| format!("`service-principal/` takes {GUID}"))
            }
            Some(("cluster", name)) => names::cluster_or_id(name).map(|()| Self::Cluster(NameOrId::new(name))),
            _ => {
                let name = text.strip_prefix("identity/").unwrap_or(text);
                names::identity_or_id(name).map_err(|_| format!("a principal is {PRINCIPALS}"))?;
                Ok(Self::Identity(NameOrId::new(name)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "6C9F1E0A-0D3B-4E58-9E2B-000000000001";
    const VAULT_ID: &str =
        "/subscriptions/6c9f1e0a-0d3b-4e58-9e2b-000000000001/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv-one";

    fn scope(text: &str) -> Scope {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn principal(text: &str) -> Principal {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_scope_is_what_its_id_says() {
        let id = |text: &str| ArmId::parse(text).unwrap();
        let group = VAULT_ID.split("/providers").next().unwrap();
        assert_eq!(scope(VAULT_ID), Scope::Vault(NameOrId::Id(id(VAULT_ID))));
        assert_eq!(scope(group), Scope::ResourceGroup(NameOrId::Id(id(group))));
        assert_eq!(scope("cluster/aks-mi/nodes"), Scope::ClusterNodes(NameOrId::Name("aks-mi".into())));
        assert_eq!(scope("subscription"), Scope::Subscription);
        let other = VAULT_ID.replace("KeyVault/vaults", "Storage/storageAccounts");
        assert_eq!(scope(&other), Scope::Id(id(&other)));
        let account = id(&other.replace("kv-one", "labstore"));
        assert_eq!(scope(account.as_str()), Scope::StorageAccount(NameOrId::Id(account.clone())));
        let container = Scope::Container { account: NameOrId::Id(account.clone()), name: "docs".into() };
        assert_eq!(scope(&format!("{account}/blobServices/default/containers/docs")), container);
        assert_eq!(scope("storage/labstore"), Scope::StorageAccount(NameOrId::Name("labstore".into())));
        let container = Scope::Container { account: NameOrId::Name("labstore".into()), name: "docs".into() };
        assert_eq!(scope("storage/labstore/docs"), container);
        let secret = format!("{VAULT_ID}/secrets/x");
        assert_eq!(scope(&secret), Scope::Id(id(&secret)));
    }

    #[test]
    fn a_principals_kind_is_given_or_left_to_the_directory() {
        let lower = GUID.to_ascii_lowercase();
        assert_eq!(principal(GUID), Principal::Object(lower.clone()));
        assert_eq!(principal(&format!("user/{GUID}")), Principal::User(lower.clone()));
        assert_eq!(principal(&format!("group/{GUID}")), Principal::Group(lower.clone()));
        assert_eq!(principal(&format!("service-principal/{GUID}")), Principal::ServicePrincipal(lower));
        assert_eq!(principal("user/ann@example.com"), Principal::UserName("ann@example.com".into()));
        assert_eq!(principal("group/Team A"), Principal::GroupName("Team A".into()));
        assert_eq!(principal("cluster/aks-mi"), Principal::Cluster(NameOrId::Name("aks-mi".into())));
        assert_eq!(principal("identity/one"), principal("one"));
    }

    #[test]
    fn a_wrong_form_is_answered_with_the_right_ones() {
        for text in [
            "",
            "vault",
            "vault/",
            "cluster/aks",
            "cluster/aks/pods",
            "group/a/b",
            "storage/Lab",
            "storage/labstore/a_b",
            "storage/labstore/a/b",
            "//x",
            "/subscriptions/not-a-guid",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        for text in ["", "user/me", "group/", "service-principal/", "service-principal/x", "identity/", "nobody/x", "cluster/"] {
            assert!(text.parse::<Principal>().is_err(), "{text}");
        }
        assert!("user/me".parse::<Principal>().unwrap_err().contains("object id"));
    }

    #[test]
    fn a_name_matches_an_id_that_ends_in_it() {
        assert!(NameOrId::new("KV-one").matches(&NameOrId::new(VAULT_ID)));
        assert!(!NameOrId::new(VAULT_ID).matches(&NameOrId::new(&VAULT_ID.replace("/g/", "/other/"))));
    }
}
