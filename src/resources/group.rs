//! A resource group that must be there: podid reads its location and never makes or removes one.

use super::{
    kind::Resource,
    read_only::{ReadOnly, read_only},
    world::Reader,
};
use crate::{
    azure::{self, ArmId},
    engine::{
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
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

impl ReadOnly for Group {
    const KIND: &'static str = "group";
    type Actual = azure::Group;

    async fn read(&self, reader: &Reader) -> Result<Option<azure::Group>, Fault> {
        reader.azure.group(&self.id).await.map_err(Fault::cloud)
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
}
read_only!(Group);
impl Resource for Group {}
