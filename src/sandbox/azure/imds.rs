//! The instance metadata service of a node: tokens for what is assigned to the node's scale set, and for nothing else.
//! Which node asks cannot be read off loopback: the header `x-podid-node` names its cluster.

use super::{Call, ids, state::Assigned, times, token};
use crate::sandbox::http::Response;
use serde_json::{Value, json};

const JSON: &str = "application/json; charset=utf-8";

fn refusal(status: u16, error: &str, text: &str) -> Response {
    Response::json(status, JSON, &json!({"error": error, "error_description": text}))
}

pub fn answer(call: &mut Call<'_>) -> Response {
    let path = ids::fold(&call.request.path);
    if path.trim_end_matches('/') != "/metadata/identity/oauth2/token" {
        return refusal(404, "Not found", "The requested resource is not served here.");
    }
    if call.request.method != "GET" {
        return refusal(405, "Method not allowed", "Only GET is served here.");
    }
    if !call.request.header("metadata").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return refusal(400, "bad_request_102", "Required metadata header not specified");
    }
    if call.request.query("api-version").is_none() {
        return refusal(400, "bad_request", "Required query variable 'api-version' is missing");
    }
    let Some(resource) = call.request.query("resource").filter(|r| !r.is_empty()) else {
        return refusal(400, "invalid_resource", "AADSTS50001: The application named  was not found in the tenant.");
    };
    let who = match chosen(call).as_slice() {
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

/// By client id, object id or resource id, or all that there are. An identity that was deleted since it was assigned is not found,
/// nor is one that was made again under its name.
fn chosen(call: &Call<'_>) -> Vec<Assigned> {
    let node = call.request.header("x-podid-node").unwrap_or_default();
    let cluster = call.state.clusters.values().find(|c| c.name.eq_ignore_ascii_case(node));
    let Some(set) = cluster.and_then(|c| call.state.scale_sets.get(&c.scale_set)) else { return Vec::new() };
    let asked = |name: &str| call.request.query(name).filter(|v| !v.is_empty());
    let fits = |a: &&Assigned| {
        asked("client_id").is_none_or(|v| v.eq_ignore_ascii_case(&a.client_id))
            && asked("object_id").or_else(|| asked("principal_id")).is_none_or(|v| v.eq_ignore_ascii_case(&a.principal_id))
            && asked("mi_res_id").or_else(|| asked("msi_res_id")).is_none_or(|v| v.eq_ignore_ascii_case(&a.id))
            && call.state.principals.contains_key(&a.principal_id)
    };
    set.identities.values().filter(fits).cloned().collect()
}
