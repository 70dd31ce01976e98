//! Soft-deleted secrets: read, recover, purge.

use super::{
    call::{Answer, Call},
    error::{self, ok},
    secrets,
    state::DeletedSecret,
    vault_request::{self, VaultRequest, permit, refusal, vault},
};
use crate::{
    http::Response,
    lateness::{DelayKind, Late},
};
use serde_json::{Value, json};

fn not_found(name: &str) -> Response {
    error::body(404, "SecretNotFound", format!("Deleted Secret not found: {name}"))
}

/// A secret whose deletion is not finished is not found.
fn find<'a>(call: &'a Call<'_>, request: &VaultRequest, name: &str) -> Result<&'a DeletedSecret, Response> {
    let deleted = call.state.deleted_secrets.get(&request.key(name)).ok_or_else(|| not_found(name))?;
    if deleted.late.clone().refuses(call.rules.lateness, call.now) { Err(not_found(name)) } else { Ok(deleted) }
}

pub fn get(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    secrets::check_name(name)?;
    permit(call, request, vault_request::GET_DELETED, Some(name))?;
    let deleted = find(call, request, name)?;
    if deleted.secret.versions.last().is_some_and(|version| !version.enabled) {
        return Err(secrets::disabled());
    }
    Ok(ok(&secrets::deleted_document(request, vault(call, request)?, deleted)))
}

pub fn list(call: &mut Call<'_>, request: &VaultRequest) -> Answer {
    permit(call, request, vault_request::LIST, None)?;
    let vault = vault(call, request)?;
    let show = |deleted: &DeletedSecret| {
        let mut body = secrets::deleted_document(request, vault, deleted);
        body["id"] = json!(format!("https://{}/secrets/{}", request.host, deleted.secret.name));
        body
    };
    Ok(ok(&secrets::page(call, request, secrets::within(&call.state.deleted_secrets, request), show)))
}

pub fn recover(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    secrets::check_name(name)?;
    permit(call, request, vault_request::RECOVER, Some(name))?;
    let key = request.key(name);
    let (now, lateness) = (call.now, call.rules.lateness);
    if call.state.secrets.contains_key(&key) {
        return Err(refusal(400, "MethodNotAllowed", format!("Secret exists already: {name}"), "RequestNotAllowedOnNonDeletedObject"));
    }
    match call.state.deleted_secrets.get(&key) {
        None => return Err(not_found(name)),
        Some(d) if d.late.clone().refuses(lateness, now) => {
            return Err(refusal(409, "Conflict", format!("Secret {name} is currently being deleted."), "ObjectIsBeingDeleted"));
        }
        Some(_) => {}
    }
    let mut secret = call.state.deleted_secrets.remove(&key).ok_or_else(|| not_found(name))?.secret;
    secret.late = Late::new(DelayKind::Deletion, lateness, now);
    call.state.secrets.insert(key, secret.clone());
    call.changed();
    let answer = match secret.versions.last() {
        Some(version) => {
            Value::Object(secrets::bundle(request, vault(call, request)?, &secrets::version_id(request, &secret, version), version))
        }
        None => Value::Null,
    };
    Ok(ok(&answer))
}

pub fn purge(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    secrets::check_name(name)?;
    permit(call, request, vault_request::PURGE, Some(name))?;
    let existing = vault(call, request)?;
    if existing.purge_protection {
        return Err(refusal(403, "Forbidden", "Operation \"purge\" is not enabled for this vault.", "AccessDenied"));
    }
    find(call, request, name)?;
    call.state.deleted_secrets.remove(&request.key(name));
    call.changed();
    Ok(Response::new(204))
}
