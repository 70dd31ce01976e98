//! Checks the options of lists and watches, and the media types of a request (apimachinery, `apis/meta/internalversion/validation`;
//! apiserver, `endpoints/handlers/negotiation`). Does not use the store.

use super::status::{Cause, Outcome, Refusal};
use crate::http::Request;
use serde_json::json;

const MATCH: &str = "resourceVersionMatch";
const SERVED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

pub fn list(request: &Request, watching: bool) -> Outcome<()> {
    let query = |name: &str| request.query(name).filter(|v| !v.is_empty());
    for text in ["timeoutSeconds", "limit"].into_iter().filter_map(query) {
        if text.parse::<i64>().is_err() {
            return Err(Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")));
        }
    }
    let (wanted, version, initial) = (query(MATCH), query("resourceVersion"), query("sendInitialEvents"));
    let mut causes = Vec::new();
    let mut forbid = |field: &str, why: &str| causes.push(Cause::forbidden(field, why));
    let exact = wanted.as_deref() == Some("Exact");
    let later = wanted.as_deref() == Some("NotOlderThan");
    if watching {
        if initial.is_some() && !later {
            forbid(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if wanted.is_some() && initial.is_none() {
            forbid(MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
    } else {
        if wanted.is_some() && version.is_none() {
            forbid(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if exact && version.as_deref() == Some("0") {
            forbid(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if initial.is_some() {
            forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
    }
    if wanted.is_some() && query("continue").is_some() {
        forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
    }
    if let Some(other) = wanted.as_deref().filter(|_| !later && (watching || !exact)) {
        let allowed: &[&str] = if watching { &["NotOlderThan"] } else { &["Exact", "NotOlderThan", ""] };
        let allowed: Vec<String> = allowed.iter().map(|a| (*a).to_owned()).collect();
        causes.push(Cause::unsupported(MATCH, &json!(other), &allowed));
    }
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid("meta.k8s.io", "ListOptions", "", &causes).without_name()) }
}

/// Checks that the body has a media type that the server reads.
pub fn check_body_type(request: &Request) -> Outcome<()> {
    let kind = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.is_empty() || SERVED.split(", ").any(|served| served == kind) {
        return Ok(());
    }
    let why = format!("the body of the request was in an unknown format - accepted media types include: {SERVED}");
    Err(Refusal::new(415, "UnsupportedMediaType", why))
}

/// Checks that the client accepts a form that the server writes.
pub fn check_accept(request: &Request) -> Outcome<()> {
    let Some(accept) = request.header("accept").filter(|a| !a.trim().is_empty()) else { return Ok(()) };
    let mut served = false;
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        if !matches!(kind, "*/*" | "application/*" | "application/json" | "application/yaml" | "application/vnd.kubernetes.protobuf") {
            continue;
        }
        served = true;
        let form = parts.find_map(|p| p.strip_prefix("as="));
        if matches!(form, None | Some("Table" | "PartialObjectMetadata" | "PartialObjectMetadataList")) {
            return Ok(());
        }
    }
    if served {
        let why = format!("only the following media types are accepted: {SERVED}");
        return Err(Refusal::new(406, "NotAcceptable", why));
    }
    Err(unacceptable(SERVED))
}

/// Checks that the client accepts the one form of a document.
pub fn check_accept_only(request: &Request, form: &str) -> Outcome<()> {
    let Some(accept) = request.header("accept").filter(|a| !a.trim().is_empty()) else { return Ok(()) };
    let kinds = accept.split(',').map(|clause| clause.split(';').next().unwrap_or_default().trim());
    let fits = |kind: &str| matches!(kind, "*/*" | "application/*") || kind == form;
    if kinds.into_iter().any(fits) { Ok(()) } else { Err(unacceptable(form)) }
}

fn unacceptable(served: &str) -> Refusal {
    let why = format!("406: Not Acceptable\n\nAvailable representations: {served}");
    Refusal { details: json!({}), ..Refusal::new(406, "NotAcceptable", why) }
}
