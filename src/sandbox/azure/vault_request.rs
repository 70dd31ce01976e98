//! A request to a vault's data plane, and the check whether a role or a policy allows it.

use super::{
    access::{self, Plane},
    assignment_index::Assignment,
    call::Call,
    condition::Verdict,
    denials, directory, error, ids, policies, resource_ids,
    state::{Policy, Vault},
    times, token,
};
use crate::{
    http::Response,
    lateness::{DelayKind, Late},
};
use serde_json::json;

/// An operation on objects of a vault, as both permission models name it.
#[derive(Clone, Copy)]
pub struct VaultOperation {
    /// `secrets`, `keys` or `certificates`.
    pub folder: &'static str,
    pub policy: &'static str,
    pub action: &'static str,
}

const fn operation(policy: &'static str, action: &'static str) -> VaultOperation {
    VaultOperation { folder: "secrets", policy, action }
}

pub const GET: VaultOperation = operation("get", "Microsoft.KeyVault/vaults/secrets/getSecret/action");
pub const LIST: VaultOperation = operation("list", "Microsoft.KeyVault/vaults/secrets/readMetadata/action");
pub const SET: VaultOperation = operation("set", "Microsoft.KeyVault/vaults/secrets/setSecret/action");
pub const UPDATE: VaultOperation = operation("set", "Microsoft.KeyVault/vaults/secrets/update/action");
pub const DELETE: VaultOperation = operation("delete", "Microsoft.KeyVault/vaults/secrets/delete");
pub const GET_DELETED: VaultOperation = operation("get", "Microsoft.KeyVault/vaults/secrets/readMetadata/action");
pub const RECOVER: VaultOperation = operation("recover", "Microsoft.KeyVault/vaults/secrets/recover/action");
pub const BACKUP: VaultOperation = operation("backup", "Microsoft.KeyVault/vaults/secrets/backup/action");
pub const RESTORE: VaultOperation = operation("restore", "Microsoft.KeyVault/vaults/secrets/restore/action");
pub const PURGE: VaultOperation = operation("purge", "Microsoft.KeyVault/vaults/secrets/purge/action");

const fn on_keys(policy: &'static str, action: &'static str) -> VaultOperation {
    VaultOperation { folder: "keys", policy, action }
}

const fn on_certificates(policy: &'static str, action: &'static str) -> VaultOperation {
    VaultOperation { folder: "certificates", policy, action }
}

pub const GET_KEY: VaultOperation = on_keys("get", "Microsoft.KeyVault/vaults/keys/read");
pub const IMPORT_KEY: VaultOperation = on_keys("import", "Microsoft.KeyVault/vaults/keys/import/action");
pub const GET_CERTIFICATE: VaultOperation = on_certificates("get", "Microsoft.KeyVault/vaults/certificates/read");
pub const IMPORT_CERTIFICATE: VaultOperation = on_certificates("import", "Microsoft.KeyVault/vaults/certificates/import/action");

/// The vault that a request is for.
pub struct VaultRequest {
    pub vault: String,
    pub host: String,
    pub api_version: String,
}

impl VaultRequest {
    /// Returns the key of a secret in the state.
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

pub fn vault<'a>(call: &'a Call<'_>, request: &VaultRequest) -> Result<&'a Vault, Response> {
    call.state.vaults.get(&request.vault).ok_or_else(|| error::body(404, "NotFound", "The vault does not exist."))
}

/// Allows the request, or returns the error of the vault's permission model. A new grant is delayed here.
pub fn permit(call: &mut Call<'_>, request: &VaultRequest, operation: VaultOperation, secret: Option<&str>) -> Result<(), Response> {
    let vault = vault(call, request)?;
    let (id, location, rbac) = (resource_ids::vault(&call.state.subscription, vault), vault.location.clone(), vault.rbac == Some(true));
    let caller = call.caller.clone();
    let target = secret.map_or_else(|| id.clone(), |s| format!("{id}/{}/{s}", operation.folder));
    let open = !access::denied(call, operation.action);
    let grant = if rbac {
        access::granting(call.state, &caller.object_id, operation.action, &target, Plane::Data)
            .map(|a| (a.created, Some(a.name.replace('-', ""))))
    } else {
        // a policy counts in the vault's tenant, for its principal and for the members of a group; one through an application only for its tokens
        let own = directory::with_groups(call.state, &caller.object_id);
        let tenant = if vault.tenant_id.is_empty() { &call.state.tenant } else { &vault.tenant_id };
        let counts = |p: &Policy| p.tenant_id.eq_ignore_ascii_case(tenant) && p.application_id.is_none();
        let is_its = |p: &Policy| own.iter().any(|id| id.eq_ignore_ascii_case(&p.object_id));
        let fits = |p: &&Policy| is_its(p) && counts(p) && policies::allows(p, operation.folder, operation.policy);
        vault.policies.iter().find(fits).map(|p| (p.since, None))
    };
    let denial = denials::of_data(call, operation.action, &target).filter(|_| rbac).map(|denial| denial.name.replace('-', ""));
    if let Some((since, pass)) = grant.filter(|_| open && denial.is_none())
        && !late(call, &request.vault, if rbac { "rbac" } else { "policy" }, since)
    {
        call.pass = pass;
        return Ok(());
    }
    let who = token::describe(call.state, &caller);
    if rbac {
        let resource = ids::fold(&target);
        let withheld = access::unmet_assignment(call.state, &caller.object_id, operation.action, &target, Plane::Data);
        let denied = denial.map_or_else(|| "null".to_owned(), |name| format!("'{name}'"));
        let reason = withheld.filter(|_| open).map_or_else(|| "null ".to_owned(), |a| reason(a, operation.action, &target));
        return Err(refusal(
            403,
            "Forbidden",
            format!(
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: {who}\r\nAction: '{}'\r\nResource: '{resource}'\r\nAssignment: (not found)\r\nDenyAssignmentId: {denied}\r\nDecisionReason: {reason}\r\nVault: {};location={location}\r\n",
                operation.action, request.vault
            ),
            "ForbiddenByRbac",
        ));
    }
    Err(refusal(
        403,
        "Forbidden",
        format!(
            "The user, group or application '{who}' does not have {} {} permission on key vault '{};location={location}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
            operation.folder, operation.policy, request.vault
        ),
        "ForbiddenByPolicy",
    ))
}

/// Explains why a role that has the action does not grant it.
fn reason(assignment: &Assignment, action: &str, target: &str) -> String {
    let name = ids::fold(&assignment.name);
    let condition = assignment.condition.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match access::verdict(assignment, action, target) {
        Verdict::Unknown => {
            format!("the sandbox does not support the condition of the role assignment {name}, so it grants nothing: {condition}")
        }
        _ => format!("the condition of the role assignment {name} is not fulfilled: {condition}"),
    }
}

/// Whether a grant at a vault, or at another host, has no effect yet.
pub fn late(call: &mut Call<'_>, vault: &str, kind: &str, since: i64) -> bool {
    let key = format!("{}|{vault}|{kind}", call.caller.object_id);
    let (lateness, now) = (call.rules.lateness, call.now);
    let new = !call.state.grants.contains_key(&key);
    let refuses = call.state.grants.entry(key).or_insert_with(|| Late::new(DelayKind::Grant, lateness, since)).refuses(lateness, now);
    if new || refuses {
        call.counted();
    }
    refuses
}

pub fn unix(at: i64) -> i64 {
    times::unix(at)
}
