//! The common parts of Graph answers: the content type, the errors, and the parsing of bodies.

use crate::{
    azure::{call::Call, field_types, times},
    http::Response,
    measure,
};
use serde_json::{Map, Value, json};

pub const ODATA: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
pub const CONTEXT: &str = "https://graph.microsoft.com/v1.0/$metadata";

/// `innerError.date` has no time zone.
pub fn refusal(call: &Call<'_>, status: u16, code: &str, message: &str, request_id: &str) -> Response {
    let date = times::seconds(call.now);
    let client = call.request.header("client-request-id").unwrap_or(request_id);
    Response::json(
        status,
        "application/json",
        &json!({"error": {"code": code, "message": message,
            "innerError": {"date": date.trim_end_matches('Z'), "request-id": request_id, "client-request-id": client}}}),
    )
}

pub fn absent(call: &Call<'_>, asked: &str, request_id: &str) -> Response {
    refusal(
        call,
        404,
        "Request_ResourceNotFound",
        &format!("Resource '{asked}' does not exist or one of its queried reference-property objects are not present."),
        request_id,
    )
}

/// The resource exists but does not support the method.
pub fn no_method(call: &Call<'_>, request_id: &str) -> Response {
    refusal(call, 405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.", request_id)
}

pub fn object(call: &Call<'_>, request_id: &str) -> Result<Map<String, Value>, Response> {
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

/// Parses the body as `object` does and checks the types of the entity.
pub fn typed(call: &Call<'_>, request_id: &str, entity: &str, types: field_types::FieldTypes) -> Result<Map<String, Value>, Response> {
    let object = object(call, request_id)?;
    match field_types::mismatch(&object, types) {
        None => Ok(object),
        Some(wrong) => {
            let field = wrong.field.replace("[]", "");
            let message = format!("Invalid value specified for property '{field}' of resource '{entity}'.");
            Err(refusal(call, 400, "Request_BadRequest", &message, request_id))
        }
    }
}

pub fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
