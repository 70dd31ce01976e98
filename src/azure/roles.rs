//! Reads and writes role assignments and role definitions with azure_mgmt_authorization.

use super::{
    ArmId, AssignedRole, Error, PrincipalKind, Result, RoleAssignment, RoleDefinition,
    arm::{self, Arm},
    failures::absent,
    limits,
    wait::{Poll, REPLICATION, Waiter},
};
use azure_mgmt_authorization::package_2022_04_01::models;
use futures::TryStreamExt;
use models::role_assignment_properties::PrincipalType;

/// Returns the scope without its first slash, because the crate formats it as `/{scope}/…`.
fn path(scope: &ArmId) -> Result<&str> {
    Ok(arm::checked(scope)?.as_str().trim_start_matches('/'))
}

/// Lists the assignments made exactly at `scope`. The filter `atScope()` also returns those of the scopes above.
pub async fn assignments(arm: &Arm, scope: &ArmId) -> Result<Vec<RoleAssignment>> {
    let pages = arm.authorization.role_assignments_client().list_for_scope(path(scope)?).filter("atScope()").into_stream();
    let pages: Vec<models::RoleAssignmentListResult> =
        absent(limits::list(async { pages.try_collect().await.map_err(Error::from) }).await)?.unwrap_or_default();
    let all = pages.into_iter().flat_map(|page| page.value).filter_map(assignment);
    Ok(all.filter(|one| one.scope == *scope).collect())
}

/// Lists the assignments at `scope` until all of `wanted` are among them, each a role's GUID and a principal's object id.
pub async fn listed(arm: &Arm, patience: &Waiter, scope: &ArmId, wanted: &[(String, String)]) -> Result<Vec<RoleAssignment>> {
    let what = format!("one of the role assignments at {}", scope.name());
    patience
        .until(&what, REPLICATION, || async {
            let found = assignments(arm, scope).await?;
            let is = |one: &RoleAssignment, (role, principal): &(String, String)| {
                one.role_definition_id.rsplit('/').next().is_some_and(|guid| guid.eq_ignore_ascii_case(role))
                    && one.principal_id.eq_ignore_ascii_case(principal)
            };
            let there = wanted.iter().filter(|wanted| found.iter().any(|one| is(one, wanted))).count();
            match wanted.len() - there {
                0 => Ok(Poll::Done(found)),
                _ => Ok(Poll::Wait(format!("waiting until all role assignments are listed: {there} of {}", wanted.len()))),
            }
        })
        .await
}

/// Lists the roles that a principal has at `scope`, those of the scopes above and of its groups among them. `assignedTo()` follows groups
/// for users and service principals; a group is looked for in the whole list, and its own groups are not known.
pub async fn assigned(arm: &Arm, scope: &ArmId, principal: &str, kind: PrincipalKind) -> Result<Vec<AssignedRole>> {
    let follows = matches!(kind, PrincipalKind::User | PrincipalKind::ServicePrincipal);
    let filter = if follows { format!("atScope() and {}", assigned_to(principal)) } else { "atScope()".to_owned() };
    let all = filtered(arm, scope, filter).await?;
    Ok(all.into_iter().filter(|one| follows || one.principal_id.eq_ignore_ascii_case(principal)).collect())
}

/// Lists the roles that a user or service principal has above, at and below a subscription, those of its groups among them.
pub async fn assigned_below(arm: &Arm, subscription: &ArmId, principal: &str) -> Result<Vec<AssignedRole>> {
    filtered(arm, subscription, assigned_to(principal)).await
}

fn assigned_to(principal: &str) -> String {
    format!("assignedTo('{}')", principal.replace('\'', "''"))
}

async fn filtered(arm: &Arm, scope: &ArmId, filter: String) -> Result<Vec<AssignedRole>> {
    let pages = arm.authorization.role_assignments_client().list_for_scope(path(scope)?).filter(filter).into_stream();
    let pages: Vec<models::RoleAssignmentListResult> =
        absent(limits::list(async { pages.try_collect().await.map_err(Error::from) }).await)?.unwrap_or_default();
    let all = pages.into_iter().flat_map(|page| page.value).filter_map(|one| one.properties);
    let role = |one: models::RoleAssignmentProperties| {
        Some(AssignedRole {
            role_definition_id: one.role_definition_id,
            principal_id: one.principal_id,
            scope: one.scope?,
            condition: one.condition.filter(|condition| !condition.trim().is_empty()),
            created_on: one.created_on.map(|at| at.unix_timestamp()),
        })
    };
    Ok(all.filter_map(role).collect())
}

