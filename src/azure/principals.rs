//! Asks Microsoft Graph for users and groups by name, and which of many principals exist.

use super::{DirectoryObject, PrincipalKind, Read, Result, arm::segment, deadline, directory::kind_of, failures::absent};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What Graph takes in one `getByIds`.
const AT_ONCE: usize = 1000;

/// A user, a group or a service principal, with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    pub id: String,
    pub kind: PrincipalKind,
    pub name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrincipalBody {
    id: String,
    #[serde(rename = "@odata.type", default)]
    of_type: String,
    display_name: Option<String>,
    user_principal_name: Option<String>,
}

impl From<PrincipalBody> for Principal {
    fn from(body: PrincipalBody) -> Self {
        let name = body.user_principal_name.or(body.display_name).unwrap_or_else(|| body.id.clone());
        Self { kind: kind_of(&body.of_type), id: body.id, name }
    }
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Read {
    /// Returns the object ids of the users with this user principal name; there is at most one.
    pub async fn users_named(&self, name: &str) -> Result<Vec<String>> {
        self.named("users", "userPrincipalName", name).await
    }

    /// Returns the object ids of the groups with this display name, which need not be unique.
    pub async fn groups_named(&self, name: &str) -> Result<Vec<String>> {
        self.named("groups", "displayName", name).await
    }

    async fn named(&self, collection: &str, field: &str, name: &str) -> Result<Vec<String>> {
        let filter = format!("{field} eq '{}'", name.replace('\'', "''"));
        let query = [("$filter", filter.as_str()), ("$select", "id")];
        let asking = self.core.arm.graph::<Named>(collection, &query);
        let found = absent(deadline::within(self.core.limit, asking).await)?;
        Ok(found.unwrap_or_default().into_iter().map(|one| one.id).collect())
    }

    /// Returns those of these object ids, in lower case, that a user, a group or a service principal has.
    pub async fn existing_principals(&self, object_ids: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        self.principals(object_ids).await.map(|found| found.into_keys().collect())
    }

    /// Returns the users, groups and service principals that have these object ids, by object id in lower case.
    pub async fn principals(&self, object_ids: &BTreeSet<String>) -> Result<BTreeMap<String, DirectoryObject>> {
        #[derive(Deserialize)]
        struct Body {
            id: String,
            #[serde(rename = "@odata.type", default)]
            of_type: String,
        }
        let all: Vec<&String> = object_ids.iter().collect();
        let mut existing = BTreeMap::new();
        for some in all.chunks(AT_ONCE) {
            let body = json!({ "ids": some, "types": ["user", "group", "servicePrincipal"] });
            let asking = self.core.arm.graph_post::<Body>("directoryObjects/getByIds", &body);
            let found = deadline::within(self.core.limit, asking).await?;
            existing.extend(found.into_iter().map(|one| (one.id.to_ascii_lowercase(), DirectoryObject { kind: kind_of(&one.of_type) })));
        }
        Ok(existing)
    }

    /// Lists the members of a group, and of the groups in it. Without the cache.
    pub async fn group_members(&self, group: &str) -> Result<Vec<Principal>> {
        // v1.0 leaves out service principals, managed identities among them; its documentation names beta as the way around
        // (https://learn.microsoft.com/graph/api/group-list-transitivemembers)
        let path = ["beta", "groups", segment(group)?, "transitiveMembers"];
        let found = absent(deadline::within(self.core.limit, self.core.arm.graph_list::<PrincipalBody>(&path)).await)?;
        let members = found.unwrap_or_default().into_iter().map(Principal::from);
        Ok(members.filter(|one| one.kind != PrincipalKind::Group).collect())
    }

    /// Lists the groups of a service principal, such as that of a managed identity, also those that it is in by another group. Without the
    /// cache. One that does not exist has none.
    pub async fn groups_of(&self, object_id: &str) -> Result<Vec<Principal>> {
        let path = ["v1.0", "servicePrincipals", segment(object_id)?, "transitiveMemberOf"];
        let found = absent(deadline::within(self.core.limit, self.core.arm.graph_list::<PrincipalBody>(&path)).await)?;
        let all = found.unwrap_or_default().into_iter().map(Principal::from);
        // beside groups there are roles of the directory
        Ok(all.filter(|one| one.kind == PrincipalKind::Group).collect())
    }

    /// Returns those of these principals that exist, with their names. Without the cache.
    pub async fn named_principals(&self, object_ids: &BTreeSet<String>) -> Result<Vec<Principal>> {
        let all: Vec<&String> = object_ids.iter().collect();
        let mut found = Vec::new();
        for some in all.chunks(AT_ONCE) {
            let body = json!({ "ids": some, "types": ["user", "group", "servicePrincipal"] });
            let asking = self.core.arm.graph_post::<PrincipalBody>("directoryObjects/getByIds", &body);
            found.extend(deadline::within(self.core.limit, asking).await?.into_iter().map(Principal::from));
        }
        Ok(found)
    }
}
