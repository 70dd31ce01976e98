//! Who may do what where: role assignments (inherited) against actions, as Azure RBAC does.

pub use super::condition::Verdict;
use super::{
    Call, condition, directory, error, ids, locks, roles,
    state::{Assignment, State},
};
use crate::http::Response;

/// An action pattern of a role: `*` stands for any text, and `/*/` for a single slash too, for the built-in role
/// Managed Identity Operator says `userAssignedIdentities/*/read` and means `userAssignedIdentities/read`.
pub fn matches(pattern: &str, action: &str) -> bool {
    wild(pattern.as_bytes(), action.as_bytes())
        || (pattern.contains("/*/") && wild(pattern.replace("/*/", "/").as_bytes(), action.as_bytes()))
}

fn wild(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p].eq_ignore_ascii_case(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    Control,
    Data,
}

/// The first assignment whose role has the action, and that fits.
fn assigned<'a>(
    state: &'a State,
    principal: &str,
    action: &str,
    scope: &str,
    plane: Plane,
    fits: impl Fn(&Assignment) -> bool,
) -> Option<&'a Assignment> {
    let folded = ids::fold(scope);
    let mut all = directory::as_whom(state, principal).into_iter().flat_map(|who| state.assignments.of(who));
    all.find(|a| {
        ids::covers(&ids::fold(&a.scope), &folded)
            && roles::find(state, &a.role).is_some_and(|role| {
                role.permissions.iter().any(|p| {
                    let (yes, no) = match plane {
                        Plane::Control => (&p.actions, &p.not_actions),
                        Plane::Data => (&p.data_actions, &p.not_data_actions),
                    };
                    yes.iter().any(|p| matches(p, action)) && !no.iter().any(|p| matches(p, action))
                })
            })
            && fits(a)
    })
}

/// What an assignment's condition says of the action at the scope.
pub fn verdict(assignment: &Assignment, action: &str, scope: &str) -> Verdict {
    let secret = scope.split_once("/secrets/").map(|(_, name)| name);
    assignment.condition.as_ref().map_or(Verdict::Holds, |condition| condition::evaluate(condition, action, secret))
}

/// The assignment that lets the principal do the action at the scope.
pub fn granting<'a>(state: &'a State, principal: &str, action: &str, scope: &str, plane: Plane) -> Option<&'a Assignment> {
    assigned(state, principal, action, scope, plane, |a| verdict(a, action, scope) == Verdict::Holds)
}

/// An assignment that would let the principal do it, if its condition were fulfilled.
pub fn withheld<'a>(state: &'a State, principal: &str, action: &str, scope: &str, plane: Plane) -> Option<&'a Assignment> {
    assigned(state, principal, action, scope, plane, |a| verdict(a, action, scope) != Verdict::Holds)
}

fn authorization_failed(call: &Call<'_>, action: &str, scope: &str) -> Response {
    let caller = &call.caller.object_id;
    if !denied(call, action) && withheld(call.state, caller, action, scope, Plane::Control).is_some() {
        return error::condition_not_fulfilled(caller, action, scope);
    }
    error::authorization_failed(caller, action, scope)
}

pub fn denied(call: &Call<'_>, action: &str) -> bool {
    call.rules.deny.iter().any(|pattern| matches(pattern, action))
}

pub fn may(call: &Call<'_>, action: &str, scope: &str) -> bool {
    !denied(call, action) && granting(call.state, &call.caller.object_id, action, scope, Plane::Control).is_some()
}

/// AuthorizationFailed unless the caller may, ScopeLocked if nobody may.
pub fn require(call: &Call<'_>, action: &str, scope: &str) -> Result<(), Response> {
    if !may(call, action, scope) {
        return Err(authorization_failed(call, action, scope));
    }
    locks::check(call, action, scope)
}

/// Whether the caller may see all of a list: if not, ARM leaves out what the caller may not read, and refuses nothing.
pub fn sees_all(call: &Call<'_>, action: &str, scope: &str) -> Result<bool, Response> {
    if denied(call, action) {
        return Err(authorization_failed(call, action, scope));
    }
    Ok(may(call, action, scope))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn actions_match_as_azure_writes_them() {
        assert!(matches("*", "Microsoft.KeyVault/vaults/write"));
        assert!(matches("*/read", "Microsoft.KeyVault/vaults/read"));
        assert!(!matches("*/read", "Microsoft.KeyVault/vaults/write"));
        assert!(matches(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "microsoft.managedidentity/userassignedidentities/read"
        ));
        assert!(matches(
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
        ));
        assert!(matches("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write"));
        assert!(!matches("Microsoft.KeyVault/vaults/secrets/*", "Microsoft.KeyVault/vaults/keys/read"));
    }
}
