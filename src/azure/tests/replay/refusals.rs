//! The error that each recorded refusal must become: a table of (operation, status, code) without a default. A refusal without a line in it
//! fails the test, so that nobody decides by accident what it means.

use super::record::Record;
use crate::azure::Error;
use regex::Regex;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Means {
    /// Null, `[]`, or a successful deletion.
    Absent,
    /// The client waits, and returns `NotYet` when its time is up.
    Later,
    NotFound,
    Conflict,
    /// The error has the action and the scope in the text.
    Forbidden,
    /// The text contains no action.
    ForbiddenNameless,
    Refused,
    /// The client retries without a message, and returns this in the end.
    Throttled,
    /// The client retries without a message, and returns this in the end.
    Failed,
    Login,
}

/// Returns the meaning of a refusal. The codes are recorded, or from public texts (wire.md 3). `patient` means that a grant was just made.
pub fn means(record: &Record, patient: bool) -> Means {
    use Means::*;
    let (op, code) = (record.op.as_str(), record.code());
    let of_arm = !op.to_ascii_lowercase().contains("secret") && !op.starts_with("graph.");
    let (writes, deletes) = (op.ends_with(".PUT") || op.ends_with(".PATCH"), op.ends_with(".DELETE"));
    match (op, record.status, code.as_str()) {
        (_, 429, _) => Throttled,
        (_, 500 | 502 | 503 | 504, _) => Failed,
        (_, 401, _) => Login,
        (_, 404, "SubscriptionNotFound") if of_arm => NotFound,
        (_, 404, "ResourceGroupNotFound" | "ResourceNotFound" | "NotFound") if of_arm && !writes => Absent,
        (_, 404, "ResourceGroupNotFound" | "ParentResourceNotFound") if of_arm && writes => NotFound,
        (_, 403, "AuthorizationFailed" | "LinkedAuthorizationFailed") if of_arm => Forbidden,
        (_, 409, "ResourceGroupBeingDeleted" | "MissingSubscriptionRegistration") if writes && of_arm => Conflict,
        (_, 409, "ScopeLocked") if (writes || deletes) && of_arm => Conflict,
        ("deletedVault.GET", 404, "DeletedVaultNotFound") => Absent,
        ("roleAssignment.DELETE", 404, "RoleAssignmentNotFound") => Absent,
        ("roleAssignment.PUT", 400, "PrincipalNotFound") => Later,
        ("roleAssignment.PUT", 400, "InvalidPrincipalId" | "UnmatchedPrincipalType" | "RoleAssignmentUpdateNotPermitted") => Refused,
        ("roleAssignment.PUT", 404, "RoleDefinitionDoesNotExist") => NotFound,
        ("roleAssignment.PUT", 409, "RoleAssignmentExists") => Conflict,
        ("vault.PUT", 409, "VaultAlreadyExists") => Conflict,
        ("vault.PUT" | "vault.PATCH" | "vault.accessPolicies.PUT", 409, "ConflictError") => Later,
        ("secret.GET" | "secret.versions.GET" | "secret.DELETE" | "deletedSecret.GET", 404, "SecretNotFound") => Absent,
        ("deletedSecret.recover.POST", 404, "SecretNotFound") => NotFound,
        ("secret.PATCH", 404, "SecretNotFound") => NotFound,
        ("deletedSecret.recover.POST", 400, "RequestNotAllowedOnNonDeletedObject") => Refused,
        ("secret.PUT" | "secret.DELETE" | "deletedSecret.recover.POST", 409, "ObjectIsBeingDeleted" | "ObjectIsBeingRecovered") => Later,
        ("secret.PUT", 409, "ObjectIsDeletedButRecoverable") => Conflict,
        ("secret.PUT" | "secret.GET" | "deletedSecret.recover.POST", 403, "ForbiddenByRbac" | "ForbiddenByPolicy") if patient => Later,
        (_, 403, "ForbiddenByRbac" | "ForbiddenByPolicy") if !of_arm => Forbidden,
        (_, 403, "AccessDenied" | "ForbiddenByFirewall" | "ForbiddenByConnection") if !of_arm => ForbiddenNameless,
        ("graph.sp.list.GET", 403, "Authorization_RequestDenied") => ForbiddenNameless,
        (op, status, code) => {
            panic!("{op} answered with {status} {code}: what podid's client makes of that stands in no line of refusals.rs")
        }
    }
}

/// Returns how the client's error differs from this response, with Azure's own code and text. None if it fits.
pub fn differs(error: &Error, means: Means, record: &Record) -> Option<String> {
    let fits = match (means, error) {
        (Means::NotFound, Error::NotFound { code, message })
        | (Means::Conflict, Error::Conflict { code, message })
        | (Means::Refused, Error::Refused { code, message, .. })
        | (Means::Failed, Error::Failed { code, message, .. })
        | (Means::Login, Error::LoginRefused { code, message }) => *code == record.code() && says(message, record),
        (Means::Throttled, Error::Throttled { message, after }) => {
            let asked = record.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
            let asked = asked.and_then(|(_, value)| value.parse().ok()).map(std::time::Duration::from_secs);
            says(message, record) && *after == asked
        }
        (Means::Later, Error::NotYet { what, .. }) => !what.is_empty(),
        (Means::Forbidden, Error::Forbidden { code, message, action, scope, caller }) => {
            let (action, scope) = (action.clone().unwrap_or_default(), scope.clone().unwrap_or_default());
            *code == record.code() && says(message, record) && named(message) == Some((action, scope)) && caller.is_some()
        }
        (Means::ForbiddenNameless, Error::Forbidden { code, message, action: None, scope: None, .. }) => {
            *code == record.code() && says(message, record)
        }
        _ => false,
    };
    (!fits).then(|| format!("{means:?} was expected, and it was {error:?}"))
}

fn says(message: &str, record: &Record) -> bool {
    match record.message() {
        Some(told) => message.starts_with(&told),
        None => message.contains(&record.host) && message.contains(&record.status.to_string()),
    }
}

/// Returns action and scope, parsed in another way than by the client.
fn named(message: &str) -> Option<(String, String)> {
    let forms = [
        r"perform action '([^']+)' over scope '([^']+)'",
        r"perform action\(s\) '([^']+)' on the linked scope\(s\) '([^']+)'",
        r"(?s)Action: '([^']+)'.*Resource: '([^']+)'",
        r"does not have (.+) permission on key vault '([^';]+)",
    ];
    let found = forms.iter().find_map(|form| Regex::new(form).unwrap().captures(message))?;
    Some((found[1].to_owned(), found[2].to_owned()))
}
