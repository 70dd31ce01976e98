//! The part of Microsoft Graph that role and policy tools use: applications and their service principals, users, groups, and objects by id.

mod applications;
mod first_party;
mod members;
mod people;
mod replies;
mod services;

use super::{
    access,
    call::Call,
    graph::replies::{CONTEXT, ODATA, merge, object, refusal},
    hosts, ids,
    state::PrincipalType,
    token,
};
use crate::http::Response;
use serde_json::{Value, json};

pub fn answer(call: &mut Call<'_>) -> Response {
    let request_id = ids::random();
    let response = match authenticate(call, &request_id) {
        Ok(()) => route(call, &request_id),
        Err(refusal) => refusal,
    };
    add_headers(call, &request_id, response)
}

/// Rejects an unknown caller by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let request_id = ids::random();
    let refusal = authenticate(call, &request_id).err()?;
    Some(add_headers(call, &request_id, refusal))
}

fn authenticate(call: &mut Call<'_>, request_id: &str) -> Result<(), Response> {
    let text = match token::check(call, hosts::GRAPH_AUDIENCES) {
        Ok(caller) => {
            call.caller = caller;
            return Ok(());
        }
        Err(token::TokenError::Missing) => "Access token is empty.",
        Err(token::TokenError::Malformed) => "CompactToken parsing failed with error code: 80049217",
        Err(token::TokenError::Expired(_)) => "Lifetime validation failed, the token is expired.",
        Err(token::TokenError::Audience(_)) => "Access token validation failure. Invalid audience.",
    };
    Err(refusal(call, 401, "InvalidAuthenticationToken", text, request_id))
}

fn add_headers(call: &Call<'_>, request_id: &str, response: Response) -> Response {
    response
        .with("cache-control", "no-cache")
        .with("request-id", request_id)
        .with("client-request-id", call.request.header("client-request-id").unwrap_or(request_id))
        .with("odata-version", "4.0")
        .with("strict-transport-security", "max-age=31536000")
        .with(
            "x-ms-ags-diagnostic",
            r#"{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"001","RoleInstance":"AM1PEPF000166AB"}}"#,
        )
        .with("x-ms-resource-unit", "1")
}

fn route(call: &mut Call<'_>, request_id: &str) -> Response {
    // `deny` names Graph as "graph", because its permissions are not actions of a role
    if access::denied(call, "graph") {
        return refusal(call, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", request_id);
    }
    let parts: Vec<String> = call.request.path.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let words: Vec<&str> = parts.iter().skip(1).map(String::as_str).collect();
    if let Some(principal_type) = words.first().and_then(|kind| people::principal_type(kind)) {
        match (call.request.method.as_str(), words.as_slice()) {
            ("GET" | "DELETE", [_, asked]) => return people::one(call, request_id, principal_type, asked),
            ("GET", [_]) => return people::list(call, request_id, principal_type),
            ("POST", [_]) => return people::create(call, request_id, principal_type),
            (_, [_, asked, kind, rest @ ..]) if principal_type == PrincipalType::Group && kind.eq_ignore_ascii_case("members") => {
                return members::route(call, request_id, asked, rest);
            }
            ("GET", [_, asked, kind]) if principal_type == PrincipalType::Group && kind.eq_ignore_ascii_case("transitiveMembers") => {
                return members::transitive(call, request_id, asked);
            }
            _ => {}
        }
    }
    let kind = words.first().map(|kind| ids::fold(kind)).unwrap_or_default();
    // `applications(appId='X')` is another form of the key
    let (kind, key) = match kind.split_once('(') {
        Some((kind, key)) => (kind.to_owned(), key.split('\'').nth(1).map(str::to_owned)),
        None => (kind, None),
    };
    if let ("serviceprincipals", "GET", [_, asked, word]) = (kind.as_str(), call.request.method.as_str(), words.as_slice())
        && word.eq_ignore_ascii_case("transitiveMemberOf")
    {
        return members::groups_of(call, request_id, asked);
    }
    match kind.as_str() {
        "serviceprincipals" => return services::route(call, request_id, key.as_deref(), words.get(1..).unwrap_or_default()),
        "applications" => return applications::route(call, request_id, key.as_deref(), words.get(1..).unwrap_or_default()),
        _ => {}
    }
    match (call.request.method.as_str(), words.as_slice()) {
        ("GET", [kind, id]) if kind.eq_ignore_ascii_case("directoryObjects") => services::one(call, request_id, id),
        ("POST", [kind, verb]) if kind.eq_ignore_ascii_case("directoryObjects") && verb.eq_ignore_ascii_case("getByIds") => {
            by_ids(call, request_id)
        }
        ("GET", [me]) if me.eq_ignore_ascii_case("me") => {
            refusal(call, 400, "BadRequest", "/me request is only valid with delegated authentication flow.", request_id)
        }
        (_, [kind, ..]) => refusal(call, 400, "BadRequest", &format!("Resource not found for the segment '{kind}'."), request_id),
        _ => refusal(call, 400, "BadRequest", "Empty Path", request_id),
    }
}

fn by_ids(call: &Call<'_>, request_id: &str) -> Response {
    let body = match object(call, request_id) {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let texts = |name: &str| -> Vec<String> {
        body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(ids::fold).collect()
    };
    let (asked, types) = (texts("ids"), texts("types"));
    let typed = |principal_type: PrincipalType| {
        types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(principal_type.name()) || t == "directoryobject")
    };
    let value: Vec<Value> = call
        .state
        .principals
        .iter()
        .filter(|(oid, p)| typed(p.principal_type) && asked.contains(oid))
        .map(|(oid, p)| {
            let (word, object) = match p.principal_type {
                PrincipalType::ServicePrincipal => ("servicePrincipal", services::document(call, oid, p)),
                PrincipalType::User => ("user", people::document(oid, p)),
                PrincipalType::Group => ("group", people::document(oid, p)),
            };
            let mut body = json!({"@odata.type": format!("#microsoft.graph.{word}")});
            merge(&mut body, object);
            body
        })
        .collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#directoryObjects"), "value": value}))
        .with("location", "https://graph.microsoft.com")
}
