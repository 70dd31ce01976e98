//! Whether a request may be made, by its head alone: who asks, for what, and whether RBAC allows it. Its body is not looked at, and need not
//! have been read.

use super::Kube;
use super::auth::{self, User};
use super::rbac::{self, Deed};
use super::router::{self, Route, Target};
use super::status::{Outcome, Refusal};
use super::store::Store;
use crate::http::Request;
use std::sync::Arc;

/// A request that may be made.
pub struct Admitted {
    pub user: User,
    pub route: Route,
    pub deed: Deed,
}

/// The request in the form that is used now: the old way to watch is a word in the path.
pub fn as_now(request: &Request) -> Request {
    match router::watched(&request.path) {
        None => request.clone(),
        Some(path) => {
            let query = if request.query.is_empty() { "watch=1".to_owned() } else { format!("{}&watch=1", request.query) };
            Request { path, query, ..request.clone() }
        }
    }
}

pub fn allowed(store: &Store, user: &User, deed: &Deed) -> Outcome<()> {
    if rbac::allows(store, user, deed) { Ok(()) } else { Err(deed.refusal(user)) }
}

pub fn admitted(kube: &Arc<Kube>, request: &Request) -> Outcome<Admitted> {
    let mut user = auth::user(&kube.lock(), &kube.facts, request)?;
    if let Some(other) = auth::impersonated(request) {
        let deed = Deed { verb: "impersonate".into(), resource: "users".into(), name: other.name.clone(), ..Deed::default() };
        allowed(&kube.lock(), &user, &deed)?;
        user = other;
    }
    let route = router::route(&request.path);
    let deed = match &route {
        Route::Path => {
            let verb = if request.method == "HEAD" { "get".into() } else { request.method.to_lowercase() };
            Deed { verb, path: request.path.clone(), ..Deed::default() }
        }
        Route::Object(target) => of_object(target, request)?,
    };
    allowed(&kube.lock(), &user, &deed)?;
    Ok(Admitted { user, route, deed })
}

fn of_object(target: &Target, request: &Request) -> Outcome<Deed> {
    // One object by its path is read, not watched, whatever the query says.
    let watching = target.name.is_empty() && request.query("watch").is_some_and(|w| w == "1" || w == "true");
    let verb = match (request.method.as_str(), target.name.is_empty()) {
        ("GET", _) if watching => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => return Err(Refusal::method_not_allowed()),
    };
    let fields = request.query("fieldSelector");
    // A list or watch of one object by its name needs the right to that one only.
    let one = |f: &str| f.split(',').find_map(|t| t.strip_prefix("metadata.name=").map(|n| n.trim_start_matches('=').to_owned()));
    let sought = fields.as_deref().filter(|_| matches!(verb, "list" | "watch" | "deletecollection")).and_then(one);
    Ok(Deed {
        verb: verb.into(),
        group: target.group.clone(),
        resource: target.plural.clone(),
        subresource: target.sub.clone(),
        name: if target.name.is_empty() { sought.unwrap_or_default() } else { target.name.clone() },
        namespace: if target.plural == "namespaces" && target.group.is_empty() {
            target.name.clone()
        } else {
            target.namespace.clone().unwrap_or_default()
        },
        path: String::new(),
    })
}
