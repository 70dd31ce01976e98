//! A role assignment, found by listing its scope. Its name derives from scope, role and principal; an equal one under another name is adopted.

use super::{
    addon_identity,
    kind::{AzureRole, HintScope, Listed, Resource},
    manifest, ownership, roles,
    vault::Vault,
    world::{Cloud, ClusterTarget, Reader, Writer},
};
use crate::{
    azure::{self, ArmId, PodIdentity, PrincipalKind, RoleAssignment},
    cluster::{self, Api},
    engine::{
        desired::Intent,
        fault::Fault,
        input::{Input, Outputs},
        key::Key,
        resource::{Change, Diff, Kind, NodeContext, Owner, Side},
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
    pub serves: Option<Serves>,
    /// The cluster whose pod identity add-on needs it for its entries: without it, one of them fails every change of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_of: Option<ArmId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Objects of a cluster that all live on one assignment, whoever made them: it is deleted only with the last of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Serves {
    pub target: ClusterTarget,
    pub objects: Api,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Actual {
    pub assignment: RoleAssignment,
    /// Why it stays although this app is done with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
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
                "Name a built-in role (`az role definition list --query \"[].roleName\"`), a custom role of that scope, or a role's GUID.",
            )),
        }
    }

    /// Objects of other apps, which may have states of their own, and of people.
    async fn needed(&self, app: &str, reader: &Reader) -> Option<String> {
        let Serves { target, objects } = self.serves.as_ref()?;
        let unseen =
            |why: &dyn std::fmt::Display| Some(format!("could not list the {} of others, which may need it: {why}", objects.plural));
        let cluster = match reader.cluster(target).await {
            Ok(cluster) => cluster,
            // a cluster that ARM does not know any more has no objects
            Err(Fault::Unresolved(_)) => return None,
            Err(fault) => return unseen(&fault),
        };
        let there = match cluster.list(objects, None, None).await {
            Ok(there) => there,
            Err(cluster::Error::KindMissing { .. }) => return None,
            Err(error) => return unseen(&error),
        };
        let foreign: Vec<&Value> = there.iter().filter(|b| ownership::owner(app, &manifest::labels(b)) != Owner::Ours).collect();
        let text = |name: &str| foreign.first().and_then(|b| b.pointer(name)).and_then(Value::as_str).unwrap_or_default();
        let more = if foreign.len() > 1 { format!(" and {} more", foreign.len() - 1) } else { String::new() };
        let first = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
        (!foreign.is_empty()).then(|| format!("the {} {first}{more} of others needs it", objects.kind))
    }

    /// Entries of the cluster's pod identity add-on that somebody else made.
    async fn needed_by_entries(&self, scope: &ArmId, reader: &Reader) -> Option<String> {
        let cluster = self.entries_of.as_ref()?;
        let document = match reader.azure.cluster_document(cluster).await {
            Ok(document) => document?,
            Err(error) => return Some(format!("whether pod identities of others need it could not be seen: {error}")),
        };
        let within = |entry: &PodIdentity| {
            let (id, scope) = (entry.resource_id.to_ascii_lowercase(), scope.folded());
            id == scope || id.starts_with(&format!("{scope}/"))
        };
        let foreign = addon_identity::foreign(cluster, &document, &reader.brought).into_iter().find(within)?;
        Some(format!("the pod identity {}/{} of others needs it", foreign.namespace, foreign.name))
    }

    fn scope_id(&self) -> Result<ArmId, Fault> {
        let scope = self.scope.get()?;
        ArmId::parse(scope)
            .ok_or_else(|| Fault::refused(format!("{scope:?} is not a valid ARM id"), "A scope begins with /subscriptions/."))
    }
}

pub fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The last segment of a definition's id.
pub fn guid_of(definition: &str) -> &str {
    definition.rsplit('/').next().unwrap_or(definition)
}

/// The assignment of this role to this principal among those of a scope. Azure refuses a second one, also where their conditions differ;
/// should there be more, the one without a condition counts.
pub fn find<'a>(assignments: &'a [RoleAssignment], definition: &str, principal: &str) -> Option<&'a RoleAssignment> {
    let fits = |a: &&RoleAssignment| {
        guid_of(&a.role_definition_id).eq_ignore_ascii_case(guid_of(definition)) && a.principal_id.eq_ignore_ascii_case(principal)
    };
    let plain = assignments.iter().filter(fits).find(|a| a.condition.is_none());
    plain.or_else(|| assignments.iter().find(fits))
}

/// How an assignment differs from the one that is wanted: by a condition, whoever made it, and by podid's description where it is podid's.
pub fn changes(app: &str, mine: bool, found: &RoleAssignment) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(condition) = &found.condition {
        changes.push(Change { field: "condition".into(), from: json!(one_line(condition)), to: Value::Null });
    }
    if mine && !ownership::is_described(app, found.description.as_deref()) {
        let wanted = ownership::description(app);
        changes.push(Change { field: "description".into(), from: json!(found.description), to: json!(wanted) });
    }
    changes
}

