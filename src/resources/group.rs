//! A resource group that must be there: podid reads its location and never makes or removes one.

use super::world::{Cloud, Reader, Writer};
use crate::{
    azure::{self, ArmId},
    engine::{
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
        resource::{Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Serialize, Deserialize)]
pub struct Group {
    pub id: ArmId,
}

pub const LOCATION: Field<String> = Field::new("location");

pub fn key(id: &ArmId) -> Key {
    Key::of("group", [id.name()])
}

impl Kind<Cloud> for Group {
    const KIND: &'static str = "group";
    const SIDE: Side = Side::Azure;
    type Actual = azure::Group;

    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<azure::Group>, Fault> {
        reader.azure.group(&self.id).await.map_err(Fault::cloud)
    }
    fn diff(&self, _: NodeContext<'_>, _: &azure::Group) -> Diff {
        Diff::Same
    }
    fn owner(&self, _: NodeContext<'_>, _: &azure::Group) -> Owner {
        Owner::Unmarked
    }
    fn publish(&self, actual: &azure::Group) -> Outputs {
        [(LOCATION.0.into(), json!(actual.location)), ("id".into(), json!(actual.id))].into()
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("the resource group {} does not exist in subscription {}", self.id.name(), self.id.subscription_id()),
            format!("Create it (`az group create -n {} -l LOCATION`), or name another one with `-g`.", self.id.name()),
        )
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<azure::Group>, _: &Writer) -> Result<azure::Group, Fault> {
        Err(Fault::Bug("podid makes no resource groups".into()))
    }
    async fn remove(&self, _: NodeContext<'_>, _: azure::Group, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
}
