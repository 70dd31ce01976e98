//! Decides by the head of a request whether it may be made: who sends it, what it asks for, and whether RBAC allows that. The body need not
//! have been read.

use super::authentication;
use super::cluster::Kube;
use super::rbac::{self, Attributes};
use super::router::{self, Route, Target};
use super::status::{Outcome, Refusal};
use super::store::Store;
use super::user::User;
use crate::http::Request;
use std::sync::Arc;

/// A request that may be made.
pub struct Authorized {
    pub user: User,
    pub route: Route,
    pub attributes: Attributes,
}

/// Rewrites the old form of a watch, a word in the path, to the current one.
pub fn normalize(request: &Request) -> Request {
    match router::without_watch(&request.path) {
        None => request.clone(),
        Some(path) => {
            let query = if request.query.is_empty() { "watch=1".to_owned() } else { format!("{}&watch=1", request.query) };
            Request { path, query, ..request.clone() }
        }
    }
}

pub fn check_allowed(store: &Store, user: &User, attributes: &Attributes) -> Outcome<()> {
    if rbac::allows(store, user, attributes) { Ok(()) } else { Err(attributes.refusal(user)) }
}

pub fn authorize(kube: &Arc<Kube>, request: &Request) -> Outcome<Authorized> {
    let mut user = authentication::authenticate(&kube.lock(), &kube.facts, request)?;
    if let Some(other) = authentication::impersonated(request) {
        let attributes =
            Attributes { verb: "impersonate".into(), resource: "users".into(), name: other.name.clone(), ..Attributes::default() };
        check_allowed(&kube.lock(), &user, &attributes)?;
        user = other;
    }
    let route = router::route(&request.path);
    let attributes = match &route {
        Route::Path => {
            let verb = if request.method == "HEAD" { "get".into() } else { request.method.to_lowercase() };
            Attributes { verb, path: request.path.clone(), ..Attributes::default() }
        }
        Route::Object(target) => object_attributes(target, request)?,
    };
    check_allowed(&kube.lock(), &user, &attributes)?;
    Ok(Authorized { user, route, attributes })
}

fn object_attributes(target: &Target, request: &Request) -> Outcome<Attributes> {
    // A GET of one object is never a watch, whatever the query says.
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
    // A list or watch that selects one object by name needs the right to that object only.
    let one = |f: &str| f.split(',').find_map(|t| t.strip_prefix("metadata.name=").map(|n| n.trim_start_matches('=').to_owned()));
    let sought = fields.as_deref().filter(|_| matches!(verb, "list" | "watch" | "deletecollection")).and_then(one);
    Ok(Attributes {
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