/// Conditions are written over many lines.
pub fn one_line(condition: &str) -> String {
    condition.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the plan says beside a change that takes a condition off.
pub fn change_note(found: &RoleAssignment) -> Option<String> {
    found.condition.as_ref().map(|_| "takes its condition off: the role then holds for all of its scope".to_owned())
}

/// What to do about somebody else's assignment that has a condition.
pub fn way_out(found: &RoleAssignment) -> Option<String> {
    found.condition.as_ref().map(|_| {
        format!(
            "Azure allows one assignment of a role to a principal at a scope, so podid cannot add its own. Take the condition off with `--adopt`, or look at it first: `az role assignment list --scope {} --assignee {}`.",
            found.scope, found.principal_id
        )
    })
}

/// Somebody else's description stays, so that the assignment does not look like podid's.
pub fn description(app: &str, mine: bool, before: Option<&RoleAssignment>) -> String {
    match before {
        Some(before) if !mine => before.description.clone().unwrap_or_default(),
        _ => ownership::description(app),
    }
}

impl Kind<Cloud> for Role {
    const KIND: &'static str = "role";
    const SIDE: Side = Side::Azure;
    type Actual = Actual;

    fn place(&self) -> Option<String> {
        let (scope, principal) = (self.scope.known()?, self.principal.known()?);
        Some(format!("{scope}|{}|{principal}", self.role).to_ascii_lowercase())
    }
    /// Azure drops the assignments at a resource's scope with the resource; those of an identity go first all the same,
    /// because a vanished identity leaves nothing to list them by.
    fn parent(&self) -> Option<Key> {
        self.at.clone().filter(|k| k.kind() == Vault::KIND)
    }
    async fn observe(&self, context: NodeContext<'_>, reader: &Reader) -> Result<Option<Actual>, Fault> {
        let (scope, principal) = (self.scope_id()?, self.principal.get()?);
        let definition = self.definition(&scope, &reader.azure).await?;
        let assignments = reader.azure.role_assignments_of(&scope, principal).await.map_err(Fault::cloud)?;
        let Some(assignment) = find(&assignments, &definition, principal).cloned() else { return Ok(None) };
        let needed = match context.intent {
            Intent::Absent => match self.needed(context.app, reader).await {
                Some(why) => Some(why),
                None => self.needed_by_entries(&scope, reader).await,
            },
            _ => None,
        };
        Ok(Some(Actual { assignment, needed }))
    }
    fn diff(&self, context: NodeContext<'_>, actual: &Actual) -> Diff {
        let changes = changes(context.app, context.mine(self.owner(context, actual)), &actual.assignment);
        if changes.is_empty() { Diff::Same } else { Diff::Update(changes) }
    }
    fn owner(&self, context: NodeContext<'_>, actual: &Actual) -> Owner {
        ownership::described(context.app, actual.assignment.description.as_deref())
    }
    fn is_same_object(&self, recorded: &Outputs, actual: &Actual) -> bool {
        recorded.get("id").and_then(Value::as_str).is_none_or(|id| id.eq_ignore_ascii_case(&actual.assignment.id))
    }
    fn deletion_blocker(&self, actual: &Actual) -> Option<String> {
        actual.needed.clone()
    }
    fn publish(&self, actual: &Actual) -> Outputs {
        let found = &actual.assignment;
        [("id".into(), json!(found.id)), ("scope".into(), json!(found.scope)), ("principal_id".into(), json!(found.principal_id))].into()
    }
    fn creation_summary(&self) -> Vec<(&'static str, Value)> {
        vec![("role", json!(self.role)), ("scope", json!(self.scope)), ("principal", json!(self.principal))]
    }
    fn plan_note(&self) -> Option<String> {
        self.note.clone()
    }
    fn change_note(&self, actual: &Actual) -> Option<String> {
        change_note(&actual.assignment)
    }
    fn way_out(&self, actual: &Actual) -> Option<String> {
        way_out(&actual.assignment)
    }
    async fn put(&self, context: NodeContext<'_>, before: Option<Actual>, writer: &Writer) -> Result<Actual, Fault> {
        let (scope, principal) = (self.scope_id()?, self.principal.get()?);
        let definition = self.definition(&scope, &writer.look).await?;
        let before = before.map(|b| b.assignment);
        let description = description(context.app, context.ours == Some(true), before.as_ref());
        let name = before.map_or_else(|| roles::assignment_name(scope.as_str(), guid_of(&definition), principal), |b| b.name);
        let kind = *self.principal_kind.get()?;
        let put = writer.azure.put_role_assignment(&scope, &name, &definition, principal, kind, &description).await;
        Ok(Actual { assignment: put.map_err(Fault::cloud)?, needed: None })
    }
    async fn remove(&self, _: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        writer.azure.delete_role_assignment(&before.assignment.id).await.map_err(Fault::cloud)
    }
    async fn hand_over(&self, context: NodeContext<'_>, before: Actual, writer: &Writer) -> Result<(), Fault> {
        self.put(context, Some(before), writer).await.map(drop)
    }
    fn commands(&self) -> Vec<String> {
        let text = |input: &Input<String>| input.known().cloned().unwrap_or_default();
        let kind = match self.principal_kind.known() {
            Some(PrincipalKind::Unknown) => String::new(),
            Some(kind) => format!(" --assignee-principal-type {kind:?}"),
            None => " --assignee-principal-type ServicePrincipal".to_owned(),
        };
        vec![format!(
            "az role assignment create --role \"{}\" --assignee-object-id {}{kind} --scope {}",
            self.role,
            text(&self.principal),
            text(&self.scope)
        )]
    }
}

impl Resource for Role {
    const ROLES: &'static [AzureRole] = &[AzureRole {
        actions: "Microsoft.Authorization/roleAssignments/",
        reads: false,
        role: roles::RBAC_ADMINISTRATOR,
        scope: HintScope::Group,
    }];

    async fn list(azure: &azure::Read, subscription: &ArmId) -> Result<Vec<Listed>, azure::Error> {
        let listed = |found: RoleAssignment| Listed { app: ownership::app_of(found.description.as_deref()), actual: json!(found) };
        Ok(azure.role_assignments_below(subscription).await?.into_iter().map(listed).collect())
    }
}
