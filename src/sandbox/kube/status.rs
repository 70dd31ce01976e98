//! Refusals of the API server: `Status` objects with the texts of kube-apiserver (apimachinery, `api/errors`).

use crate::http::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// An answer that refuses a request.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub details: Value,
    /// Whether it is sent as plain text instead of a Status, as the server's mux does.
    pub plain: bool,
}

pub type Outcome<T> = Result<T, Refusal>;

/// What a refusal is about: plural and group.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub group: &'a str,
    pub plural: &'a str,
}

impl About<'_> {
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
    fn details(&self, name: &str) -> Value {
        let mut details = json!({});
        if !name.is_empty() {
            details["name"] = json!(name);
        }
        if !self.group.is_empty() {
            details["group"] = json!(self.group);
        }
        details["kind"] = json!(self.plural);
        details
    }
}

/// One cause of a 422: field, reason, and the text without the field.
#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    pub field: String,
    pub reason: &'static str,
    pub message: String,
}

impl Cause {
    pub fn invalid(field: &str, value: &Value, message: &str) -> Self {
        let shown = match value {
            Value::Object(_) | Value::Array(_) => quote_json(value),
            other => other.to_string(),
        };
        Self { field: field.into(), reason: "FieldValueInvalid", message: format!("Invalid value: {shown}: {message}") }
    }
    pub fn required(field: &str, message: &str) -> Self {
        let message = if message.is_empty() { "Required value".to_owned() } else { format!("Required value: {message}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }
    pub fn forbidden(field: &str, message: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueForbidden", message: format!("Forbidden: {message}") }
    }
    pub fn not_found(field: &str, value: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueNotFound", message: format!("Not found: {}", json!(value)) }
    }
    pub fn duplicate(field: &str, value: &Value) -> Self {
        Self { field: field.into(), reason: "FieldValueDuplicate", message: format!("Duplicate value: {value}") }
    }
    pub fn unsupported(field: &str, value: &Value, allowed: &[String]) -> Self {
        let shown: Vec<String> = allowed.iter().map(|a| json!(a).to_string()).collect();
        Self {
            field: field.into(),
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {value}: supported values: {}", shown.join(", ")),
        }
    }
}

/// Go prints a value that is not a scalar as JSON, without quotes.
fn quote_json(value: &Value) -> String {
    value.to_string()
}

impl Refusal {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, plain: false }
    }
    /// Answers a request that panicked. The text of the panic is left out: it may quote what was sent.
    pub fn internal() -> Self {
        let text = "This request caused apiserver to panic. Look in the logs for more information.";
        let details = json!({"causes": [{"message": text}]});
        Self { details, ..Self::new(500, "InternalError", format!("Internal error occurred: {text}")) }
    }
    pub fn too_large(why: &str) -> Self {
        Self { details: json!({}), ..Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: {why}")) }
    }
    /// Returns the answer to an object that is too large for etcd.
    pub fn too_large_to_store() -> Self {
        Self::new(500, "", "etcdserver: request is too large")
    }
    pub fn page_not_found() -> Self {
        Self { plain: true, ..Self::new(404, "NotFound", "404 page not found\n") }
    }
    pub fn not_found(about: About<'_>, name: &str) -> Self {
        Self { details: about.details(name), ..Self::new(404, "NotFound", format!("{} {} not found", about.qualified(), json!(name))) }
    }
    pub fn exists(about: About<'_>, name: &str) -> Self {
        Self {
            details: about.details(name),
            ..Self::new(409, "AlreadyExists", format!("{} {} already exists", about.qualified(), json!(name)))
        }
    }
    pub fn conflict(about: About<'_>, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {}: {why}", about.qualified(), json!(name));
        Self { details: about.details(name), ..Self::new(409, "Conflict", message) }
    }
    pub fn modified(about: About<'_>, name: &str) -> Self {
        Self::conflict(about, name, "the object has been modified; please apply your changes to the latest version and try again")
    }
    pub fn forbidden(about: About<'_>, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() { about.qualified() } else { format!("{} {}", about.qualified(), json!(name)) };
        Self { details: about.details(name), ..Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}")) }
    }
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let kinded = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        // Some checks run twice and list their causes twice; the message has each once.
        let mut seen = BTreeSet::new();
        let mut lines: Vec<String> = Vec::new();
        for cause in causes {
            let field = if cause.field.is_empty() { "<nil>" } else { &cause.field };
            let line = format!("{field}: {}", cause.message);
            if seen.insert(line.clone()) {
                lines.push(line);
            }
        }
        let text = if lines.len() == 1 { lines.concat() } else { format!("[{}]", lines.join(", ")) };
        let mut details = json!({ "name": name });
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        if !kind.is_empty() {
            details["kind"] = json!(kind);
        }
        details["causes"] =
            causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect::<Vec<_>>().into();
        Self { details, ..Self::new(422, "Invalid", format!("{kinded} {} is invalid: {text}", json!(name))) }
    }
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }
    pub fn method_not_allowed() -> Self {
        Self { details: json!({}), ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource") }
    }
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// Removes an empty name from the details, as the server does.
    pub fn without_name(mut self) -> Self {
        if self.details["name"] == ""
            && let Some(details) = self.details.as_object_mut()
        {
            details.shift_remove("name");
        }
        self
    }

    /// Returns the Status object.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status["code"] = json!(self.code);
        status
    }

    pub fn response(&self) -> Response {
        if self.plain {
            let mut response = Response::new(self.code).with("content-type", "text/plain; charset=utf-8");
            response.body = crate::http::Body::Full(self.message.clone().into());
            return response;
        }
        Response::json(self.code, "application/json", &self.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_named_by_plural_and_group() {
        let status = Refusal::not_found(About { group: "aadpodidentity.k8s.io", plural: "azureidentities" }, "x").status();
        assert_eq!(status["message"], "azureidentities.aadpodidentity.k8s.io \"x\" not found");
        assert_eq!(status["details"], json!({"name": "x", "group": "aadpodidentity.k8s.io", "kind": "azureidentities"}));
    }

    #[test]
    fn several_causes_are_listed_in_brackets() {
        let causes = [Cause::required("spec.a", ""), Cause::required("spec.b", "why")];
        let refusal = Refusal::invalid("apps", "Deployment", "d", &causes);
        assert_eq!(refusal.message, "Deployment.apps \"d\" is invalid: [spec.a: Required value, spec.b: Required value: why]");
    }
}
