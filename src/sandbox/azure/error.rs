//! Error responses that several services share, with the texts of recorded traffic.

use super::{call::Call, field_types, state::Tags, times};
use crate::{http::Response, measure};
use serde_json::{Value, json};

pub const JSON: &str = "application/json; charset=utf-8";

pub fn body(status: u16, code: &str, message: impl Into<String>) -> Response {
    Response::json(status, JSON, &json!({"error": {"code": code, "message": message.into()}}))
}

/// Returns an error of ARM's gateway, before any provider handled the request.
pub fn gateway(status: u16, code: &str, message: impl Into<String>) -> Response {
    body(status, code, message).with("x-ms-failure-cause", "gateway")
}

pub fn ok(value: &Value) -> Response {
    Response::json(200, JSON, value)
}

pub fn created(value: &Value) -> Response {
    Response::json(201, JSON, value)
}

pub fn list(values: Vec<Value>) -> Response {
    ok(&json!({ "value": values }))
}

pub fn group_not_found(group: &str) -> Response {
    gateway(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
}

pub fn resource_not_found(kind: &str, name: &str, group: &str) -> Response {
    gateway(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
}

pub fn method_not_allowed(call: &Call<'_>) -> Response {
    gateway(405, "MethodNotAllowed", format!("The requested resource does not support http method '{}'.", call.request.method))
}

/// For a service principal, both names are the object id.
pub fn authorization_failed(object_id: &str, action: &str, scope: &str) -> Response {
    gateway(
        403,
        "AuthorizationFailed",
        format!(
            "The client '{object_id}' with object id '{object_id}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        ),
    )
}

/// The caller has a role with the action, but its condition (ABAC) is not met.
pub fn condition_not_fulfilled(object_id: &str, action: &str, scope: &str) -> Response {
    gateway(
        403,
        "AuthorizationFailed",
        format!(
            "The client '{object_id}' with object id '{object_id}' has an authorization with ABAC condition that is not fulfilled to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        ),
    )
}

pub fn not_registered(namespace: &str) -> Response {
    let message = format!(
        "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
    );
    Response::json(
        409,
        JSON,
        &json!({"error": {"code": "MissingSubscriptionRegistration", "message": message, "details": [
            {"code": "MissingSubscriptionRegistration", "target": namespace, "message": message}]}}),
    )
    .with("x-ms-failure-cause", "gateway")
}

/// Parses the JSON object in the body of a PUT, PATCH or POST of ARM.
pub fn object(call: &Call<'_>) -> Result<serde_json::Map<String, Value>, Response> {
    if let Some(kind) = call.request.header("content-type")
        && !kind.to_ascii_lowercase().contains("json")
    {
        return Err(gateway(
            415,
            "UnsupportedMediaType",
            format!("The content media type '{kind}' is not supported. Only 'application/json' is supported."),
        ));
    }
    let object = match serde_json::from_slice::<Value>(&call.request.body) {
        Ok(value) if measure::too_deep(&value) => {
            return Err(invalid_content(&format!("The reader's MaxDepth of {} has been exceeded.", measure::DEEPEST)));
        }
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(invalid_content("the body is not a JSON object")),
        Err(fault) => return Err(invalid_content(&fault.to_string())),
    };
    match field_types::mismatch(&object, field_types::ARM_BODY) {
        None => Ok(object),
        Some(wrong) => {
            let (is, due) = (wrong.actual, wrong.expected);
            Err(invalid_content(&format!("Error converting a value of type '{is}' to type '{due:?}'. Path '{}'.", wrong.field)))
        }
    }
}

/// ARM stores no resource that is larger than the largest request.
pub fn check_size(resource: &Value) -> Result<(), Response> {
    const LARGEST: usize = 4 << 20;
    if measure::size(resource) <= LARGEST {
        return Ok(());
    }
    Err(gateway(413, "RequestContentTooLarge", "The size of the resource exceeds the maximum size of 4 MB."))
}

fn invalid_content(why: &str) -> Response {
    gateway(400, "InvalidRequestContent", format!("The request content was invalid and could not be deserialized: '{why}'."))
}

/// Returns the tags as texts, or None if the request has none.
pub fn tags(object: &serde_json::Map<String, Value>) -> Option<Tags> {
    object.get("tags")?.as_object().map(|tags| {
        tags.iter().map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
    })
}

pub fn location_required() -> Response {
    gateway(400, "LocationRequired", "The location property is required for this definition.")
}

pub fn other_location(name: &str, group: &str, existing: &str, asked: &str) -> Response {
    gateway(
        409,
        "InvalidResourceLocation",
        format!(
            "The resource '{name}' already exists in location '{existing}' in resource group '{group}'. A resource with the same name cannot be created in location '{asked}'. Please select a new resource name."
        ),
    )
}

pub fn expired(call: &Call<'_>, expiry: i64) -> String {
    format!(
        "The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
        times::american(expiry.saturating_mul(times::SECOND)),
        times::american(call.now)
    )
}
