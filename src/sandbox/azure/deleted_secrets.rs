//! Soft-deleted secrets: seen, recovered, purged.

use super::{
    Answer, Call, error,
    error::ok,
    secrets,
    state::{DeletedSecret, Vault},
    vault_gate::{self, Visit, permit, refusal, unix, vault},
};
use crate::{
    http::Response,
    lateness::{Kind, Late},
};
use serde_json::{Map, Value, json};

pub fn document(visit: &Visit, vault: &Vault, deleted: &DeletedSecret) -> Value {
    let mut body = Map::new();
    body.insert("recoveryId".into(), json!(format!("https://{}/deletedsecrets/{}", visit.host, deleted.secret.name)));
    body.insert("deletedDate".into(), json!(unix(deleted.deleted)));
    body.insert("scheduledPurgeDate".into(), json!(unix(deleted.purge_at)));
    if let Some(version) = deleted.secret.versions.last() {
        body.extend(secrets::bundle(visit, vault, &secrets::version_id(visit, &deleted.secret, version), version));
    }
    Value::Object(body)
}

fn not_found(name: &str) -> Response {
    error::body(404, "SecretNotFound", format!("Deleted Secret not found: {name}"))
}

/// Still being deleted: not there yet.
fn find<'a>(call: &'a Call<'_>, visit: &Visit, name: &str) -> Result<&'a DeletedSecret, Response> {
    let deleted = call.state.deleted_secrets.get(&visit.key(name)).ok_or_else(|| not_found(name))?;
    if deleted.late.clone().refuses(call.rules.lateness, call.now) { Err(not_found(name)) } else { Ok(deleted) }
}

pub fn get(call: &mut Call<'_>, visit: &Visit, name: &str) -> Answer {
    secrets::sound(name)?;
    permit(call, visit, vault_gate::GET_DELETED, Some(name))?;
    let deleted = find(call, visit, name)?;
    if deleted.secret.versions.last().is_some_and(|version| !version.enabled) {
        return Err(secrets::disabled());
    }
    Ok(ok(&document(visit, vault(call, visit)?, deleted)))
}

pub fn list(call: &mut Call<'_>, visit: &Visit) -> Answer {
    permit(call, visit, vault_gate::LIST, None)?;
    let vault = vault(call, visit)?;
    let show = |deleted: &DeletedSecret| {
        let mut body = document(visit, vault, deleted);
        body["id"] = json!(format!("https://{}/secrets/{}", visit.host, deleted.secret.name));
        body
    };
    Ok(ok(&secrets::page(call, visit, secrets::within(&call.state.deleted_secrets, visit), show)))
}

pub fn recover(call: &mut Call<'_>, visit: &Visit, name: &str) -> Answer {
    secrets::sound(name)?;
    permit(call, visit, vault_gate::RECOVER, Some(name))?;
    let key = visit.key(name);
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
    secret.late = Late::new(Kind::Deletion, lateness, now);
    call.state.secrets.insert(key, secret.clone());
    call.changed();
    let answer = match secret.versions.last() {
        Some(version) => Value::Object(secrets::bundle(visit, vault(call, visit)?, &secrets::version_id(visit, &secret, version), version)),
        None => Value::Null,
    };
    Ok(ok(&answer))
}

pub fn purge(call: &mut Call<'_>, visit: &Visit, name: &str) -> Answer {
    secrets::sound(name)?;
    permit(call, visit, vault_gate::PURGE, Some(name))?;
    let there = vault(call, visit)?;
    if there.purge_protection {
        return Err(refusal(403, "Forbidden", "Operation \"purge\" is not enabled for this vault.", "AccessDenied"));
    }
    find(call, visit, name)?;
    call.state.deleted_secrets.remove(&visit.key(name));
    call.changed();
    Ok(Response::new(204))
}
