//! Show and list of storage accounts and their containers.

use super::{Lookup, failed, missing, owner};
use crate::{
    azure::{Container, StorageAccount, id::STORAGE_ACCOUNT},
    failure::Failure,
    output::table,
    resources::container,
    spec::reference::NameOrId,
};
use serde_json::{Value, json};

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn document(found: &StorageAccount) -> Value {
    json!({
        "name": found.id.name(), "resource_group": found.id.group_name(), "location": found.location, "kind": found.kind, "sku": found.sku,
        "blob_endpoint": found.blobs, "shared_key_access": found.shared_key_access, "public_blob_access": found.public_blobs,
        "https_only": found.https_only, "minimum_tls_version": found.minimum_tls, "id": found.id, "owner": owner(&found.tags),
    })
}

fn container_document(found: &Container) -> Value {
    json!({ "name": found.id.name(), "public_access": found.public_access, "id": found.id, "owner": container_owner(found) })
}

fn container_owner(found: &Container) -> String {
    owner(&container::tags(&found.metadata))
}

impl Lookup<'_> {
    async fn found_account(&self, name: &NameOrId, group: Option<&str>) -> Result<StorageAccount, Failure> {
        let id = self.id(STORAGE_ACCOUNT, name, group)?;
        self.azure.storage_account(&id).await.map_err(failed)?.ok_or_else(|| missing("storage account", "storage", &id))
    }

    pub(super) async fn storage_account(&self, name: &NameOrId, group: Option<&str>) -> Result<(), Failure> {
        self.record(&document(&self.found_account(name, group).await?))
    }

    pub(super) async fn storage_accounts(&self, group: Option<&str>) -> Result<(), Failure> {
        let all = self.azure.storage_accounts(&self.place(group)).await.map_err(failed)?;
        let row = |a: &StorageAccount| {
            let group = a.id.group_name().unwrap_or_default().to_owned();
            vec![a.id.name().to_owned(), group, a.location.clone(), a.sku.clone(), yes_or_no(a.shared_key_access), owner(&a.tags)]
        };
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        let shown: Vec<Value> = all.iter().map(document).collect();
        let headers = ["NAME", "GROUP", "LOCATION", "SKU", "KEY ACCESS", "OWNER"];
        let table = table::list(&headers, &rows, "there are no storage accounts", self.session.terminal.width);
        self.say(&json!({ "version": 1, "storage_accounts": shown }), table)
    }

    pub(super) async fn containers(&self, account: &NameOrId, group: Option<&str>) -> Result<(), Failure> {
        let account = self.found_account(account, group).await?;
        let all = self.azure.containers(&account.id).await.map_err(failed)?;
        let rows: Vec<Vec<String>> =
            all.iter().map(|c| vec![c.id.name().to_owned(), c.public_access.clone(), container_owner(c)]).collect();
        let shown: Vec<Value> = all.iter().map(container_document).collect();
        let table = table::list(&["NAME", "PUBLIC ACCESS", "OWNER"], &rows, "the account has no containers", self.session.terminal.width);
        self.say(&json!({ "version": 1, "account": account.id.name(), "containers": shown }), table)
    }
}
