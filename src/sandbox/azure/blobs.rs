//! Block blobs: the data plane of storage accounts, as far as writing, reading and deleting one with a bearer token goes. Errors are XML,
//! with the code in a header too. Codes and texts: Azure documentation, "Common REST API error codes" and "Blob Storage error codes".

use super::{
    access::{self, Plane},
    call::{Answer, Call},
    hosts, ids,
    path::Path,
    state::Blob,
    storage_accounts, storage_containers, times, token, vault_request,
};
use crate::http::{Body, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// The first version that accepts bearer tokens (Azure documentation, "Authorize with Microsoft Entra ID").
const BEARER_SINCE: &str = "2017-11-09";

const FAILED: &str =
    "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.";
const CHALLENGED: &str = "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";

/// The account that a host belongs to.
fn account(host: &str) -> &str {
    host.strip_suffix(hosts::BLOB_SUFFIX).unwrap_or_default()
}

fn refusal(call: &Call<'_>, status: u16, code: &str, message: &str, more: &str) -> Response {
    let time = times::ticks(call.now);
    let text = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}\nRequestId:{}\nTime:{time}</Message>{more}</Error>",
        ids::random()
    );
    let mut response = Response::new(status).with("content-type", "application/xml").with("x-ms-error-code", code);
    response.body = Body::Full(text.into());
    response
}

fn add_headers(call: &Call<'_>, response: Response) -> Response {
    let version = call.request.header("x-ms-version").unwrap_or("2009-09-19").to_owned();
    let response = response
        .with("server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0")
        .with("x-ms-request-id", ids::random())
        .with("x-ms-version", version)
        .with("date", times::http(call.now));
    match call.request.header("x-ms-client-request-id") {
        Some(id) => response.with("x-ms-client-request-id", id),
        None => response,
    }
}

pub fn answer(call: &mut Call<'_>) -> Response {
    let response = authenticate(call).and_then(|()| route(call)).unwrap_or_else(|refusal| refusal);
    add_headers(call, response)
}

/// Rejects an unknown caller by the request's head alone.
pub fn refused(call: &mut Call<'_>) -> Option<Response> {
    let refusal = authenticate(call).err()?;
    Some(add_headers(call, refusal))
}

fn authenticate(call: &mut Call<'_>) -> Result<(), Response> {
    let header = call.request.header("authorization").unwrap_or_default();
    let by_key = header.to_ascii_lowercase().starts_with("sharedkey") || call.request.query("sig").is_some();
    if by_key {
        let account = storage_accounts::find(call.state, account(&call.request.host));
        let closed = account.is_some_and(|a| property(&a.rest, "allowSharedKeyAccess") == Some(&Value::Bool(false)));
        // the sandbox's accounts have no keys
        return Err(match closed {
            true => refusal(
                call,
                403,
                "KeyBasedAuthenticationNotPermitted",
                "Key based authentication is not permitted on this storage account.",
                "",
            ),
            false => refusal(call, 403, "AuthenticationFailed", FAILED, ""),
        });
    }
    let challenge = format!(
        "Bearer authorization_uri=https://{}/{}/oauth2/authorize resource_id=https://storage.azure.com",
        hosts::LOGIN_HOST,
        call.state.tenant
    );
    let own = format!("https://{}", call.request.host);
    let mut audiences = hosts::STORAGE_AUDIENCES.to_vec();
    let own_with_slash = format!("{own}/");
    audiences.extend([own.as_str(), own_with_slash.as_str()]);
    match token::check(call, &audiences) {
        Ok(caller) => call.caller = caller,
        Err(token::TokenError::Missing) => {
            return Err(refusal(call, 401, "NoAuthenticationInformation", CHALLENGED, "").with("www-authenticate", challenge));
        }
        Err(_) => {
            return Err(refusal(call, 401, "InvalidAuthenticationInfo", CHALLENGED, "").with("www-authenticate", challenge));
        }
    }
    if call.request.header("x-ms-version").is_none_or(|version| version < BEARER_SINCE) {
        let detail =
            "<AuthenticationErrorDetail>Authentication scheme Bearer is not supported in this version.</AuthenticationErrorDetail>";
        return Err(refusal(call, 403, "AuthenticationFailed", FAILED, detail));
    }
    Ok(())
}

fn property<'a>(rest: &'a serde_json::Map<String, Value>, name: &str) -> Option<&'a Value> {
    rest.get("properties")?.get(name)
}

