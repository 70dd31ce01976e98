//! Reads and writes user-assigned managed identities with azure_mgmt_msi.

use super::{
    ArmId, Error, Identity, Result, Tags,
    arm::{self, Arm},
    failures::absent,
    limits,
};
use azure_mgmt_msi::package_2023_01_31::models;
use futures::TryStreamExt;

pub async fn get(arm: &Arm, id: &ArmId) -> Result<Option<Identity>> {
    let (subscription, group, name) = arm::parts(id)?;
    let answer = arm.msi.user_assigned_identities_client().get(subscription, group, name).await;
    absent(answer.map_err(Error::from))?.map(identity).transpose()
}

pub async fn list(arm: &Arm, scope: &ArmId) -> Result<Vec<Identity>> {
    let scope = arm::checked(scope)?;
    let client = arm.msi.user_assigned_identities_client();
    let pages = match scope.group_name() {
        Some(group) => client.list_by_resource_group(scope.subscription_id(), group).into_stream(),
        None => client.list_by_subscription(scope.subscription_id()).into_stream(),
    };
    let pages: Vec<models::UserAssignedIdentitiesListResult> =
        absent(limits::list(async { pages.try_collect().await.map_err(Error::from) }).await)?.unwrap_or_default();
    pages.into_iter().flat_map(|page| page.value).map(identity).collect()
}

pub async fn put(arm: &Arm, id: &ArmId, location: &str, tags: &Tags) -> Result<Identity> {
    let (subscription, group, name) = arm::parts(id)?;
    let mut wanted = models::TrackedResource::new(location.to_owned());
    wanted.tags = Some(serde_json::json!(tags));
    let answer = arm.msi.user_assigned_identities_client().create_or_update(subscription, group, name, models::Identity::new(wanted)).await;
    identity(answer.map_err(Error::from)?)
}

pub async fn delete(arm: &Arm, id: &ArmId) -> Result<()> {
    let (subscription, group, name) = arm::parts(id)?;
    let answer = arm.msi.user_assigned_identities_client().delete(subscription, group, name).send().await;
    absent(answer.map_err(Error::from)).map(drop)
}

fn identity(found: models::Identity) -> Result<Identity> {
    let missing = |what: &str| Error::Protocol(format!("an identity without {what}"));
    let resource = found.tracked_resource;
    let properties = found.properties.ok_or_else(|| missing("properties"))?;
    let id = resource.resource.id.as_deref().and_then(ArmId::parse).ok_or_else(|| missing("an id"))?;
    Ok(Identity {
        id,
        location: resource.location,
        client_id: properties.client_id.ok_or_else(|| missing("clientId"))?,
        principal_id: properties.principal_id.ok_or_else(|| missing("principalId"))?,
        tenant_id: properties.tenant_id.unwrap_or_default(),
        tags: resource.tags.and_then(|tags| serde_json::from_value(tags).ok()).unwrap_or_default(),
    })
}
