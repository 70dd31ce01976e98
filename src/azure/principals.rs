//! Asks Microsoft Graph for users and groups by name, and which of many principals exist.

use super::{DirectoryObject, Read, Result, deadline, directory::kind_of, failures::absent};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What Graph takes in one `getByIds`.
const AT_ONCE: usize = 1000;

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
}
