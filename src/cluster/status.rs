//! Converts a refusal of the API server (metav1.Status) to an `Error`, by code, reason and causes.

use super::error::Error;
use super::{Api, ObjectRef};
use serde::Deserialize;

/// The fields of metav1.Status that are read here. Any other body only sets the message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    /// The status of the response; the body may say anything.
    #[serde(skip)]
    pub(super) code: u16,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) details: Details,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) name: String,
    /// A plural, in spite of its name.
    pub(super) kind: String,
    pub(super) causes: Vec<Cause>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) field: String,
}

impl Status {
    pub(super) fn read(code: u16, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        let is_status = serde_json::from_slice::<Kind>(body).is_ok_and(|k| k.kind == "Status");
        let mut status: Self = is_status.then(|| serde_json::from_slice(body).ok()).flatten().unwrap_or_default();
        if !is_status {
            // the body may be a long page of a proxy
            status.message = String::from_utf8_lossy(body).trim().chars().take(300).collect();
        }
        status.code = code;
        status
    }
}

/// What was requested, for errors.
#[derive(Clone, Copy)]
pub(super) struct RequestInfo<'a> {
    /// The RBAC verb: get, list, watch, create, patch, delete.
    pub(super) verb: &'a str,
    pub(super) api: &'a Api,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

impl<'a> RequestInfo<'a> {
    pub(super) fn of(verb: &'a str, at: &'a ObjectRef) -> Self {
        Self { verb, api: &at.api, namespace: at.namespace.as_deref(), name: Some(&at.name) }
    }

    pub(super) fn what(&self) -> String {
        let name = self.name.unwrap_or("*");
        match self.namespace {
            Some(namespace) => format!("{} {namespace}/{name}", self.api.kind),
            None => format!("{} {name}", self.api.kind),
        }
    }
}

/// Returns the error of a status. The caller decides about 401, and about a 404 that may mean an unknown kind.
pub(super) fn error(asked: RequestInfo<'_>, status: Status) -> Error {
    let message = || if status.message.is_empty() { format!("the cluster answered {}", status.code) } else { status.message.clone() };
    match status.code {
        403 if status.details.causes.iter().any(|c| c.reason == "NamespaceTerminating") => {
            Error::Changed { reason: "NamespaceTerminating".into(), message: message() }
        }
        403 => forbidden(asked, &message()),
        404 if status.details.kind == "namespaces" && asked.api.plural != "namespaces" => {
            Error::NotFound { what: format!("Namespace {}", status.details.name) }
        }
        404 => Error::NotFound { what: asked.what() },
        409 if status.reason == "AlreadyExists" => Error::Exists { what: asked.what() },
        409 => {
            let conflicts: Vec<_> = status.details.causes.iter().filter(|c| c.reason == "FieldManagerConflict").map(owner).collect();
            if conflicts.is_empty() {
                let reason = if status.reason.is_empty() { "Conflict" } else { &status.reason };
                Error::Changed { reason: reason.into(), message: message() }
            } else {
                Error::Conflicts(conflicts)
            }
        }
        400 | 422 => Error::Invalid { causes: causes(&status), message: message() },
        // a field that the schema lacks makes server-side apply fail with a plain Go error, which the server reports as a 500 without a
        // reason (kubernetes/kubernetes, structuredmerge.go: "failed to create typed patch object")
        500 if status.reason.is_empty() && status.message.contains(UNTYPED) => {
            Error::Invalid { causes: causes(&status), message: message() }
        }
        code => Error::Failed { status: code, reason: status.reason.clone(), message: message() },
    }
}

const UNTYPED: &str = "failed to create typed patch object";

/// Returns the manager in `conflict with "kubectl-client-side-apply" using apps/v1`, which Go quotes.
fn owner(cause: &Cause) -> (String, String) {
    let quoted = cause.message.split_once('"').map(|(_, rest)| rest).unwrap_or(&cause.message);
    let mut manager = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => manager.extend(letters.next()),
            other => manager.push(other),
        }
    }
    (cause.field.clone(), manager)
}

/// Parses `User "u" cannot get resource "secrets" in API group "" in the namespace "n"` (or: `at the cluster scope`).
fn forbidden(asked: RequestInfo<'_>, message: &str) -> Error {
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let until = |text: &str, end: char| text.split(end).next().filter(|t| !t.is_empty()).map(str::to_owned);
    let verb = after("cannot ").and_then(|t| until(t, ' '));
    let resource = after("resource \"").and_then(|t| until(t, '"'));
    let group = after("in API group \"").and_then(|t| until(t, '"'));
    let namespace = after("in the namespace \"").and_then(|t| until(t, '"'));
    let own = || if asked.api.group.is_empty() { asked.api.plural.clone() } else { format!("{}.{}", asked.api.plural, asked.api.group) };
    let named = verb.is_some() && resource.is_some();
    Error::Forbidden {
        verb: verb.unwrap_or_else(|| asked.verb.to_owned()),
        resource: match (resource, group) {
            (Some(resource), Some(group)) => format!("{resource}.{group}"),
            (Some(resource), None) => resource,
            (None, _) => own(),
        },
        namespace: if named { namespace } else { asked.namespace.map(str::to_owned) },
        message: message.to_owned(),
    }
}

/// Returns the causes that the server lists, or those in the text of strict decoding and typing, which list none.
fn causes(status: &Status) -> Vec<(String, String)> {
    if !status.details.causes.is_empty() {
        return status.details.causes.iter().map(|c| (c.field.clone(), c.message.clone())).collect();
    }
    let mut found = Vec::new();
    for part in status.message.split("unknown field \"").skip(1) {
        if let Some((field, _)) = part.split_once('"') {
            found.push((field.to_owned(), "unknown field".to_owned()));
        }
    }
    for line in status.message.lines().filter(|l| l.contains("field not declared in schema")) {
        let path = line.split(": field not declared").next().unwrap_or_default();
        let path = path.rsplit([' ', '\t']).next().unwrap_or_default();
        found.push((path.to_owned(), "unknown field".to_owned()));
    }
    found
}
