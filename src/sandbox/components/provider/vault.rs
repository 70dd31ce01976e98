//! Fetches one object from Key Vault as azsecrets does: first without a token, for the challenge, then with one.

use super::super::wire::AzureResponse;
use super::access::{ProviderContext, TokenSource, pretty};
use super::parameters::{Object, Parameters};
use super::request::MountRequest;
use crate::rsa::Public;
use base64::Engine;
use serde_json::Value;

const API: &str = "api-version=7.4";

/// A file of the volume. It holds a secret, so it has no Debug.
pub(crate) struct File {
    /// Alias or name.
    pub(crate) path: String,
    /// `secret/name`, as in the pod's status.
    pub(crate) uid: String,
    pub(crate) version: String,
    pub(crate) content: Vec<u8>,
}

/// `token` is shared by the objects of one mount.
pub(super) async fn fetch(
    access: &ProviderContext,
    login: &TokenSource,
    read: &Parameters,
    request: &MountRequest<'_>,
    host: &str,
    object: &Object,
    token: &mut Option<String>,
) -> Result<File, String> {
    let folder = match object.kind.as_str() {
        "secret" => "secrets",
        "key" => "keys",
        "cert" => "certificates",
        _ => return Err("Invalid vaultObjectTypes. Should be secret, key, or cert".into()),
    };
    let path = format!("https://{host}/{folder}/{}/{}", escaped(&object.name), escaped(&object.version));
    let url = format!("{path}?{API}");
    // a vault that does not exist has no DNS name: behind a proxy that shows as a refused CONNECT
    let lost = |_: String| format!("Get {url:?}: dial tcp: lookup {host}: no such host");
    let token = match token {
        Some(token) => token,
        None => {
            let challenge = access.azure.get(&url, None).await.map_err(lost)?;
            if challenge.status != 401 {
                return Err(refused(&path, &challenge));
            }
            token.insert(login.token(access, read, request).await?)
        }
    };
    let reply = access.azure.get(&url, Some(token)).await.map_err(lost)?;
    if !reply.ok() {
        return Err(refused(&path, &reply));
    }
    let body = reply.json();
    let (id, content) = match object.kind.as_str() {
        "secret" => (&body["id"], decoded(body["value"].as_str().unwrap_or_default(), object)?),
        "cert" => (&body["id"], pem(&body).ok_or("failed to get certificate. certificate value is nil")?),
        _ => {
            let kind = body["key"]["kty"].as_str().unwrap_or_default();
            let key = Public::from_jwk(&body["key"]);
            let key = key.ok_or_else(|| format!("failed to get key. key type '{kind}' currently not supported"))?;
            (&body["key"]["kid"], key.pem()?.into_bytes())
        }
    };
    let version = id.as_str().and_then(|id| id.rsplit('/').next()).unwrap_or_default().to_owned();
    Ok(File { path: object.file().to_owned(), uid: object.uid(), version, content })
}

/// Formats an error as azcore's ResponseError does.
fn refused(path: &str, reply: &AzureResponse) -> String {
    let code = reply.json()["error"]["code"].as_str().map_or_else(|| "UNAVAILABLE".to_owned(), str::to_owned);
    let line = "-".repeat(80);
    format!(
        "GET {path}\n{line}\nRESPONSE {}: {}\nERROR CODE: {code}\n{line}\n{}\n{line}\n",
        reply.status,
        reply.status_text(),
        pretty(reply)
    )
}

fn escaped(segment: &str) -> String {
    url::form_urlencoded::byte_serialize(segment.as_bytes()).collect()
}

fn decoded(value: &str, object: &Object) -> Result<Vec<u8>, String> {
    match object.encoding.to_lowercase().as_str() {
        "base64" => base64::engine::general_purpose::STANDARD.decode(value).map_err(|_| "illegal base64 data".into()),
        "hex" => unhex(value).ok_or_else(|| "encoding/hex: invalid byte".into()),
        _ => Ok(value.as_bytes().to_vec()),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn pem(certificate: &Value) -> Option<Vec<u8>> {
    let der = certificate["cer"].as_str()?;
    let lines: Vec<String> = der.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    Some(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")).into_bytes())
}
