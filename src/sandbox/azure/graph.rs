//! Microsoft Graph, as far as role and policy tools ask it: applications and their service principals, users and groups, and objects by ids.

mod applications;
mod first_party;
mod members;
mod people;
mod services;

use super::{Call, access, ids, shape, state::Sort, times, token};
use crate::{http::Response, measure};
use serde_json::{Map, Value, json};

const ODATA: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const CONTEXT: &str = "https://graph.microsoft.com/v1.0/$metadata";

const AUDIENCES: &[&str] = &["https://graph.microsoft.com", "https://graph.microsoft.com/", "00000003-0000-0000-c000-000000000000"];

pub fn answer(call: &mut Call<'_>) -> Response {
    let request_id = ids::random();
    let response = match authenticate(call, &request_id) {
        Ok(()) => route(call, &request_id),
        Err(refusal) => refusal,
    };
    dress(call, &request_id, response)
}

/// The refusal of a caller who is not known, by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let request_id = ids::random();
    let refusal = authenticate(call, &request_id).err()?;
    Some(dress(call, &request_id, refusal))
}

fn authenticate(call: &mut Call<'_>, request_id: &str) -> Result<(), Response> {
    let text = match token::check(call, AUDIENCES) {
        Ok(caller) => {
            call.caller = caller;
            return Ok(());
        }
        Err(token::Fault::Missing) => "Access token is empty.",
        Err(token::Fault::Malformed) => "CompactToken parsing failed with error code: 80049217",
        Err(token::Fault::Expired(_)) => "Lifetime validation failed, the token is expired.",
        Err(token::Fault::Audience(_)) => "Access token validation failure. Invalid audience.",
    };
    Err(refusal(call, 401, "InvalidAuthenticationToken", text, request_id))
}

fn dress(call: &Call<'_>, request_id: &str, response: Response) -> Response {
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

/// `innerError.date` has no zone.
fn refusal(call: &Call<'_>, status: u16, code: &str, message: &str, request_id: &str) -> Response {
    let date = times::seconds(call.now);
    let client = call.request.header("client-request-id").unwrap_or(request_id);
    Response::json(
        status,
        "application/json",
        &json!({"error": {"code": code, "message": message,
            "innerError": {"date": date.trim_end_matches('Z'), "request-id": request_id, "client-request-id": client}}}),
    )
}

fn route(call: &mut Call<'_>, request_id: &str) -> Response {
    // the word for `deny`: Graph's permissions are no actions of a role
    if access::denied(call, "graph") {
        return refusal(call, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.", request_id);
    }
    let parts: Vec<String> = call.request.path.split('/').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let words: Vec<&str> = parts.iter().skip(1).map(String::as_str).collect();
    if let Some(sort) = words.first().and_then(|kind| people::sort(kind)) {
        match (call.request.method.as_str(), words.as_slice()) {
            ("GET" | "DELETE", [_, asked]) => return people::one(call, request_id, sort, asked),
            ("GET", [_]) => return people::list(call, request_id, sort),
            ("POST", [_]) => return people::create(call, request_id, sort),
            (_, [_, asked, kind, rest @ ..]) if sort == Sort::Group && kind.eq_ignore_ascii_case("members") => {
                return members::route(call, request_id, asked, rest);
            }
            _ => {}
        }
    }
    let kind = words.first().map(|kind| ids::fold(kind)).unwrap_or_default();
    // `applications(appId='X')` is another way to say which
    let (kind, key) = match kind.split_once('(') {
        Some((kind, key)) => (kind.to_owned(), key.split('\'').nth(1).map(str::to_owned)),
        None => (kind, None),
    };
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

fn absent(call: &Call<'_>, asked: &str, request_id: &str) -> Response {
    refusal(
        call,
        404,
        "Request_ResourceNotFound",
        &format!("Resource '{asked}' does not exist or one of its queried reference-property objects are not present."),
        request_id,
    )
}

/// What was asked of a kind that has it not.
fn no_method(call: &Call<'_>, request_id: &str) -> Response {
    refusal(call, 405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", request_id)
}

fn object(call: &Call<'_>, request_id: &str) -> Result<Map<String, Value>, Response> {
    let unreadable = || {
        refusal(
            call,
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            request_id,
        )
    };
    match serde_json::from_slice::<Value>(&call.request.body) {
        Ok(value) if measure::too_deep(&value) => Err(unreadable()),
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(unreadable()),
    }
}

/// As `object`, with the types that the entity has.
fn typed(call: &Call<'_>, request_id: &str, entity: &str, types: shape::Table) -> Result<Map<String, Value>, Response> {
    let object = object(call, request_id)?;
    match shape::wrong(&object, types) {
        None => Ok(object),
        Some(wrong) => {
            let field = wrong.field.replace("[]", "");
            let message = format!("Invalid value specified for property '{field}' of resource '{entity}'.");
            Err(refusal(call, 400, "Request_BadRequest", &message, request_id))
        }
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
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
    let typed = |sort: Sort| types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(sort.word()) || t == "directoryobject");
    let value: Vec<Value> = call
        .state
        .principals
        .iter()
        .filter(|(oid, p)| typed(p.sort) && asked.contains(oid))
        .map(|(oid, p)| {
            let (word, object) = match p.sort {
                Sort::ServicePrincipal => ("servicePrincipal", services::document(call, oid, p)),
                Sort::User => ("user", people::document(oid, p)),
                Sort::Group => ("group", people::document(oid, p)),
            };
            let mut body = json!({"@odata.type": format!("#microsoft.graph.{word}")});
            merge(&mut body, object);
            body
        })
        .collect();
    Response::json(200, ODATA, &json!({"@odata.context": format!("{CONTEXT}#directoryObjects"), "value": value}))
        .with("location", "https://graph.microsoft.com")
}
