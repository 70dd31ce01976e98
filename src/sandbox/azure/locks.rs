//! Management locks, at any scope: what is locked, or lies under what is locked, cannot be deleted, and with `ReadOnly` not written.
//! They hold for everyone, whatever his role is, and for the control plane only.

use super::{Answer, Call, access, error, ids, resources, state::Lock};
use crate::http::Response;
use serde_json::{Value, json};

pub const NAMESPACE: &str = "Microsoft.Authorization/locks";

fn id(lock: &Lock) -> String {
    format!("{}/providers/{NAMESPACE}/{}", lock.scope.trim_end_matches('/'), lock.name)
}

pub fn document(lock: &Lock) -> Value {
    let mut properties = json!({ "level": lock.level });
    if let Some(notes) = &lock.notes {
        properties["notes"] = json!(notes);
    }
    json!({"properties": properties, "id": id(lock), "type": NAMESPACE, "name": lock.name})
}

/// ScopeLocked if the action is one that a lock stands in the way of. A group goes with all that is in it, so what is locked there counts.
pub fn check(call: &Call<'_>, action: &str, scope: &str) -> Result<(), Response> {
    if call.state.locks.is_empty() || ids::fold(action).starts_with(&ids::fold(NAMESPACE)) {
        return Ok(());
    }
    let verb = match ids::fold(action).rsplit('/').next() {
        Some("delete") => "delete",
        Some("write") => "write",
        _ => return Ok(()),
    };
    let here = ids::fold(scope);
    let stands = |lock: &&Lock| {
        let there = ids::fold(&lock.scope);
        let hard = verb == "delete" || lock.level == "ReadOnly";
        hard && (ids::covers(&there, &here) || (verb == "delete" && ids::covers(&here, &there)))
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

/// At the scope and under it; with `atScope()`, at it and above it.
pub fn list(call: &Call<'_>, scope: &str) -> Answer {
    if call.request.method != "GET" {
        return Err(error::method_not_allowed(call));
    }
    access::require(call, &format!("{NAMESPACE}/read"), scope)?;
    resources::require_scope(call, scope)?;
    let above = call.request.query("$filter").is_some_and(|f| ids::fold(&f).contains("atscope()"));
    let here = ids::fold(scope);
    let fits = |lock: &&Lock| {
        let there = ids::fold(&lock.scope);
        if above { ids::covers(&there, &here) } else { ids::covers(&here, &there) }
    };
    Ok(error::list(call.state.locks.values().filter(fits).map(document).collect()))
}

pub fn one(call: &mut Call<'_>, scope: &str, name: &str) -> Answer {
    let lock = Lock { name: name.to_owned(), scope: scope.to_owned(), level: String::new(), notes: None };
    let full = id(&lock);
    let key = ids::fold(&full);
    let there = call.state.locks.get(&key).cloned();
    let action = |verb: &str| format!("{NAMESPACE}/{verb}");
    match call.request.method.as_str() {
        "GET" => {
            access::require(call, &action("read"), &full)?;
            resources::require_scope(call, scope)?;
            let lock = there.ok_or_else(|| error::gateway(404, "LockNotFound", format!("The lock '{name}' could not be found.")))?;
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
            let lock = Lock { level: level.to_owned(), notes: text("notes"), ..there.clone().unwrap_or(lock) };
            let body = document(&lock);
            call.state.locks.insert(key, lock);
            call.changed();
            Ok(if there.is_some() { error::ok(&body) } else { error::created(&body) })
        }
        "DELETE" => {
            access::require(call, &action("delete"), &full)?;
            if there.is_none() {
                return Ok(Response::new(204));
            }
            call.state.locks.remove(&key);
            call.changed();
            Ok(Response::new(200))
        }
        _ => Err(error::method_not_allowed(call)),
    }
}
