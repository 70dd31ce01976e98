//! A request to a vault's data plane, and whether a grant (by role or by policy) lets its caller through.

use super::{
    access::{self, Plane},
    assignment_index::Assignment,
    call::Call,
    condition::Verdict,
    error, ids, policies, resource_ids,
    state::{Policy, Vault},
    times, token,
};
use crate::{
    http::Response,
    lateness::{Kind, Late},
};
use serde_json::json;

/// What one does to secrets, in the words of both models.
#[derive(Clone, Copy)]
pub struct Operation {
    pub policy: &'static str,
    pub action: &'static str,
}

const fn operation(policy: &'static str, action: &'static str) -> Operation {
    Operation { policy, action }
}

pub const GET: Operation = operation("get", "Microsoft.KeyVault/vaults/secrets/getSecret/action");
pub const LIST: Operation = operation("list", "Microsoft.KeyVault/vaults/secrets/readMetadata/action");
pub const SET: Operation = operation("set", "Microsoft.KeyVault/vaults/secrets/setSecret/action");
pub const UPDATE: Operation = operation("set", "Microsoft.KeyVault/vaults/secrets/update/action");
pub const DELETE: Operation = operation("delete", "Microsoft.KeyVault/vaults/secrets/delete");
pub const GET_DELETED: Operation = operation("get", "Microsoft.KeyVault/vaults/secrets/readMetadata/action");
pub const RECOVER: Operation = operation("recover", "Microsoft.KeyVault/vaults/secrets/recover/action");
pub const BACKUP: Operation = operation("backup", "Microsoft.KeyVault/vaults/secrets/backup/action");
pub const RESTORE: Operation = operation("restore", "Microsoft.KeyVault/vaults/secrets/restore/action");
pub const PURGE: Operation = operation("purge", "Microsoft.KeyVault/vaults/secrets/purge/action");

/// A request that came to a vault: its key in the state, and the decoded path.
pub struct Visit {
    pub vault: String,
    pub host: String,
    pub api_version: String,
}

impl Visit {
    /// Of a secret, in the state.
    pub fn key(&self, secret: &str) -> String {
        format!("{}/{}", self.vault, ids::fold(secret))
    }
}

pub fn refusal(status: u16, code: &str, message: impl Into<String>, inner: &str) -> Response {
    Response::json(status, error::JSON, &json!({"error": {"code": code, "message": message.into(), "innererror": {"code": inner}}}))
}

pub fn bad(message: impl Into<String>) -> Response {
    error::body(400, "BadParameter", message)
}

pub fn vault<'a>(call: &'a Call<'_>, visit: &Visit) -> Result<&'a Vault, Response> {
    call.state.vaults.get(&visit.vault).ok_or_else(|| error::body(404, "NotFound", "The vault is not there."))
}

/// Lets the caller through, or says which of the two models does not. A new grant is late here.
pub fn permit(call: &mut Call<'_>, visit: &Visit, operation: Operation, secret: Option<&str>) -> Result<(), Response> {
    let vault = vault(call, visit)?;
    let (id, location, rbac) = (resource_ids::vault(&call.state.subscription, vault), vault.location.clone(), vault.rbac == Some(true));
    let caller = call.caller.clone();
    let target = secret.map_or_else(|| id.clone(), |s| format!("{id}/secrets/{s}"));
    let open = !access::denied(call, operation.action);
    let grant = if rbac {
        access::granting(call.state, &caller.object_id, operation.action, &target, Plane::Data)
            .map(|a| (a.created, Some(a.name.replace('-', ""))))
    } else {
        let fits = |p: &&Policy| p.object_id.eq_ignore_ascii_case(&caller.object_id) && policies::allows(p, operation.policy);
        vault.policies.iter().find(fits).map(|p| (p.since, None))
    };
    if let Some((since, pass)) = grant.filter(|_| open)
        && !late(call, &visit.vault, if rbac { "rbac" } else { "policy" }, since)
    {
        call.pass = pass;
        return Ok(());
    }
    let who = token::describe(call.state, &caller);
    if rbac {
        let resource = ids::fold(&target);
        let withheld = access::withheld(call.state, &caller.object_id, operation.action, &target, Plane::Data);
        let reason = withheld.filter(|_| open).map_or_else(|| "null ".to_owned(), |a| reason(a, operation.action, &target));
        return Err(refusal(
            403,
            "Forbidden",
            format!(
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: {who}\r\nAction: '{}'\r\nResource: '{resource}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: {reason}\r\nVault: {};location={location}\r\n",
                operation.action, visit.vault
            ),
            "ForbiddenByRbac",
        ));
    }
    Err(refusal(
        403,
        "Forbidden",
        format!(
            "The user, group or application '{who}' does not have secrets {} permission on key vault '{};location={location}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
            operation.policy, visit.vault
        ),
        "ForbiddenByPolicy",
    ))
}

/// Why a role that has the action does not grant it.
fn reason(assignment: &Assignment, action: &str, target: &str) -> String {
    let name = ids::fold(&assignment.name);
    let condition = assignment.condition.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match access::verdict(assignment, action, target) {
        Verdict::Unknown => {
            format!("the sandbox does not evaluate this condition of the role assignment {name}, and so does not grant it: {condition}")
        }
        _ => format!("the condition of the role assignment {name} is not fulfilled: {condition}"),
    }
}

fn late(call: &mut Call<'_>, vault: &str, kind: &str, since: i64) -> bool {
    let key = format!("{}|{vault}|{kind}", call.caller.object_id);
    let (lateness, now) = (call.rules.lateness, call.now);
    let new = !call.state.grants.contains_key(&key);
    let refuses = call.state.grants.entry(key).or_insert_with(|| Late::new(Kind::Grant, lateness, since)).refuses(lateness, now);
    if new || refuses {
        call.counted();
    }
    refuses
}

pub fn unix(at: i64) -> i64 {
    times::unix(at)
}
