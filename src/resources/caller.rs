//! Who podid is: read off its own token. Never made, never removed.

use super::world::{Cloud, Reader, Writer};
use crate::{
    azure::{self, PrincipalKind},
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
pub struct Caller {}

pub const OBJECT_ID: Field<String> = Field::new("object_id");
pub const TENANT_ID: Field<String> = Field::new("tenant_id");
pub const PRINCIPAL_KIND: Field<PrincipalKind> = Field::new("kind");

pub fn key() -> Key {
    Key::from("caller")
}

impl Kind<Cloud> for Caller {
    const KIND: &'static str = "caller";
    const SIDE: Side = Side::Azure;
    type Actual = azure::Caller;

    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<azure::Caller>, Fault> {
        reader.azure.caller().await.map(Some).map_err(Fault::cloud)
    }
    fn diff(&self, _: NodeContext<'_>, _: &azure::Caller) -> Diff {
        Diff::Same
    }
    fn owner(&self, _: NodeContext<'_>, _: &azure::Caller) -> Owner {
        Owner::Unmarked
    }
    fn publish(&self, actual: &azure::Caller) -> Outputs {
        [
            (OBJECT_ID.0.into(), json!(actual.object_id)),
            (TENANT_ID.0.into(), json!(actual.tenant_id)),
            (PRINCIPAL_KIND.0.into(), json!(actual.kind)),
        ]
        .into()
    }
    async fn put(&self, _: NodeContext<'_>, _: Option<azure::Caller>, _: &Writer) -> Result<azure::Caller, Fault> {
        Err(Fault::Bug("the caller cannot be made".into()))
    }
    async fn remove(&self, _: NodeContext<'_>, _: azure::Caller, _: &Writer) -> Result<(), Fault> {
        Ok(())
    }
}
