//! Management locks at any scope. A locked scope and everything below it cannot be deleted, and with `ReadOnly` not changed. Locks apply to
//! every caller, and only to the control plane.

use super::{
    access::{self, LOCKS},
    call::{Answer, Call},
    error, ids, resources,
    state::Lock,
};
use crate::http::Response;
use serde_json::{Value, json};

fn id(lock: &Lock) -> String {
    format!("{}/providers/{LOCKS}/{}", lock.scope.trim_end_matches('/'), lock.name)
}

pub fn document(lock: &Lock) -> Value {
    let mut properties = json!({ "level": lock.level });
    if let Some(notes) = &lock.notes {
        properties["notes"] = json!(notes);
    }
    json!({"properties": properties, "id": id(lock), "type": LOCKS, "name": lock.name})
}

/// Lists locks at and below the scope; with `atScope()`, at and above it.
pub fn list(call: &Call<'_>, scope: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, &format!("{LOCKS}/read"), scope)?;
    resources::require_scope(call, scope)?;
    let above = call.request.query("$filter").is_some_and(|f| ids::fold(&f).contains("atscope()"));
    let here = ids::fold(scope);
    let fits = |lock: &&Lock| {
        let existing = ids::fold(&lock.scope);
        if above { ids::covers(&existing, &here) } else { ids::covers(&here, &existing) }
    };
    Ok(error::list(call.state.locks.values().filter(fits).map(document).collect()))
}

pub fn one(call: &mut Call<'_>, scope: &str, name: &str) -> Answer {
    let lock = Lock { name: name.to_owned(), scope: scope.to_owned(), level: String::new(), notes: None };
    let full = id(&lock);
    let key = ids::fold(&full);
    let existing = call.state.locks.get(&key).cloned();
    let action = |verb: &str| format!("{LOCKS}/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &full)?;
            resources::require_scope(call, scope)?;
            let lock = existing.ok_or_else(|| error::gateway(404, "LockNotFound", format!("The lock '{name}' could not be found.")))?;
            Ok(error::ok(&document(&lock)))
        }
        "PUT" => {
            access::require(call, &action("write"), &full)?;
            resources::require_scope(call, scope)?;
            let body = error::object(call)?;
            let text = |field: &str| body.get("properties").and_then(|p| p.get(field)).and_then(Value::as_str).map(str::to_owned);
            let level = text("level").unwrap_or_default();
            let known = ["CanNotDelete", "ReadOnly"].into_iter().find(|known| known.eq_ignore_ascii_case(&level));
            let level = known.ok_or_else(|| {
                error::gateway(
                    400,
                    "LockLevelInvalid",
                    format!("The lock level '{level}' is invalid. Valid levels are 'CanNotDelete' and 'ReadOnly'."),
                )
            })?;
            let lock = Lock { level: level.to_owned(), notes: text("notes"), ..existing.clone().unwrap_or(lock) };
            let body = document(&lock);
            call.state.locks.insert(key, lock);
            call.changed();
            Ok(if existing.is_some() { error::ok(&body) } else { error::created(&body) })
        }
        "DELETE" => {
            access::require(call, &action("delete"), &full)?;
            if existing.is_none() {
                return Ok(Response::new(204));
            }
            call.state.locks.remove(&key);
            call.changed();
            Ok(Response::new(200))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}