/// Lists the assignments of a subscription and of all scopes below it.
pub async fn below(arm: &Arm, subscription: &ArmId) -> Result<Vec<RoleAssignment>> {
    let pages = arm.authorization.role_assignments_client().list_for_scope(path(subscription)?).into_stream();
    let pages: Vec<models::RoleAssignmentListResult> =
        absent(limits::list(async { pages.try_collect().await.map_err(Error::from) }).await)?.unwrap_or_default();
    Ok(pages.into_iter().flat_map(|page| page.value).filter_map(assignment).collect())
}

pub async fn definition(arm: &Arm, scope: &ArmId, name: &str) -> Result<Option<RoleDefinition>> {
    let filter = format!("roleName eq '{}'", name.replace('\'', "''"));
    let pages = arm.authorization.role_definitions_client().list(path(scope)?).filter(filter).into_stream();
    let pages: Vec<models::RoleDefinitionListResult> =
        absent(limits::list(async { pages.try_collect().await.map_err(Error::from) }).await)?.unwrap_or_default();
    let found = pages.into_iter().flat_map(|page| page.value).find_map(|role| {
        let called = role.properties.and_then(|p| p.role_name)?;
        called.eq_ignore_ascii_case(name).then_some(RoleDefinition { id: role.id?, name: called })
    });
    Ok(found)
}

/// The fields of a new role assignment.
pub struct NewAssignment<'a> {
    pub scope: &'a ArmId,
    pub name: &'a str,
    pub role_definition_id: &'a str,
    pub principal_id: &'a str,
    pub kind: PrincipalKind,
    pub description: &'a str,
}

/// Creates an assignment. A new principal is unknown to role assignments for a while, even with `principalType` (recorded: median 26 s,
/// worst 252 s).
pub async fn put(arm: &Arm, patience: &Waiter, new: &NewAssignment<'_>) -> Result<RoleAssignment> {
    let (scope, name) = (path(new.scope)?, arm::segment(new.name)?);
    let mut properties = models::RoleAssignmentProperties::new(new.role_definition_id.to_owned(), new.principal_id.to_owned());
    properties.principal_type = match new.kind {
        PrincipalKind::ServicePrincipal => Some(PrincipalType::ServicePrincipal),
        PrincipalKind::User => Some(PrincipalType::User),
        PrincipalKind::Group => Some(PrincipalType::Group),
        // without a type Azure itself looks up the principal in the directory
        PrincipalKind::Unknown => None,
    };
    properties.description = Some(new.description.to_owned());
    let wanted = models::RoleAssignmentCreateParameters::new(properties);
    let what = format!("the principal {}", new.principal_id);
    patience
        .until(&what, REPLICATION, || async {
            let answer = arm.authorization.role_assignments_client().create(scope, name, wanted.clone()).await;
            match answer.map_err(Error::from) {
                Ok(made) => {
                    assignment(made).map(Poll::Done).ok_or_else(|| Error::Protocol("a role assignment without properties".to_owned()))
                }
                Err(Error::Refused { code, .. }) if code == "PrincipalNotFound" => {
                    Ok(Poll::Wait("waiting for Entra to replicate the new identity".to_owned()))
                }
                Err(error) => Err(error),
            }
        })
        .await
}

pub async fn delete(arm: &Arm, id: &str) -> Result<()> {
    let id = ArmId::parse(id).ok_or_else(|| arm::odd_name(id))?;
    // `.send()`, because the typed response cannot be parsed from the 204 for an absent assignment
    let answer = arm.authorization.role_assignments_client().delete_by_id(path(&id)?).send().await;
    absent(answer.map_err(Error::from)).map(drop)
}

fn assignment(found: models::RoleAssignment) -> Option<RoleAssignment> {
    let properties = found.properties?;
    let kind = properties.principal_type.and_then(|kind| serde_json::to_value(kind).ok());
    Some(RoleAssignment {
        id: found.id?,
        name: found.name?,
        // assignments at `/` and at management groups are skipped, because podid never asks about them
        scope: ArmId::parse(properties.scope.as_deref()?)?,
        role_definition_id: properties.role_definition_id,
        principal_id: properties.principal_id,
        principal_kind: kind.and_then(|kind| kind.as_str().map(str::to_owned)),
        description: properties.description,
        condition: properties.condition.filter(|condition| !condition.trim().is_empty()),
        created_on: properties.created_on.map(|at| at.unix_timestamp()),
    })
}
