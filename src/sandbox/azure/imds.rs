//! The instance metadata service of a node. It issues tokens for the identities assigned to the node's scale set; `instance` describes the
//! node. Token errors have OAuth's two fields, other errors have one.

use super::{
    call::Call,
    ids, instance, resource_ids,
    state::{self, Assigned},
    times, token,
};
use crate::http::Response;
use serde_json::{Value, json};

/// The cluster of the calling node, which cannot be derived from a loopback address.
pub const NODE_HEADER: &str = "x-podid-node";

const JSON: &str = "application/json; charset=utf-8";
/// The first version with tokens.
const FIRST: &str = "2018-02-01";
const MISSING_HEADER: &str = "Required metadata header not specified";
const FORWARDED: &str = "Requests with the header X-Forwarded-For are not served";

fn refusal(status: u16, error: &str, text: &str) -> Response {
    Response::json(status, JSON, &json!({"error": error, "error_description": text}))
}

pub fn answer(call: &mut Call<'_>) -> Response {
    let path = ids::fold(&call.request.path);
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let response = match parts.as_slice() {
        ["metadata", "identity", "oauth2", "token"] => identity(call),
        ["metadata", "versions"] => rejection(call).unwrap_or_else(instance::versions),
        ["metadata", "instance", rest @ ..] => rejection(call).unwrap_or_else(|| instance(call, rest)),
        _ => rejection(call).unwrap_or_else(|| instance::plain_refusal(404, "Not found")),
    };
    response.with("server", "IMDS/150.870.65.1854")
}

/// Detects requests that were tricked into calling this address (SSRF): they lack the one header or have the other one.
fn forgery(call: &Call<'_>) -> Option<&'static str> {
    if !call.request.header("metadata").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return Some(MISSING_HEADER);
    }
    call.request.header("x-forwarded-for").map(|_| FORWARDED)
}

fn rejection(call: &Call<'_>) -> Option<Response> {
    if let Some(why) = forgery(call) {
        return Some(instance::plain_refusal(400, &format!("Bad request. {why}")));
    }
    (call.request.method != "GET").then(|| instance::plain_refusal(405, "Method not allowed"))
}

/// Returns the node's cluster and its scale set.
fn place<'a>(call: &'a Call<'_>) -> Option<(&'a state::Cluster, &'a state::ScaleSet)> {
    let node = call.request.header(NODE_HEADER).unwrap_or_default();
    let cluster = call.state.clusters.values().find(|c| c.name.eq_ignore_ascii_case(node))?;
    Some((cluster, call.state.scale_sets.get(&cluster.scale_set)?))
}

fn instance(call: &Call<'_>, rest: &[&str]) -> Response {
    match place(call) {
        Some((cluster, set)) => instance::answer(call.request, &call.state.subscription, cluster, set, rest),
        None => instance::plain_refusal(404, "Not found"),
    }
}

fn identity(call: &Call<'_>) -> Response {
    if let Some(why) = forgery(call) {
        return refusal(400, "invalid_request", why);
    }
    if call.request.method != "GET" {
        return refusal(405, "invalid_request", "Only GET is served here.");
    }
    let version = call.api_version();
    if version.is_empty() {
        return refusal(400, "invalid_request", "Required query variable 'api-version' is missing");
    }
    if !instance::is_version(&version) || version.as_str() < FIRST {
        return refusal(400, "invalid_request", &format!("The api-version '{version}' is not supported"));
    }
    let resource = match call.request.query("resource") {
        None => return refusal(400, "invalid_request", "Required query variable 'resource' is missing"),
        Some(empty) if empty.is_empty() => {
            return refusal(400, "invalid_resource", "AADSTS50001: The application named  was not found in the tenant.");
        }
        Some(resource) => resource,
    };
    let who = match selected(call).as_slice() {
        [one] => one.clone(),
        [] => return refusal(400, "invalid_request", "Identity not found"),
        _ => {
            let text =
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request";
            return refusal(400, "invalid_request", text);
        }
    };
    let access = token::issue(call, &resource, &who.principal_id, &who.client_id, Some(&who.id));
    let (now, seconds) = (times::unix(call.now), call.rules.token_seconds);
    let body: Value = json!({"access_token": access, "client_id": who.client_id, "expires_in": seconds.to_string(),
        "expires_on": (now + seconds).to_string(), "ext_expires_in": seconds.to_string(), "not_before": now.to_string(),
        "resource": resource, "token_type": "Bearer"});
    Response::json(200, JSON, &body)
}

/// Selects identities by client id, object id or resource id. Without a parameter, it returns the scale set's own identity or all of them.
/// An identity that was deleted, or created again, after its assignment is not found.
fn selected(call: &Call<'_>) -> Vec<Assigned> {
    let Some((_, set)) = place(call) else { return Vec::new() };
    let asked = |name: &str| call.request.query(name).filter(|v| !v.is_empty());
    let (client, object) = (asked("client_id"), asked("object_id").or_else(|| asked("principal_id")));
    let resource = asked("mi_res_id").or_else(|| asked("msi_res_id"));
    let own = set.principal_id.as_ref().and_then(|id| {
        let principal = call.state.principals.get(id)?;
        let id_of_set = resource_ids::scale_set(&call.state.subscription, set);
        Some(Assigned { id: id_of_set, client_id: principal.app_id.clone(), principal_id: id.clone() })
    });
    if client.is_none()
        && object.is_none()
        && resource.is_none()
        && let Some(own) = own
    {
        return vec![own];
    }
    let fits = |a: &Assigned| {
        client.as_ref().is_none_or(|v| v.eq_ignore_ascii_case(&a.client_id))
            && object.as_ref().is_none_or(|v| v.eq_ignore_ascii_case(&a.principal_id))
            && resource.as_ref().is_none_or(|v| v.eq_ignore_ascii_case(&a.id))
            && call.state.principals.contains_key(&a.principal_id)
    };
    set.identities.values().cloned().chain(own).filter(fits).collect()
}
