//! A principal that the directory has to be asked for: one that was named by its object id alone, of which the directory says whether it is
//! a user, a group or a service principal, and a user or group that was named by its name. podid only reads it.

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
#[serde(rename_all = "snake_case")]
pub enum Principal {
    ObjectId(String),
    /// By user principal name.
    User(String),
    /// By display name.
    Group(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub kind: PrincipalKind,
    #[serde(default)]
    pub object_id: String,
    /// Why the kind is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

pub const KIND: Field<PrincipalKind> = Field::new("kind");
pub const OBJECT_ID: Field<String> = Field::new("object_id");

pub fn key(object_id: &str) -> Key {
    Key::of("principal", [object_id])
}

/// The key of a principal that was named: `of` is `user` or `group`. A guest's name has a `#`, with which a reference ends its key.
pub fn key_by_name(of: &str, name: &str) -> Key {
    Key::of("principal", [of, name.replace('#', "_").as_str()])
}

/// The object id of a user or group by its name; None: there is no such one.
pub async fn object_id(named: &Principal, azure: &azure::Read) -> Result<Option<String>, Fault> {
    let (of, name, found) = match named {
        Principal::ObjectId(id) => return Ok(Some(id.clone())),
        Principal::User(name) => ("user", name, azure.users_named(name).await),
        Principal::Group(name) => ("group", name, azure.groups_named(name).await),
    };
    let mut ids = match found {
        Ok(ids) => ids,
        Err(error @ azure::Error::Forbidden { .. }) => {
            return Err(Fault::refused(
                format!("podid may not read the {of} {name} from the directory: {error}"),
                format!("Give its object id, `{of}/GUID`: `az ad {of} show` prints it for those who may read the directory."),
            ));
        }
        Err(error) => return Err(Fault::cloud(error)),
    };
    match ids.len() {
        0 | 1 => Ok(ids.pop()),
        _ => Err(Fault::refused(
            format!("more than one {of} is called {name}: {}", ids.join(", ")),
            format!("Give the object id of one: `{of}/{}`.", ids.first().map_or("GUID", String::as_str)),
        )),
    }
}

impl ReadOnly for Principal {
    const KIND: &'static str = "principal";
    type Actual = Actual;

    async fn read(&self, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let kind = match self {
            Self::ObjectId(id) => return read_by_id(id, reader).await,
            Self::User(_) => PrincipalKind::User,
            Self::Group(_) => PrincipalKind::Group,
        };
        let found = object_id(self, &reader.azure).await?;
        Ok(found.map(|object_id| Actual { kind, object_id, unread: None }))
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        [(KIND.0.into(), json!(actual.kind)), (OBJECT_ID.0.into(), json!(actual.object_id))].into()
    }
    fn notes(&self, actual: &Actual) -> Vec<String> {
        let note = |why: &String| {
            format!(
                "could not read from the directory whether {id} is a user, a group or a service principal ({why}); write `service-principal/{id}` (or `user/`, `group/`) to skip the question",
                id = actual.object_id
            )
        };
        actual.unread.iter().map(note).collect()
    }
    fn not_found(&self) -> (String, String) {
        match self {
            Self::ObjectId(id) => (
                format!("no user, group or service principal of this tenant has the object id {id}"),
                format!(
                    "Look it up: `az ad sp show --id CLIENT-ID --query id -o tsv` (or `az ad user show`, `az ad group show`). For a principal that the directory does not show, write `service-principal/{id}`."
                ),
            ),
            Self::User(name) => (
                format!("no user of this tenant has the user principal name {name}"),
                "List those with a similar name: `az ad user list --query \"[].userPrincipalName\"`; or give the object id, `user/GUID`."
                    .to_owned(),
            ),
            Self::Group(name) => (
                format!("no group of this tenant has the display name {name}"),
                "List the groups: `az ad group list --query \"[].displayName\"`; or give the object id, `group/GUID`.".to_owned(),
            ),
        }
    }
}
read_only!(Principal);
impl Resource for Principal {}

async fn read_by_id(id: &str, reader: &Reader) -> Result<Option<Actual>, Fault> {
    let object_id = id.to_owned();
    match reader.azure.directory_object(id).await {
        Ok(Some(found)) => Ok(Some(Actual { kind: found.kind, object_id, unread: None })),
        Ok(None) => match reader.azure.service_principal(id).await.map_err(Fault::cloud)? {
            Some(found) => Err(is_client_id(id, &found)),
            None => Ok(None),
        },
        // Azure looks the kind up by itself where a role assignment does not say it
        Err(error @ (azure::Error::Forbidden { .. } | azure::Error::LoginRefused { .. } | azure::Error::Unreachable { .. })) => {
            Ok(Some(Actual { kind: PrincipalKind::Unknown, object_id, unread: Some(error.to_string()) }))
        }
        Err(error) => Err(Fault::cloud(error)),
    }
}

/// The two ids of a service principal are easily mixed up; Azure would take the wrong one and the role would never count.
fn is_client_id(given: &str, found: &azure::ServicePrincipal) -> Fault {
    let name = found.display_name.as_deref().unwrap_or("a service principal");
    Fault::refused(
        format!("{given} is the client id (application id) of {name}, not its object id"),
        format!("Give its object id: `--to {}`.", found.object_id),
    )
}
