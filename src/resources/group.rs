//! A resource group. One that exists is used as it is; one that podid created is deleted only when nothing else is left in it.

use super::{
    kind::{Listed, Resource},
    ownership,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    pub id: ArmId,
    /// None: it must exist already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    #[serde(flatten)]
    pub group: azure::Group,
    /// What is in it and does not carry this app's marks. Only looked at when it is to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
}

pub const LOCATION: Field<String> = Field::new("location");

pub fn key(id: &ArmId) -> Key {
    Key::of("group", [id.name()])
}

impl Group {
    fn actual(group: azure::Group) -> Actual {
        Actual { group, foreign: Vec::new() }
    }
}

fn tags(group: &azure::Group) -> azure::Tags {
    group.tags.clone().unwrap_or_default()
}

impl Kind<Cloud> for Group {
    const KIND: &'static str = "group";
    const SIDE: Side = Side::Azure;
    const CONTAINS_DEPENDENTS: bool = true;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        Some(self.id.folded())
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let Some(group) = reader.azure.group(&self.id).await.map_err(Fault::cloud)? else { return Ok(None) };
        let mut actual = Self::actual(group);
        if context.intent == Intent::Absent && ownership::owner(context.app, &tags(&actual.group)) == Owner::Ours {
            let content = reader.azure.group_content(&self.id).await.map_err(Fault::cloud)?;
            let foreign =
                content.into_iter().filter(|one| ownership::owner(context.app, &one.tags.clone().unwrap_or_default()) != Owner::Ours);
            actual.foreign = foreign.map(|one| format!("{} ({})", one.id.name(), one.kind)).collect();
        }
        Ok(Some(actual))
    }
    /// The location of a group is only where its own record is kept, and cannot change.
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let tags = tags(&actual.group);
        let wanted = ownership::marked(context.app, &tags);
        if !context.mine(self.owner(context, actual)) || wanted == tags {
            return Diff::Same;
        }
        Diff::Update(vec![Change { field: "tags".into(), from: json!(tags), to: json!(wanted) }])
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        ownership::owner(context.app, &tags(&actual.group))
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [(LOCATION.0.into(), json!(actual.group.location)), ("id".into(), json!(actual.group.id))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("location", json!(self.location))]
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        let more = actual.foreign.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        actual.foreign.first().map(|first| format!("{first}{more} in it is not podid's"))
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the resource group {} does not exist in subscription {}", self.id.name(), self.id.subscription_id()),
            format!("Create it (`podid group create -n {} -l LOCATION`), or name another one with `-g`.", self.id.name()),
        )
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        // a PUT replaces all tags, and another run may have created the group since
        let before = match before {
            Some(before) => Some(before.group),
            None => writer.azure.group(&self.id).await.map_err(Fault::cloud)?,
        };
        let (location, tags) = match &before {
            Some(before) if context.ours != Some(true) => return Ok(Self::actual(before.clone())),
            Some(before) => (before.location.clone(), tags(before)),
            None => {
                let location = self.location.clone();
                (location.ok_or_else(|| Fault::Bug("a group that must exist already was to be created".into()))?, azure::Tags::new())
            }
        };
        let group = writer.azure.put_group(&self.id, &location, &ownership::marked(context.app, &tags)).await;
        group.map(Self::actual).map_err(Fault::cloud)
    }
    /// Deleting a group deletes everything in it, so it is looked at once more.
    async fn remove(&self, _: NodeContext<'_>, _: Actual, writer: &Writer) -> Result<(), Fault> {
        let content = writer.azure.remaining_content(&self.id).await.map_err(Fault::cloud)?;
        if let Some(first) = content.first() {
            return Err(Fault::refused(
                format!("the resource group {} is not empty: it holds {} ({})", self.id.name(), first.id.name(), first.kind),
                format!(
                    "Look at it with `az resource list -g {} -o table`, and run the same command again when it is empty.",
                    self.id.name()
                ),
            ));
        }
        writer.azure.delete_group(&self.id).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        let tags = ownership::marked(context.app, &tags(&before.group));
        writer.azure.put_group(&self.id, &before.group.location, &tags).await.map(drop).map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("az group create -n {} -l {}", self.id.name(), self.location.as_deref().unwrap_or_default())]
    }
}

impl Resource for Group {
    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let listed = |group: azure::Group| Listed { app: ownership::app(&tags(&group)), actual: json!(group) };
        Ok(azure.groups(subscription).await?.into_iter().map(listed).collect())
    }
    fn made_of(listed: &Listed) -> Option<(Key, Self)> {
        let group = azure::Group::deserialize(&listed.actual).ok()?;
        Some((key(&group.id), Self { id: group.id, location: Some(group.location) }))
    }
}
