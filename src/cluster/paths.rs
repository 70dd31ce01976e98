//! Builds paths and queries of an API server, and escapes the names in them.

use super::error::{Error, Result};
use super::{Api, ObjectRef};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The bytes that are escaped in a path segment.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

pub(super) fn group_path(api: &Api) -> Result<String> {
    if api.group.is_empty() {
        return Ok(format!("/api/{}", segment(&api.version)?));
    }
    Ok(format!("/apis/{}/{}", segment(&api.group)?, segment(&api.version)?))
}

pub(super) fn list_path(api: &Api, namespace: Option<&str>) -> Result<String> {
    let group = group_path(api)?;
    let plural = segment(&api.plural)?;
    Ok(match namespace {
        Some(namespace) => format!("{group}/namespaces/{}/{plural}", segment(namespace)?),
        None => format!("{group}/{plural}"),
    })
}

pub(super) fn object_path(at: &ObjectRef) -> Result<String> {
    Ok(format!("{}/{}", list_path(&at.api, at.namespace.as_deref())?, segment(&at.name)?))
}

/// Escapes a name for a path, and rejects one that could leave its segment.
fn segment(name: &str) -> Result<String> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
        let message = format!("{name:?} is no name of an object");
        return Err(Error::Invalid { causes: vec![("metadata.name".into(), message.clone())], message });
    }
    Ok(utf8_percent_encode(name, &ENCODED).to_string())
}

/// Formats the parameters that have a value as `?a=b&c=d`.
pub(super) fn query(parts: &[(&str, Option<&str>)]) -> String {
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts {
        if let Some(value) = value {
            out.append_pair(name, value);
        }
    }
    let text = out.finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

/// Formats a URL without user name and password.
pub(super) fn shown(url: &http::Uri) -> String {
    let authority = url.authority().map(|a| a.as_str()).unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = url.path().trim_end_matches('/');
    format!("{}://{authority}{path}", url.scheme_str().unwrap_or("https"))
}
