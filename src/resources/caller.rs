//! The principal that podid is logged in as, read from its own token. It is never made or removed.

use super::{
    kind::Resource,
    read_only::{ReadOnly, read_only},
    world::Reader,
};
use crate::{
    azure::{self, PrincipalKind},
    engine::{
        fault::Fault,
        input::{Field, Outputs},
        key::Key,
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

impl ReadOnly for Caller {
    const KIND: &'static str = "caller";
    type Actual = azure::Caller;

    async fn read(&self, reader: &Reader) -> Result<Option<azure::Caller>, Fault> {
        reader.azure.caller().await.map(Some).map_err(Fault::cloud)
    }
    fn publish(&self, actual: &azure::Caller) -> Outputs {
        [
            (OBJECT_ID.0.into(), json!(actual.object_id)),
            (TENANT_ID.0.into(), json!(actual.tenant_id)),
            (PRINCIPAL_KIND.0.into(), json!(actual.kind)),
        ]
        .into()
    }
}
read_only!(Caller);
impl Resource for Caller {}
