//! A private blob container of a storage account. It has no tags, so podid's marks are in its metadata. It is data.

use super::{
    kind::{Listed, Resource},
    ownership,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, Tags, container_id},
    engine::{
        fault::Fault,
        input::{Field, Input, Outputs},
        key::Key,
        resource::{Change, Data, Diff, Kind, NodeContext, Owner, Side},
    },
};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Container {
    /// ARM id of the account.
    pub account: Input<String>,
    pub account_key: Key,
    pub name: String,
}

pub const ID: Field<String> = Field::new("id");

pub fn key(account: &str, name: &str) -> Key {
    Key::of(Container::KIND, [account, name])
}

/// How many accounts are listed at once.
const AT_ONCE: usize = 8;

/// The metadata as tags: its names are identifiers, which have no `-`.
pub fn tags(metadata: &Tags) -> Tags {
    metadata.iter().map(|(name, value)| (name.replace('_', "-"), value.clone())).collect()
}

/// The metadata of others, and podid's marks.
fn marked(app: &str, metadata: &Tags) -> Tags {
    let mut all = metadata.clone();
    for (name, value) in ownership::marks(app) {
        let name = name.replace('-', "_");
        let known = all.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned();
        all.insert(known.unwrap_or(name), value);
    }
    all
}

impl Container {
    fn id(&self) -> Result<ArmId, Fault> {
        let account = self.account.get()?;
        let account = ArmId::parse(account).ok_or_else(|| Fault::State(format!("{account:?} is not the id of a storage account")))?;
        Ok(container_id(&account, &self.name))
    }
}

impl Kind<Cloud> for Container {
    const KIND: &'static str = "container";
    const SIDE: Side = Side::Azure;
    const DATA: Data = Data::Content;
    type Actual = azure::Container;

    fn place(&self) -> Option<String> {
        self.account.known().map(|account| format!("{account}|{}", self.name).to_ascii_lowercase())
    }
    fn parent(&self) -> Option<Key> {
        Some(self.account_key.clone())
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<azure::Container>, Fault> {
        reader.azure.container(&self.id()?).await.map_err(Fault::cloud)
    }
    fn diff(&self, context: NodeContext<'_>, actual: &azure::Container) -> Diff {
        let mut changes = Vec::new();
        if actual.public_access != "None" {
            changes.push(Change { field: "publicAccess".into(), from: json!(actual.public_access), to: json!("None") });
        }
        let wanted = marked(context.app, &actual.metadata);
        if context.mine(self.owner(context, actual)) && wanted != actual.metadata {
            changes.push(Change { field: "metadata".into(), from: json!(actual.metadata), to: json!(wanted) });
        }
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &azure::Container) -> Owner {
        ownership::owner(context.app, &tags(&actual.metadata))
    }
    fn deletion_blocker(&self, actual: &azure::Container) -> Option<String> {
        actual.held.then(|| "a legal hold or an immutability policy forbids its deletion".to_owned())
    }
    fn publish(&self, actual: &azure::Container) -> Outputs {
        [(ID.0.into(), json!(actual.id))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("publicAccess", json!("None"))]
    }
    fn not_found(&self) -> (String, String) {
        let account = self.account_key.names();
        (
            format!("the container {} is not in the storage account {account}", self.name),
            format!("Create it: `podid storage container create {} --account {account}`.", self.name),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<azure::Container>, writer: &Writer) -> Result<azure::Container, Fault> {
        let id = self.id()?;
        let written = match before {
            None => writer.azure.put_container(&id, &marked(context.app, &Tags::new())).await,
            Some(before) => {
                let ours = context.ours == Some(true);
                let metadata = if ours { marked(context.app, &before.metadata) } else { before.metadata };
                writer.azure.patch_container(&id, &metadata, true).await
            }
        };
        written.map_err(Fault::cloud)
    }
    async fn remove(&self, _: NodeContext<'_>, _: azure::Container, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_container(&self.id()?).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: azure::Container, writer: &Writer) -> Result<(), Fault> {
        let metadata = marked(context.app, &before.metadata);
        writer.azure.patch_container(&self.id()?, &metadata, false).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let account = self.account_key.names();
        vec![format!("az storage container-rm create --storage-account {account} -n {} --public-access off", self.name)]
    }
}

impl Resource for Container {
    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let accounts = azure.storage_accounts(subscription).await?;
        let mut all = Vec::new();
        for some in accounts.chunks(AT_ONCE) {
            let lists = try_join_all(some.iter().map(|account| azure.containers(&account.id))).await?;
            all.extend(lists.into_iter().flatten());
        }
        let listed = |one: azure::Container| Listed { app: ownership::app(&tags(&one.metadata)), actual: json!(one) };
        Ok(all.into_iter().map(listed).collect())
    }
}

/// The id of the account in which a container lies.
pub fn account_of(container: &ArmId) -> Option<ArmId> {
    container.parent()?.parent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_a_container_are_identifiers() {
        let others: Tags = [("team".to_owned(), "claims".to_owned()), ("Podid_App".to_owned(), "shop".to_owned())].into();
        let mine = marked("claims", &others);
        assert!(mine.keys().all(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')), "{mine:?}");
        assert_eq!(ownership::owner("claims", &tags(&mine)), Owner::Ours);
        assert_eq!(ownership::owner("shop", &tags(&mine)), Owner::OtherApp("claims".into()));
        assert_eq!((mine["team"].as_str(), mine.len()), ("claims", 3));
    }

    #[test]
    fn a_container_knows_its_account() {
        let account = ArmId::resource("s", "g", crate::azure::id::STORAGE_ACCOUNT, "labstore");
        let id = container_id(&account, "docs");
        assert_eq!(account_of(&id), Some(account));
        assert!(id.is_kind(crate::azure::id::CONTAINER));
    }
}