fn route(call: &mut Call<'_>) -> Answer {
    let path = Path::of(&call.request.path);
    let (action, write) = match call.request.method.as_str() {
        "GET" | "HEAD" => ("read", false),
        "PUT" => ("write", true),
        "DELETE" => ("delete", true),
        _ => return Err(refusal(call, 405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.", "")),
    };
    if call.request.query("comp").is_some() || call.request.query("restype").is_some() || path.parts.len() < 2 {
        let message = "One of the query parameters specified in the request URI is not supported.";
        return Err(refusal(call, 400, "UnsupportedQueryParameter", message, ""));
    }
    let Some(account) = storage_accounts::find(call.state, account(&call.request.host)) else {
        return Err(refusal(call, 404, "ResourceNotFound", "The specified resource does not exist.", ""));
    };
    let network = property(&account.rest, "networkAcls").and_then(|acls| acls.get("defaultAction")).and_then(Value::as_str);
    let public = property(&account.rest, "publicNetworkAccess").and_then(Value::as_str);
    if network == Some("Deny") || public == Some("Disabled") {
        return Err(refusal(call, 403, "AuthorizationFailure", "This request is not authorized to perform this operation.", ""));
    }
    let (container, name) = (path.parts[0].clone(), path.parts[1..].join("/"));
    let id = format!("{}/blobServices/default/containers/{container}", account.id);
    permit(call, &format!("{}/blobs/{action}", storage_containers::KIND), &format!("{id}/blobs/{name}"))?;
    let at = ids::fold(&id);
    if !call.state.plain.contains_key(&at) {
        return Err(refusal(call, 404, "ContainerNotFound", "The specified container does not exist.", ""));
    }
    let key = format!("{at}/blobs/{name}");
    match write {
        true => store(call, key),
        false => match call.state.blobs.get(&key) {
            Some(blob) => Ok(shown(blob)),
            None => Err(not_found(call)),
        },
    }
}

fn not_found(call: &Call<'_>) -> Response {
    refusal(call, 404, "BlobNotFound", "The specified blob does not exist.", "")
}

/// A new role assignment has no effect at first, as with Key Vault.
fn permit(call: &mut Call<'_>, action: &str, target: &str) -> Result<(), Response> {
    let open = !access::denied(call, action);
    let caller = call.caller.object_id.clone();
    let granted = access::granting(call.state, &caller, action, target, Plane::Data).map(|a| a.created);
    let host = call.request.host.clone();
    if let Some(since) = granted.filter(|_| open)
        && !vault_request::late(call, &host, "rbac", since)
    {
        return Ok(());
    }
    let message = "This request is not authorized to perform this operation using this permission.";
    Err(refusal(call, 403, "AuthorizationPermissionMismatch", message, ""))
}

fn store(call: &mut Call<'_>, key: String) -> Answer {
    if call.request.method == "DELETE" {
        if call.state.blobs.remove(&key).is_none() {
            return Err(not_found(call));
        }
        call.changed();
        return Ok(Response::new(202).with("x-ms-delete-type-permanent", "true"));
    }
    match call.request.header("x-ms-blob-type") {
        Some("BlockBlob") => {}
        Some(_) => {
            return Err(refusal(
                call,
                400,
                "InvalidHeaderValue",
                "The value for one of the HTTP headers is not in the correct format.",
                "",
            ));
        }
        None => {
            return Err(refusal(
                call,
                400,
                "MissingRequiredHeader",
                "An HTTP header that's mandatory for this request is not specified.",
                "",
            ));
        }
    }
    let content_type = call.request.header("x-ms-blob-content-type").or_else(|| call.request.header("content-type"));
    let blob = Blob {
        content: STANDARD.encode(&call.request.body),
        content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
        etag: format!("\"0x{}\"", ids::hex(&["blob", &key, &call.now.to_string()]).to_ascii_uppercase().split_at(15).0),
        modified: call.now,
    };
    let response = Response::new(201)
        .with("etag", &blob.etag)
        .with("last-modified", times::http(blob.modified))
        .with("x-ms-request-server-encrypted", "true");
    call.state.blobs.insert(key, blob);
    call.changed();
    Ok(response)
}

fn shown(blob: &Blob) -> Response {
    let mut response = Response::new(200)
        .with("content-type", &blob.content_type)
        .with("etag", &blob.etag)
        .with("last-modified", times::http(blob.modified))
        .with("accept-ranges", "bytes")
        .with("x-ms-blob-type", "BlockBlob")
        .with("x-ms-server-encrypted", "true");
    response.body = Body::Full(STANDARD.decode(&blob.content).unwrap_or_default().into());
    response
}
