//! A role of podid's own that is missing while its principal has the right all the same: by another role, at a scope above, or by a group.
//! Azure Resource Manager follows the groups by itself, so that nobody has to be allowed to read the directory.

use crate::{
    access::{self, AzureRight},
    azure::{self, ArmId, AssignedRole, PrincipalKind},
    resources::{role::guid_of, roles},
    survey::{AzureSurvey, List},
};

/// How a service principal has a right at a resource. None: it has not, or this login may not look.
pub(super) async fn other_way(azure: &azure::Read, principal: &str, right: AzureRight, scope: &ArmId) -> Option<String> {
    let assigned = azure.assigned_roles(scope, principal, PrincipalKind::ServicePrincipal).await.ok()?;
    let counting: Vec<&AssignedRole> = assigned.iter().filter(|one| one.condition.is_none()).collect();
    let is_custom = |one: &&AssignedRole| roles::name(guid_of(&one.role_definition_id)).is_none();
    // what built-in roles allow is known
    let definitions = match counting.iter().any(is_custom) {
        true => List::of("role definitions", azure.role_rights(&ArmId::subscription(scope.subscription_id())).await),
        false => List::missing("role definitions", "none is needed"),
    };
    let mut known = AzureSurvey::default();
    known.roles = definitions;
    let one = counting.into_iter().find(|one| access::allows(&known, guid_of(&one.role_definition_id), right) == Some(true))?;
    let group =
        if one.principal_id.eq_ignore_ascii_case(principal) { String::new() } else { format!(", through the group {}", one.principal_id) };
    Some(format!("{} at {}{group}", access::role_name(&known, guid_of(&one.role_definition_id)), one.scope))
}
