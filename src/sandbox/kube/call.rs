//! One request as the API server understands it: the object it is about, and its options, checked. Does not use the store.

use super::managed::FieldManager;
use super::resource::Resource;
use super::status::{Cause, Outcome, Refusal};
use super::user::User;
use crate::{http::Request, measure, yaml};
use serde_json::{Value, json};
use std::sync::Arc;

/// The longest name of a field manager, in bytes.
const MAX_MANAGER_LENGTH: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    Ignore,
    Warn,
    Strict,
}

/// The object that a request reads or writes, and the options of the request.
#[derive(Clone, Debug)]
pub struct Call {
    pub resource: Arc<Resource>,
    pub namespace: Option<String>,
    /// Empty if the path names no object.
    pub name: String,
    /// The subresource (`status`, `token`, …); empty for the object itself.
    pub sub: String,
    pub dry_run: bool,
    /// The manager that will own the fields that this request writes.
    pub manager: String,
    pub validation: Validation,
    pub force: bool,
    /// The sender; `None` for a controller.
    pub user: Option<User>,
}

/// An answer with an object. It may be a Secret or a token, so it has no `Debug`.
pub struct Reply {
    pub code: u16,
    pub body: Value,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self { code: 200, body }
    }
}

impl Call {
    pub fn new(
        resource: Arc<Resource>,
        namespace: Option<String>,
        name: &str,
        sub: &str,
        request: &Request,
        options: &str,
    ) -> Outcome<Self> {
        let query = |name: &str| request.query(name).filter(|v| !v.is_empty());
        let mut causes = Vec::new();
        let dry_run = query("dryRun");
        if let Some(other) = dry_run.as_deref().filter(|d| *d != "All") {
            causes.push(Cause::unsupported("dryRun", &json!([other]), &["All".to_owned()]));
        }
        let apply = request.header("content-type").is_some_and(|t| t.starts_with("application/apply-patch+"));
        let patch = options == "PatchOptions";
        let manager = query("fieldManager");
        if patch {
            if apply && manager.is_none() {
                causes.push(Cause::required("fieldManager", "is required for apply patch"));
            }
            if !apply && query("force").is_some() {
                causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
            }
        }
        if manager.as_deref().is_some_and(|m| m.len() > MAX_MANAGER_LENGTH) {
            let message = format!("Too long: may not be more than {MAX_MANAGER_LENGTH} bytes");
            causes.push(Cause { field: "fieldManager".into(), reason: "FieldValueTooLong", message });
        }
        let validation = match query("fieldValidation").as_deref() {
            None | Some("Warn") => Validation::Warn,
            Some("Strict") => Validation::Strict,
            Some("Ignore") => Validation::Ignore,
            Some(other) => {
                let allowed = ["", "Ignore", "Strict", "Warn"].map(str::to_owned);
                causes.push(Cause::unsupported("fieldValidation", &json!(other), &allowed));
                Validation::Warn
            }
        };
        if !causes.is_empty() {
            return Err(Refusal::invalid("meta.k8s.io", options, "", &causes).without_name());
        }
        // A client that names no field manager is called by the first part of its User-Agent.
        let agent = request.header("user-agent").unwrap_or("unknown").split('/').next().unwrap_or_default();
        let manager = manager.unwrap_or_else(|| agent.chars().filter(|c| !c.is_control()).take(MAX_MANAGER_LENGTH).collect());
        let force = query("force").is_some_and(|f| f == "true" || f == "1");
        Ok(Self {
            resource,
            namespace,
            name: name.to_owned(),
            sub: sub.to_owned(),
            dry_run: dry_run.is_some(),
            manager,
            validation,
            force,
            user: None,
        })
    }

    /// Returns the field manager of this request, for managedFields.
    pub fn field_manager<'a>(&'a self, version: &'a str, now: &'a str) -> FieldManager<'a> {
        FieldManager { name: &self.manager, version, subresource: &self.sub, now, ignored: self.ignored() }
    }

    /// Returns the fields that this endpoint does not write.
    fn ignored(&self) -> &'static [&'static str] {
        match (self.sub.as_str(), self.resource.has("status")) {
            ("status", _) => &["f:spec"],
            ("", true) => &["f:status"],
            _ => &[],
        }
    }

    pub fn unhandled(&self, why: &str) -> Refusal {
        let r = &self.resource;
        Refusal::bad_request(format!("{} in version {} cannot be handled as a {}: {why}", r.kind, json!(r.version), r.kind))
    }
}

/// The message of Go's decoder for deeply nested values; it accepts more levels than this server.
pub const TOO_DEEP: &str = "exceeded max depth";

/// Parses JSON, YAML or protobuf, whichever the body is.
pub fn parse(body: &[u8]) -> Result<Value, String> {
    let value = parse_any(body)?;
    if measure::too_deep(&value) { Err(TOO_DEEP.to_owned()) } else { Ok(value) }
}

fn parse_any(body: &[u8]) -> Result<Value, String> {
    if super::protobuf::is(body) {
        return super::protobuf::decode(body);
    }
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|e| e.to_string())?;
    yaml::read(text).map_err(|e| e.to_string())
}
