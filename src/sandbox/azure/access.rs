//! Decides whether a caller may perform an action at a scope, from inherited role assignments and locks, as Azure RBAC does.

pub use super::condition::Verdict;
use super::{
    action,
    assignment_index::Assignment,
    call::Call,
    condition, directory, error, ids, roles,
    state::{Lock, State},
};
use crate::http::Response;

/// The resource type of management locks.
pub const LOCKS: &str = "Microsoft.Authorization/locks";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    Control,
    Data,
}

/// Returns the first assignment whose role has the action and that `fits`.
fn assigned<'a>(
    state: &'a State,
    principal: &str,
    action: &str,
    scope: &str,
    plane: Plane,
    fits: impl Fn(&Assignment) -> bool,
) -> Option<&'a Assignment> {
    let folded = ids::fold(scope);
    let mut all = directory::with_groups(state, principal).into_iter().flat_map(|who| state.assignments.of(who));
    all.find(|a| {
        ids::covers(&ids::fold(&a.scope), &folded)
            && roles::find(&state.roles, &a.role).is_some_and(|role| {
                role.permissions.iter().any(|p| {
                    let (yes, no) = match plane {
                        Plane::Control => (&p.actions, &p.not_actions),
                        Plane::Data => (&p.data_actions, &p.not_data_actions),
                    };
                    yes.iter().any(|p| action::matches(p, action)) && !no.iter().any(|p| action::matches(p, action))
                })
            })
            && fits(a)
    })
}

/// Evaluates the assignment's condition for the action at the scope.
pub fn verdict(assignment: &Assignment, action: &str, scope: &str) -> Verdict {
    let secret = scope.split_once("/secrets/").map(|(_, name)| name);
    assignment.condition.as_ref().map_or(Verdict::Holds, |condition| condition::evaluate(condition, action, secret))
}

/// Returns the assignment that allows the principal to perform the action at the scope.
pub fn granting<'a>(state: &'a State, principal: &str, action: &str, scope: &str, plane: Plane) -> Option<&'a Assignment> {
    assigned(state, principal, action, scope, plane, |a| verdict(a, action, scope) == Verdict::Holds)
}

/// Returns an assignment that would allow the action if its condition were met.
pub fn unmet_assignment<'a>(state: &'a State, principal: &str, action: &str, scope: &str, plane: Plane) -> Option<&'a Assignment> {
    assigned(state, principal, action, scope, plane, |a| verdict(a, action, scope) != Verdict::Holds)
}

fn authorization_failed(call: &Call<'_>, action: &str, scope: &str) -> Response {
    let caller = &call.caller.object_id;
    if !denied(call, action) && unmet_assignment(call.state, caller, action, scope, Plane::Control).is_some() {
        return error::condition_not_fulfilled(caller, action, scope);
    }
    error::authorization_failed(caller, action, scope)
}

pub fn denied(call: &Call<'_>, action: &str) -> bool {
    call.rules.deny.iter().any(|pattern| action::matches(pattern, action))
}

pub fn may(call: &Call<'_>, action: &str, scope: &str) -> bool {
    !denied(call, action) && granting(call.state, &call.caller.object_id, action, scope, Plane::Control).is_some()
}

/// Returns AuthorizationFailed if the caller has no role for the action, and ScopeLocked if a lock prevents it.
pub fn require(call: &Call<'_>, action: &str, scope: &str) -> Result<(), Response> {
    if !may(call, action, scope) {
        return Err(authorization_failed(call, action, scope));
    }
    check_locks(call, action, scope)
}

/// Returns whether the caller may read the whole list. If not, ARM leaves out the entries that the caller may not read.
pub fn may_list_all(call: &Call<'_>, action: &str, scope: &str) -> Result<bool, Response> {
    if denied(call, action) {
        return Err(authorization_failed(call, action, scope));
    }
    Ok(may(call, action, scope))
}

/// Returns ScopeLocked if a lock prevents the action. Deleting a group deletes its resources, so locks below the scope count as well.
fn check_locks(call: &Call<'_>, action: &str, scope: &str) -> Result<(), Response> {
    if call.state.locks.is_empty() || ids::fold(action).starts_with(&ids::fold(LOCKS)) {
        return Ok(());
    }
    let verb = match ids::fold(action).rsplit('/').next() {
        Some("delete") => "delete",
        Some("write") => "write",
        _ => return Ok(()),
    };
    let here = ids::fold(scope);
    let stands = |lock: &&Lock| {
        let existing = ids::fold(&lock.scope);
        let hard = verb == "delete" || lock.level == "ReadOnly";
        hard && (ids::covers(&existing, &here) || (verb == "delete" && ids::covers(&here, &existing)))
    };
    let locked: Vec<&str> = call.state.locks.values().filter(stands).map(|lock| lock.scope.as_str()).collect();
    if locked.is_empty() {
        return Ok(());
    }
    Err(error::gateway(
        409,
        "ScopeLocked",
        format!(
            "The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: '{}'. Please remove the lock and try again.",
            locked.join(",")
        ),
    ))
}
