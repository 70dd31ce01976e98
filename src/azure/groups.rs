//! Reads and writes resource groups.

use super::{
    ArmId, Error, Group, GroupContent, Read, Result, Tags, Write,
    arm::{self, Arm},
    deadline,
    failures::absent,
    hosts,
    operations::{self, Target},
    wait::{Poll, REPLICATION, Waiter},
};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::sync::Mutex;

const VERSION: &str = "2021-04-01";
/// For how long a list of a group's resources may have one that does not exist any more.
const LISTED: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedGroup {
    #[serde(flatten)]
    group: Group,
    managed_by: Option<String>,
}

impl Read {
    pub async fn group(&self, id: &ArmId) -> Result<Option<Group>> {
        self.resource(id, VERSION).await
    }

    /// Lists the groups of a subscription, without those that a service manages: AKS gives its node resource groups the tags of the cluster.
    pub async fn groups(&self, subscription: &ArmId) -> Result<Vec<Group>> {
        let listed: Vec<ListedGroup> = deadline::within(self.limit(), self.arm().below(subscription, "resourcegroups", VERSION)).await?;
        Ok(listed.into_iter().filter(|listed| listed.managed_by.is_none()).map(|listed| listed.group).collect())
    }

    /// Lists what is in a group, without the caches: podid asks for it only before a deletion.
    pub async fn group_content(&self, id: &ArmId) -> Result<Vec<GroupContent>> {
        deadline::within(self.limit(), content(self.arm(), id)).await
    }
}

impl Write {
    /// Reads a group past all caches.
    pub async fn group(&self, id: &ArmId) -> Result<Option<Group>> {
        self.call(get(&self.core.arm, id)).await
    }

    /// Lists what is in a group past all caches. The list still has what was deleted a moment ago: where it is not empty, it is asked for again
    /// for a while.
    pub async fn remaining_content(&self, id: &ArmId) -> Result<Vec<GroupContent>> {
        let patience = Waiter { limit: LISTED.min(self.core.limit), on_wait: self.patience.on_wait.clone() };
        let last = Mutex::new(Vec::new());
        let listed = || async {
            let found = content(&self.core.arm, id).await?;
            let Some(first) = found.first() else { return Ok(Poll::Done(())) };
            let text = format!("waiting until the resource group {} no longer lists {}", id.name(), first.id.name());
            *last.lock().await = found;
            Ok(Poll::Wait(text))
        };
        match self.call(patience.until(&format!("the resource group {}", id.name()), REPLICATION, listed)).await {
            Ok(()) => Ok(Vec::new()),
            Err(Error::NotYet { .. }) => Ok(last.into_inner()),
            Err(error) => Err(error),
        }
    }

    /// Creates a group, or replaces its tags.
    pub async fn put_group(&self, id: &ArmId, location: &str, tags: &Tags) -> Result<Group> {
        self.call(self.core.arm.put(id, VERSION, &json!({ "location": location, "tags": tags }))).await
    }

    /// Deletes a group with everything in it, and waits for that.
    pub async fn delete_group(&self, id: &ArmId) -> Result<()> {
        let what = format!("the resource group {}", id.name());
        let target = Target { id, version: VERSION, what: &what };
        self.call(operations::delete(&self.core.arm, &self.patience, target)).await
    }
}

async fn get(arm: &Arm, id: &ArmId) -> Result<Option<Group>> {
    absent(arm.body(id, VERSION).await)?.map(|body| arm::parsed(hosts::ARM, &body)).transpose()
}

/// Lists the resources of a group; those that only exist in another one (`…/locks`) are not among them.
async fn content(arm: &Arm, id: &ArmId) -> Result<Vec<GroupContent>> {
    Ok(absent(arm.below(id, "resources", VERSION).await)?.unwrap_or_default())
}
