//! A principal that was named by its object id alone. The directory says whether it is a user, a group or a service principal; podid only
//! reads it.

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
pub struct Principal {
    pub object_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub kind: PrincipalKind,
    /// Why the kind is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

pub const KIND: Field<PrincipalKind> = Field::new("kind");

pub fn key(object_id: &str) -> Key {
    Key::of("principal", [object_id])
}

impl ReadOnly for Principal {
    const KIND: &'static str = "principal";
    type Actual = Actual;

    async fn read(&self, reader: &Reader) -> Result<Option<Actual>, Fault> {
        match reader.azure.directory_object(&self.object_id).await {
            Ok(Some(found)) => Ok(Some(Actual { kind: found.kind, unread: None })),
            Ok(None) => match reader.azure.service_principal(&self.object_id).await.map_err(Fault::cloud)? {
                Some(found) => Err(is_client_id(&self.object_id, &found)),
                None => Ok(None),
            },
            // Azure looks the kind up by itself where a role assignment does not say it
            Err(error @ (azure::Error::Forbidden { .. } | azure::Error::LoginRefused { .. } | azure::Error::Unreachable { .. })) => {
                Ok(Some(Actual { kind: PrincipalKind::Unknown, unread: Some(error.to_string()) }))
            }
            Err(error) => Err(Fault::cloud(error)),
        }
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [(KIND.0.into(), json!(actual.kind))].into()
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let note = |why: &String| {
            format!(
                "could not read from the directory whether {id} is a user, a group or a service principal ({why}); write `service-principal/{id}` (or `user/`, `group/`) to skip the question",
                id = self.object_id
            )
        };
        actual.unread.iter().map(note).collect()
    }
    fn not_found(&self) -> (String, String) {
        (
            format!("no user, group or service principal of this tenant has the object id {}", self.object_id),
            format!(
                "Look it up: `az ad sp show --id CLIENT-ID --query id -o tsv` (or `az ad user show`, `az ad group show`). For a principal that the directory does not show, write `service-principal/{}`.",
                self.object_id
            ),
        )
    }
}
read_only!(Principal);
impl Resource for Principal {}

/// The two ids of a service principal are easily mixed up; Azure would take the wrong one and the role would never count.
fn is_client_id(given: &str, found: &azure::ServicePrincipal) -> Fault {
    let name = found.display_name.as_deref().unwrap_or("a service principal");
    Fault::refused(
        format!("{given} is the client id (application id) of {name}, not its object id"),
        format!("Give its object id: `--to {}`.", found.object_id),
    )
}
