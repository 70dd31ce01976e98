//! A role assignment on a vault in place of an access policy, made by `podid vault migrate-to-rbac`. Most policies are not podid's, so the
//! assignments are not an app's either: they carry no marks, and `down` keeps them. Where the policy is a grant of an app, the assignment
//! carries that app's marks, and the grant has it from then on (`migrated`).

use super::{
    kind::Resource,
    ownership, role, roles,
    world::{Cloud, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, PrincipalKind, RoleAssignment},
    engine::{
        fault::Fault,
        input::Outputs,
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRole {
    pub vault: ArmId,
    /// Object id.
    pub principal: String,
    pub principal_kind: PrincipalKind,
    /// The name of a built-in role.
    pub role: String,
    /// The app whose grant it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_app: Option<String>,
    /// The permissions of the policy.
    pub replaces: String,
    /// What the role gives beside them; empty: nothing.
    #[serde(default)]
    pub more: String,
}

/// The description of an assignment that is no app's.
const DESCRIPTION: &str = "replaces an access policy (podid vault migrate-to-rbac)";

impl PolicyRole {
    pub fn key(&self) -> Key {
        Key::of(Self::KIND, [self.vault.name(), self.principal.as_str(), roles::slug(&self.role).as_str()])
    }

    pub fn guid(&self) -> &'static str {
        roles::guid(&self.role).unwrap_or_default()
    }

    fn description(&self) -> String {
        self.of_app.as_deref().map_or_else(|| DESCRIPTION.to_owned(), ownership::description)
    }
}

impl Kind<Cloud> for PolicyRole {
    const KIND: &'static str = "policyrole";
    const SIDE: Side = Side::Azure;
    type Actual = RoleAssignment;

    fn place(&self) -> Option<String> {
        Some(self.vault.folded())
    }
    async fn observe(&self, _: NodeContext<'_>, reader: &Reader) -> Result<Option<RoleAssignment>, Fault> {
        let all = reader.azure.role_assignments_of(&self.vault, &self.principal).await.map_err(Fault::cloud)?;
        Ok(role::find(&all, self.guid(), &self.principal).cloned())
    }
    /// An assignment with a condition gives less than the policy did.
    fn diff(&self, _: NodeContext<'_>, actual: &RoleAssignment) -> Diff {
        match &actual.condition {
            None => Diff::Same,
            Some(condition) => {
                Diff::Update(vec![Change { field: "condition".into(), from: json!(role::one_line(condition)), to: Value::Null }])
            }
        }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &RoleAssignment) -> Owner {
        ownership::described(self.of_app.as_deref().unwrap_or(context.app), actual.description.as_deref())
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &RoleAssignment) -> bool {
        recorded.get("id").and_then(Value::as_str).is_some_and(|id| id.eq_ignore_ascii_case(&actual.id))
    }
    fn publish(&self, actual: &RoleAssignment) -> Outputs {
        [("id".into(), json!(actual.id))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        let more = (!self.more.is_empty()).then_some(&self.more);
        vec![("role", json!(self.role)), ("replaces", json!(self.replaces)), ("alsoGives", json!(more))]
    }
    fn change_note(&self, actual: &RoleAssignment) -> Option<String> {
        role::change_note(actual)
    }
    fn way_out(&self, actual: &RoleAssignment) -> Option<String> {
        role::way_out(actual)
    }
    fn deletion_blocker(&self, _: &RoleAssignment) -> Option<String> {
        Some("it replaces an access policy".to_owned())
    }
    async fn put(&self, _: NodeContext<'_>, before: Option<RoleAssignment>, writer: &Writer) -> Result<RoleAssignment, Fault> {
        let (guid, scope) = (self.guid(), &self.vault);
        let definition = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{guid}", scope.subscription_id());
        let (name, description) = match before {
            Some(before) => (before.name, before.description.unwrap_or_default()),
            None => (roles::assignment_name(scope.as_str(), guid, &self.principal), self.description()),
        };
        let put = writer.azure.put_role_assignment(scope, &name, &definition, &self.principal, self.principal_kind, &description).await;
        match put {
            // somebody made it since the plan
            Err(azure::Error::Conflict { code, message }) if code == "RoleAssignmentExists" => {
                let all = writer.azure.role_assignments(scope).await.map_err(Fault::cloud)?;
                let found = role::find(&all, guid, &self.principal).cloned();
                found.ok_or_else(|| Fault::cloud(azure::Error::Conflict { code, message }))
            }
            other => other.map_err(Fault::cloud),
        }
    }
    async fn remove(&self, _: NodeContext<'_>, before: RoleAssignment, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_role_assignment(&before.id).await.map_err(Fault::cloud)
    }
    fn commands(&self) -> Vec<String> {
        vec![format!("az role assignment create --role \"{}\" --assignee-object-id {} --scope {}", self.role, self.principal, self.vault)]
    }
}

impl Resource for PolicyRole {}
