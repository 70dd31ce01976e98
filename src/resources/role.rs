//! A role assignment, found by listing its scope. Its name derives from scope, role and principal; an equal one under another name is adopted.

use super::{
    ownership, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, PrincipalKind, RoleAssignment},
    engine::{
        fault::Fault,
        input::{Input, Outputs},
        key::Key,
        resource::{Around, Change, Diff, Kind, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
pub struct Role {
    /// A built-in role's name, a custom role's name, or a GUID.
    pub role: String,
    /// ARM id.
    pub scope: Input<String>,
    /// Object id.
    pub principal: Input<String>,
    pub principal_kind: Input<PrincipalKind>,
    /// The resource at which it holds, where that is one of this graph: the assignment goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

pub fn key(role: &str, to: &Key, scope: &str) -> Key {
    Key::of("role", [roles::slug(role).as_str(), to.as_str(), scope])
}

impl Role {
    /// The full id of the definition, qualified by the scope's subscription as Azure answers it.
    async fn definition(&self, scope: &ArmId, azure: &azure::Read) -> Result<String, Fault> {
        let guid = if is_guid(&self.role) { Some(self.role.to_ascii_lowercase()) } else { roles::guid(&self.role).map(str::to_owned) };
        if let Some(guid) = guid {
            return Ok(format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", scope.subscription_id()));
        }
        match azure.role_definition(scope, &self.role).await.map_err(Fault::cloud)? {
            Some(found) => Ok(found.id),
            None => Err(Fault::refused(
                format!("there is no role {:?} at {scope}", self.role),
                "Name a built-in role (`az role definition list --query [].roleName`), a custom role of that scope, or a role's GUID.",
            )),
        }
    }

    fn scope_id(&self) -> Result<ArmId, Fault> {
        let scope = self.scope.get()?;
        ArmId::parse(scope).ok_or_else(|| Fault::refused(format!("{scope:?} is no ARM id"), "A scope begins with /subscriptions/."))
    }
}

pub fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The last segment of a definition's id.
pub fn guid_of(definition: &str) -> &str {
    definition.rsplit('/').next().unwrap_or(definition)
}

/// The assignment of this role to this principal among those of a scope.
pub fn find<'a>(assignments: &'a [RoleAssignment], definition: &str, principal: &str) -> Option<&'a RoleAssignment> {
    assignments.iter().find(|a| {
        guid_of(&a.role_definition_id).eq_ignore_ascii_case(guid_of(definition)) && a.principal_id.eq_ignore_ascii_case(principal)
    })
}

impl Kind<Cloud> for Role {
    const KIND: &'static str = "role";
    const SIDE: Side = Side::Azure;
    type Actual = RoleAssignment;

    fn place(&self) -> Option<String> {
        let (scope, principal) = (self.scope.known()?, self.principal.known()?);
        Some(format!("{scope}|{}|{principal}", self.role).to_ascii_lowercase())
    }
    /// Azure drops the assignments at a resource's scope with the resource; those of an identity go first all the same,
    /// because a vanished identity leaves nothing to list them by.
    fn within(&self) -> Option<Key> {
        self.at.clone().filter(|k| k.kind() == "vault")
    }
    async fn observe(&self, _: Around<'_>, reader: &Reader) -> Result<Option<RoleAssignment>, Fault> {
        let (scope, principal) = (self.scope_id()?, self.principal.get()?);
        let definition = self.definition(&scope, &reader.azure).await?;
        let assignments = reader.azure.role_assignments(&scope).await.map_err(Fault::cloud)?;
        Ok(find(&assignments, &definition, principal).cloned())
    }
    fn diff(&self, around: Around<'_>, actual: &RoleAssignment) -> Diff {
        let wanted = ownership::description(around.app);
        if !around.mine(self.owner(around, actual)) || ownership::is_described(around.app, actual.description.as_deref()) {
            return Diff::Same;
        }
        Diff::Update(vec![Change { field: "description".into(), from: json!(actual.description), to: json!(wanted) }])
    }
    fn owner(&self, around: Around<'_>, actual: &RoleAssignment) -> Owner {
        ownership::described(around.app, actual.description.as_deref())
    }
    fn same(&self, recorded: &Outputs, actual: &RoleAssignment) -> bool {
        recorded.get("id").and_then(Value::as_str).is_none_or(|id| id.eq_ignore_ascii_case(&actual.id))
    }
    fn publish(&self, actual: &RoleAssignment) -> Outputs {
        [("id".into(), json!(actual.id)), ("scope".into(), json!(actual.scope)), ("principal_id".into(), json!(actual.principal_id))].into()
    }
    fn summary(&self) -> Vec<(&'static str, Value)> {
        vec![("role", json!(self.role)), ("scope", json!(self.scope)), ("principal", json!(self.principal))]
    }
    fn note(&self) -> Option<String> {
        self.note.clone()
    }
    async fn put(&self, around: Around<'_>, before: Option<RoleAssignment>, writer: &Writer) -> Result<RoleAssignment, Fault> {
        let (scope, principal) = (self.scope_id()?, self.principal.get()?);
        let definition = self.definition(&scope, &writer.look).await?;
        let name = before.map_or_else(|| roles::assignment_name(scope.as_str(), guid_of(&definition), principal), |b| b.name);
        let kind = *self.principal_kind.get()?;
        let description = ownership::description(around.app);
        writer.azure.put_role_assignment(&scope, &name, &definition, principal, kind, &description).await.map_err(Fault::cloud)
    }
    async fn remove(&self, _: Around<'_>, before: RoleAssignment, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_role_assignment(&before.id).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        let text = |input: &Input<String>| input.known().cloned().unwrap_or_default();
        vec![format!(
            "az role assignment create --role \"{}\" --assignee-object-id {} --assignee-principal-type ServicePrincipal --scope {}",
            self.role,
            text(&self.principal),
            text(&self.scope)
        )]
    }
}
