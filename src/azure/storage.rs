//! Reads and writes storage accounts and their blob containers, both at the control plane: that needs neither a key of the account nor a
//! role on its data. No generated crate has their current API version.

use super::{
    ArmId, Error, Read, Result, Tags, Write, arm, deadline,
    failures::absent,
    hosts,
    id::STORAGE_ACCOUNT,
    operations::{self, Target},
    wait::{Poll, REPLICATION},
};
use ::http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const VERSION: &str = "2025-08-01";
/// The one blob service of an account, and the type of its containers.
const CONTAINERS: [&str; 3] = ["blobServices", "default", "containers"];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StorageAccount {
    pub id: ArmId,
    pub location: String,
    /// Such as `StorageV2`.
    pub kind: String,
    /// Such as `Standard_LRS`.
    pub sku: String,
    /// Whether the account's keys open it. An account whose document does not say so accepts them.
    pub shared_key_access: bool,
    pub minimum_tls: Option<String>,
    /// Whether its containers may be opened to everybody.
    pub public_blobs: bool,
    pub https_only: bool,
    /// The address of its blobs, with a trailing slash.
    pub blobs: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

/// The settings that podid gives to an account, new or not.
fn closed() -> Value {
    json!({
        "allowSharedKeyAccess": false,
        "allowBlobPublicAccess": false,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": true,
    })
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewStorageAccount {
    pub id: ArmId,
    pub location: String,
    pub sku: String,
    pub tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub id: ArmId,
    /// `None`, `Blob` or `Container`.
    pub public_access: String,
    /// A legal hold or an immutability policy forbids its deletion.
    pub held: bool,
    #[serde(default)]
    pub metadata: Tags,
}

/// Returns the id of a container of an account.
pub fn container_id(account: &ArmId, name: &str) -> ArmId {
    account.child("blobServices", "default").child("containers", name)
}

impl Read {
    pub async fn storage_account(&self, id: &ArmId) -> Result<Option<StorageAccount>> {
        let found: Option<AccountBody> = self.resource(id, VERSION).await?;
        Ok(found.map(StorageAccount::from))
    }

    /// `scope`: a group's or a subscription's id.
    pub async fn storage_accounts(&self, scope: &ArmId) -> Result<Vec<StorageAccount>> {
        let found: Vec<AccountBody> = self.resources(scope, STORAGE_ACCOUNT, VERSION).await?;
        Ok(found.into_iter().map(StorageAccount::from).collect())
    }

    /// Returns why a new account cannot have this name; None if it can. Names are unique in all of Azure.
    pub async fn taken_storage_name(&self, subscription: &str, name: &str) -> Result<Option<String>> {
        let more = ["providers", "Microsoft.Storage", "checkNameAvailability"];
        let url = arm::url(&ArmId::subscription(subscription), &more, VERSION)?;
        let body = json!({ "name": name, "type": STORAGE_ACCOUNT });
        let asking = self.core.arm.exchange(Method::POST, url, Some(&body));
        let answer = deadline::within(self.core.limit, asking).await?;
        let found: Availability = arm::parsed(hosts::ARM, &answer.body)?;
        Ok((!found.name_available).then(|| found.message.or(found.reason).unwrap_or_default()))
    }

    pub async fn container(&self, id: &ArmId) -> Result<Option<Container>> {
        let found: Option<ContainerBody> = self.resource(id, VERSION).await?;
        Ok(found.map(Container::from))
    }

    /// Lists the containers of an account; empty if it does not exist.
    pub async fn containers(&self, account: &ArmId) -> Result<Vec<Container>> {
        let asking = self.core.arm.nested(account, &CONTAINERS, VERSION);
        let found: Vec<ContainerBody> = absent(deadline::within(self.core.limit, asking).await)?.unwrap_or_default();
        Ok(found.into_iter().map(Container::from).collect())
    }
}

impl Write {
    /// Reads an account past all caches.
    pub async fn storage_account(&self, id: &ArmId) -> Result<Option<StorageAccount>> {
        let body = self.call(self.core.arm.body(id, VERSION)).await;
        absent(body)?.map(|body| arm::parsed::<AccountBody>(hosts::ARM, &body).map(StorageAccount::from)).transpose()
    }

    /// Creates an account and waits until Azure has set it up.
    pub async fn put_storage_account(&self, new: &NewStorageAccount) -> Result<StorageAccount> {
        let wanted = json!({
            "location": new.location, "kind": "StorageV2", "sku": { "name": new.sku }, "tags": new.tags, "properties": closed(),
        });
        let what = format!("the storage account {}", new.id.name());
        let target = Target { id: &new.id, version: VERSION, what: &what };
        let made: AccountBody = self.call(operations::put(&self.core.arm, &self.patience, target, None, &wanted)).await?;
        Ok(made.into())
    }

    /// Changes an account by PATCH, which leaves everything else as it is. What is None stays, too.
    pub async fn patch_storage_account(&self, id: &ArmId, sku: Option<&str>, tags: Option<&Tags>, close: bool) -> Result<StorageAccount> {
        let mut wanted = serde_json::Map::new();
        wanted.extend(sku.map(|sku| ("sku".to_owned(), json!({ "name": sku }))));
        wanted.extend(tags.map(|tags| ("tags".to_owned(), json!(tags))));
        wanted.extend(close.then(|| ("properties".to_owned(), closed())));
        let what = format!("the storage account {}", id.name());
        let target = Target { id, version: VERSION, what: &what };
        let body: AccountBody = self.call(operations::patch(&self.core.arm, &self.patience, target, &wanted)).await?;
        Ok(body.into())
    }

    pub async fn delete_storage_account(&self, id: &ArmId) -> Result<()> {
        let what = format!("the storage account {}", id.name());
        self.call(operations::delete(&self.core.arm, &self.patience, Target { id, version: VERSION, what: &what })).await
    }

    /// Creates a private container. The name of one that was just deleted is free only after a while.
    pub async fn put_container(&self, id: &ArmId, metadata: &Tags) -> Result<Container> {
        let wanted = json!({ "properties": { "publicAccess": "None", "metadata": metadata } });
        let what = format!("the container {}", id.name());
        let made: ContainerBody = self
            .call(self.patience.until(&what, REPLICATION, || async {
                match self.core.arm.put(id, VERSION, &wanted).await {
                    Err(Error::Conflict { code, .. }) if code == "ContainerBeingDeleted" => {
                        Ok(Poll::Wait(format!("waiting for the deletion of the former container {} to end", id.name())))
                    }
                    other => other.map(Poll::Done),
                }
            }))
            .await?;
        Ok(made.into())
    }

    /// Sets the metadata of a container, and closes it to the public if `close` says so.
    pub async fn patch_container(&self, id: &ArmId, metadata: &Tags, close: bool) -> Result<Container> {
        let mut properties = json!({ "metadata": metadata });
        if close {
            properties["publicAccess"] = json!("None");
        }
        let what = format!("the container {}", id.name());
        let target = Target { id, version: VERSION, what: &what };
        let wanted = json!({ "properties": properties });
        let body: ContainerBody = self.call(operations::patch(&self.core.arm, &self.patience, target, &wanted)).await?;
        Ok(body.into())
    }

    pub async fn delete_container(&self, id: &ArmId) -> Result<()> {
        let what = format!("the container {}", id.name());
        self.call(operations::delete(&self.core.arm, &self.patience, Target { id, version: VERSION, what: &what })).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    name_available: bool,
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct AccountBody {
    id: ArmId,
    #[serde(default)]
    location: String,
    #[serde(default)]
    kind: String,
    sku: Option<Sku>,
    #[serde(default)]
    tags: Option<Tags>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize)]
struct Sku {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    allow_shared_key_access: Option<bool>,
    allow_blob_public_access: Option<bool>,
    minimum_tls_version: Option<String>,
    supports_https_traffic_only: Option<bool>,
    primary_endpoints: Option<Endpoints>,
}

#[derive(Deserialize)]
struct Endpoints {
    blob: Option<String>,
}

impl From<AccountBody> for StorageAccount {
    fn from(body: AccountBody) -> Self {
        let p = body.properties;
        Self {
            id: body.id,
            location: body.location,
            kind: body.kind,
            sku: body.sku.map(|sku| sku.name).unwrap_or_default(),
            shared_key_access: p.allow_shared_key_access.unwrap_or(true),
            minimum_tls: p.minimum_tls_version,
            public_blobs: p.allow_blob_public_access.unwrap_or(false),
            https_only: p.supports_https_traffic_only.unwrap_or(true),
            blobs: p.primary_endpoints.and_then(|all| all.blob),
            tags: body.tags.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
struct ContainerBody {
    id: ArmId,
    #[serde(default)]
    properties: ContainerProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerProperties {
    public_access: Option<String>,
    has_legal_hold: Option<bool>,
    has_immutability_policy: Option<bool>,
    metadata: Option<Tags>,
}

impl From<ContainerBody> for Container {
    fn from(body: ContainerBody) -> Self {
        let p = body.properties;
        Self {
            id: body.id,
            public_access: p.public_access.unwrap_or_else(|| "None".to_owned()),
            held: p.has_legal_hold == Some(true) || p.has_immutability_policy == Some(true),
            metadata: p.metadata.unwrap_or_default(),
        }
    }
}
