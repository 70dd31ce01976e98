//! A storage account for blobs. It is made closed: no account keys, no public containers, TLS 1.2. One that somebody else made is only
//! changed with consent. It holds data.

use super::{
    identity::required,
    kind::{AzureRole, HintScope, Listed, Resource},
    ownership, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, NewStorageAccount, id::STORAGE_ACCOUNT},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Data, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const DEFAULT_SKU: &str = "Standard_LRS";

#[derive(Debug, Serialize, Deserialize)]
pub struct StorageAccount {
    pub id: ArmId,
    /// None where it must be there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Input<String>>,
    /// None: the default for a new account, and whatever an existing one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Actual {
    Live(azure::StorageAccount),
    /// It does not exist here, and cannot be created under its name. The text is Azure's.
    Taken(String),
}

pub const ID: Field<String> = Field::new("id");
/// The address of its blobs.
pub const BLOBS: Field<String> = Field::new("blobs");

pub fn key(name: &str) -> Key {
    Key::of(StorageAccount::KIND, [name])
}

impl StorageAccount {
    fn name(&self) -> &str {
        self.id.name()
    }

    /// The settings that differ from those of an account of podid's.
    fn differences(&self, account: &azure::StorageAccount) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut set = |field: &str, from: Value, to: Value| {
            if from != to {
                changes.push(Change { field: field.into(), from, to });
            }
        };
        set("allowSharedKeyAccess", json!(account.shared_key_access), json!(false));
        set("allowBlobPublicAccess", json!(account.public_blobs), json!(false));
        set("supportsHttpsTrafficOnly", json!(account.https_only), json!(true));
        // a later version is as good
        if account.minimum_tls.as_deref().is_none_or(|tls| tls < "TLS1_2") {
            set("minimumTlsVersion", json!(account.minimum_tls), json!("TLS1_2"));
        }
        if let Some(sku) = &self.sku {
            set("sku", json!(account.sku), json!(sku));
        }
        changes
    }

    fn taken(&self) -> (String, String) {
        (
            format!("the storage account name {} is taken: the names of storage accounts are unique in all of Azure", self.name()),
            format!(
                "Choose another name. If the account is yours, in another resource group, give its full id: `az storage account show -n {} --query id`.",
                self.name()
            ),
        )
    }
}

impl Kind<Cloud> for StorageAccount {
    const KIND: &'static str = "storageaccount";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Holder;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.id.folded())
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        if let Some(account) = reader.azure.storage_account(&self.id).await.map_err(Fault::cloud)? {
            return Ok(Some(Actual::Live(account)));
        }
        // an account that is just being created is not there yet, and has its name already
        if context.intent != Intent::Present || context.origin.is_some() {
            return Ok(None);
        }
        match reader.azure.taken_storage_name(self.id.subscription_id(), self.name()).await {
            Ok(taken) => Ok(taken.map(Actual::Taken)),
            // the question needs a right at the subscription; without it the creation tells
            Err(azure::Error::Forbidden { .. }) => Ok(None),
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let account = match actual {
            Actual::Live(account) => account,
            Actual::Taken(_) => {
                let (reason, way_out) = self.taken();
                return Diff::Refuse { reason, way_out };
            }
        };
        if account.kind == "FileStorage" {
            return Diff::Refuse {
                reason: format!("the storage account {} is of the kind FileStorage, which has no blobs", self.name()),
                way_out: "Choose another name.".to_owned(),
            };
        }
        let mut changes = self.differences(account);
        let wanted = ownership::marked(context.app, &account.tags);
        if context.mine(self.owner(context, actual)) && wanted != account.tags {
            changes.push(Change { field: "tags".into(), from: json!(account.tags), to: json!(wanted) });
        }
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        match actual {
            Actual::Live(account) => ownership::owner(context.app, &account.tags),
            Actual::Taken(_) => Owner::Unmarkable,
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let Actual::Live(account) = actual else { return Outputs::new() };
        let mut outputs: Outputs = [(ID.0.into(), json!(account.id)), ("location".into(), json!(account.location))].into();
        if let Some(blobs) = &account.blobs {
            outputs.insert(BLOBS.0.into(), json!(blobs));
        }
        outputs
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let sku = self.sku.as_deref().unwrap_or(DEFAULT_SKU);
        vec![
            ("resourceGroup", json!(self.id.group_name())),
            ("location", json!(self.location)),
            ("sku", json!(sku)),
            ("allowSharedKeyAccess", json!(false)),
        ]
    }
    fn not_found(&self) -> (String, String) {
        let group = self.id.group_name();
        (
            format!("the storage account {} does not exist in resource group {}", self.name(), group.unwrap_or("?")),
            format!("Create it: `podid storage create -g {} {}`.", group.unwrap_or("GROUP"), self.name()),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        // two runs of two apps may both have planned it: a PUT would replace the tags of the other
        let before = match before {
            Some(Actual::Live(account)) => Some(account),
            Some(Actual::Taken(_)) | None => writer.azure.storage_account(&self.id).await.map_err(Fault::cloud)?,
        };
        if let Some(account) = before {
            let foreign = matches!(ownership::owner(context.app, &account.tags), Owner::OtherApp(_));
            let wanted = ownership::marked(context.app, &account.tags);
            let tags = (context.ours == Some(true) && !foreign && wanted != account.tags).then_some(&wanted);
            let differences = self.differences(&account);
            if tags.is_none() && differences.is_empty() {
                return Ok(Actual::Live(account));
            }
            let sku = self.sku.as_deref().filter(|sku| *sku != account.sku);
            let close = differences.iter().any(|change| change.field != "sku");
            let patched = writer.azure.patch_storage_account(&self.id, sku, tags, close).await;
            return patched.map(Actual::Live).map_err(Fault::cloud);
        }
        let new = NewStorageAccount {
            id: self.id.clone(),
            location: required(self.location.as_ref())?.clone(),
            sku: self.sku.clone().unwrap_or_else(|| DEFAULT_SKU.to_owned()),
            tags: ownership::marks(context.app),
        };
        match writer.azure.put_storage_account(&new).await {
            Ok(account) => Ok(Actual::Live(account)),
            Err(azure::Error::Conflict { code, .. }) if code == "StorageAccountAlreadyTaken" => {
                let (reason, way_out) = self.taken();
                Err(Fault::refused(reason, way_out))
            }
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_storage_account(&self.id).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let Actual::Live(account) = before else { return Ok(()) };
        let tags = ownership::marked(context.app, &account.tags);
        writer.azure.patch_storage_account(&self.id, None, Some(&tags), false).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        vec![format!(
            "az storage account create -g {} -n {} --kind StorageV2 --sku {} --https-only true --min-tls-version TLS1_2 --allow-blob-public-access false --allow-shared-key-access false",
            self.id.group_name().unwrap_or_default(),
            self.name(),
            self.sku.as_deref().unwrap_or(DEFAULT_SKU)
        )]
    }
}

impl Resource for StorageAccount {
    const ARM_TYPE: Option<&'static str> = Some(STORAGE_ACCOUNT);
    /// The data has roles of its own: `Storage Blob Data Contributor` and `Storage Blob Data Reader`.
    const ROLES: &'static [AzureRole] =
        &[AzureRole { actions: "Microsoft.Storage/", reads: false, role: roles::STORAGE_ACCOUNT_CONTRIBUTOR, scope: HintScope::Group }];

    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let listed = |account: azure::StorageAccount| Listed { app: ownership::app(&account.tags), actual: json!(account) };
        Ok(azure.storage_accounts(subscription).await?.into_iter().map(listed).collect())
    }
}
