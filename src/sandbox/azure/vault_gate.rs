//! The door of a vault's data plane: the challenge, the token, and whether a grant (by role or by policy) lets the caller through.

use super::{
    Call,
    access::{self, Plane},
    arm, deleted_secrets, error, ids, policies, secret_backups, secrets,
    state::Vault,
    times, token, vaults,
};
use crate::{
    http::Response,
    lateness::{Kind, Late},
    limits::Spent,
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

pub fn answer(call: &mut Call<'_>) -> Response {
    let visit = visit(call);
    let response = admit(call).and_then(|()| route(call, &visit)).unwrap_or_else(|refusal| refusal);
    dress(call, &visit, response)
}

/// The refusal of a caller who is not known, by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let refusal = authenticate(call).err()?;
    let visit = visit(call);
    Some(dress(call, &visit, refusal))
}

fn visit(call: &Call<'_>) -> Visit {
    let host = call.request.host.clone();
    let vault = host.strip_suffix(super::VAULT_SUFFIX).unwrap_or_default().to_owned();
    Visit { vault, host, api_version: call.api_version() }
}

fn dress(call: &mut Call<'_>, visit: &Visit, response: Response) -> Response {
    let region = call.state.vaults.get(&visit.vault).map(|v| v.location.clone()).unwrap_or_default();
    let response = response
        .with("cache-control", "no-cache")
        .with("pragma", "no-cache")
        .with("expires", "-1")
        .with("strict-transport-security", "max-age=31536000;includeSubDomains")
        .with("x-content-type-options", "nosniff")
        .with("x-ms-keyvault-network-info", "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;")
        .with("x-ms-keyvault-region", region)
        .with("x-ms-keyvault-service-version", "1.9.2064.1")
        .with("x-ms-request-id", ids::random());
    // also on a refusal that comes after the door, as on a secret that is not there
    let response = match call.pass.take() {
        Some(assignment) => response
            .with("x-ms-keyvault-rbac-assignment-id", assignment)
            .with("x-ms-keyvault-rbac-cache", "ra_age=0;da_age=0;rd_age=0;brd_age=0;ra_notif_age=0;dec_lev=0;"),
        None => response,
    };
    match call.request.header("x-ms-client-request-id") {
        Some(id) => response.with("x-ms-client-request-id", id),
        None => response,
    }
}

pub fn refusal(status: u16, code: &str, message: impl Into<String>, inner: &str) -> Response {
    Response::json(status, error::JSON, &json!({"error": {"code": code, "message": message.into(), "innererror": {"code": inner}}}))
}

pub fn bad(message: impl Into<String>) -> Response {
    error::body(400, "BadParameter", message)
}

fn admit(call: &mut Call<'_>) -> Result<(), Response> {
    authenticate(call)?;
    if call.rules.spent == Some(Spent::Vault) {
        let message = "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached";
        return Err(error::body(429, "Throttled", message).with("retry-after", "1"));
    }
    match call.request.query("api-version").filter(|v| !v.is_empty()) {
        Some(_) => Ok(()),
        None => Err(bad("api-version must be specified")),
    }
}

fn authenticate(call: &mut Call<'_>) -> Result<(), Response> {
    let message = match token::check(call, &["https://vault.azure.net"]) {
        Ok(caller) => {
            call.caller = caller;
            return Ok(());
        }
        Err(token::Fault::Missing) => "AKV10000: Request is missing a Bearer or PoP token.".to_owned(),
        Err(token::Fault::Malformed) => "[BearerReadAccessTokenFailed] Error validating token: 'S2S12005'.".to_owned(),
        Err(token::Fault::Expired(_)) => "[TokenExpired] Error validating token: 'S2S12086'.".to_owned(),
        Err(token::Fault::Audience(found)) => format!("AKV10022: Invalid audience. Expected https://vault.azure.net, found: {found}."),
    };
    let challenge =
        format!("Bearer authorization=\"https://{}/{}\", resource=\"https://vault.azure.net\"", super::LOGIN_HOST, call.state.tenant);
    Err(error::body(401, "Unauthorized", message).with("www-authenticate", challenge))
}

fn route(call: &mut Call<'_>, visit: &Visit) -> super::Answer {
    if !call.state.vaults.contains_key(&visit.vault) {
        return Err(error::body(404, "NotFound", "The vault is not there."));
    }
    // empty segments are skipped: `//secrets/n` and `/secrets/n/` are what some SDKs send
    let path = arm::Path::of(&call.request.path);
    let low: Vec<&str> = path.low.iter().map(String::as_str).collect();
    let part = |at: usize| path.parts.get(at).map_or("", String::as_str);
    match (call.request.method.as_str(), low.as_slice()) {
        ("GET", ["secrets"]) => secrets::list(call, visit),
        ("GET", ["secrets", _, "versions"]) => secrets::versions(call, visit, part(1)),
        ("GET", ["secrets", _]) => secrets::get(call, visit, part(1), None),
        ("GET", ["secrets", _, version]) => secrets::get(call, visit, part(1), Some(version)),
        ("POST", ["secrets", "restore"]) => secret_backups::restore(call, visit),
        ("POST", ["secrets", _, "backup"]) => secret_backups::backup(call, visit, part(1)),
        ("PUT", ["secrets", _]) => secrets::put(call, visit, part(1)),
        ("PATCH", ["secrets", _]) => secrets::patch(call, visit, part(1), None),
        ("PATCH", ["secrets", _, version]) => secrets::patch(call, visit, part(1), Some(version)),
        ("DELETE", ["secrets", _]) => secrets::delete(call, visit, part(1)),
        ("GET", ["deletedsecrets"]) => deleted_secrets::list(call, visit),
        ("GET", ["deletedsecrets", _]) => deleted_secrets::get(call, visit, part(1)),
        ("DELETE", ["deletedsecrets", _]) => deleted_secrets::purge(call, visit, part(1)),
        ("POST", ["deletedsecrets", _, "recover"]) => deleted_secrets::recover(call, visit, part(1)),
        (_, ["secrets" | "deletedsecrets", ..]) => {
            Err(error::body(405, "MethodNotAllowed", "The HTTP method is not allowed for this resource."))
        }
        _ => Err(error::body(404, "NotFound", "The requested resource was not found.")),
    }
}

pub fn vault<'a>(call: &'a Call<'_>, visit: &Visit) -> Result<&'a Vault, Response> {
    call.state.vaults.get(&visit.vault).ok_or_else(|| error::body(404, "NotFound", "The vault is not there."))
}

/// Lets the caller through, or says which of the two models does not. A new grant is late here.
pub fn permit(call: &mut Call<'_>, visit: &Visit, operation: Operation, secret: Option<&str>) -> Result<(), Response> {
    let vault = vault(call, visit)?;
    let (id, location, rbac) = (vaults::id(&call.state.subscription, vault), vault.location.clone(), vault.rbac == Some(true));
    let caller = call.caller.clone();
    let target = secret.map_or_else(|| id.clone(), |s| format!("{id}/secrets/{s}"));
    let open = !access::denied(call, operation.action);
    let grant = if rbac {
        access::granting(call.state, &caller.object_id, operation.action, &target, Plane::Data)
            .map(|a| (a.created, Some(a.name.replace('-', ""))))
    } else {
        let fits = |p: &&super::state::Policy| p.object_id.eq_ignore_ascii_case(&caller.object_id) && policies::allows(p, operation.policy);
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
fn reason(assignment: &super::state::Assignment, action: &str, target: &str) -> String {
    let name = ids::fold(&assignment.name);
    let condition = assignment.condition.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match access::verdict(assignment, action, target) {
        access::Verdict::Unknown => {
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
