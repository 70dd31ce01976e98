//! Keys and certificates of a vault, as far as a pod mounts them: they are imported and read. A certificate brings a secret of its name, with
//! the certificate and its private key, as in Azure.

use super::{
    call::{Answer, Call},
    error::{self, ok},
    ids, secrets,
    state::{Secret, Vault, Version},
    stored_objects::{ObjectVersion, VaultObject},
    vault_request::{self, VaultOperation, VaultRequest, bad, permit, unix, vault},
};
use crate::{http::Response, lateness::Late};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value, json};

/// A kind of objects, by its folder in the path.
#[derive(Clone, Copy)]
pub struct ObjectType {
    folder: &'static str,
    word: &'static str,
    not_found: &'static str,
    get: VaultOperation,
    import: VaultOperation,
}

pub const KEYS: ObjectType =
    ObjectType { folder: "keys", word: "key", not_found: "KeyNotFound", get: vault_request::GET_KEY, import: vault_request::IMPORT_KEY };
pub const CERTIFICATES: ObjectType = ObjectType {
    folder: "certificates",
    word: "certificate",
    not_found: "CertificateNotFound",
    get: vault_request::GET_CERTIFICATE,
    import: vault_request::IMPORT_CERTIFICATE,
};

/// The members of a JSON web key that are not secret (RFC 7518, 6).
const PUBLIC_MEMBERS: &[&str] = &["kty", "n", "e", "crv", "x", "y"];
const PEM: &str = "application/x-pem-file";

fn key(request: &VaultRequest, of: ObjectType, name: &str) -> String {
    format!("{}/{}/{}", request.vault, of.folder, ids::fold(name))
}

fn show(request: &VaultRequest, vault: &Vault, of: ObjectType, object: &VaultObject, version: &ObjectVersion) -> Value {
    let place = |folder: &str| format!("https://{}/{folder}/{}/{}", request.host, object.name, version.id);
    let mut attributes = json!({ "enabled": true, "created": unix(version.created), "updated": unix(version.created) });
    attributes["recoveryLevel"] = json!(secrets::recovery_level(vault));
    attributes["recoverableDays"] = json!(vault.retention_days);
    let mut document = version.document.clone();
    if of.folder == KEYS.folder {
        document.insert("kid".into(), json!(place(of.folder)));
        return json!({ "key": document, "attributes": attributes });
    }
    document.insert("id".into(), json!(place(of.folder)));
    document.insert("kid".into(), json!(place(KEYS.folder)));
    document.insert("sid".into(), json!(place("secrets")));
    document.insert("attributes".into(), attributes);
    Value::Object(document)
}

pub fn get(call: &mut Call<'_>, request: &VaultRequest, of: ObjectType, name: &str, version: Option<&str>) -> Answer {
    secrets::check_name(name)?;
    permit(call, request, of.get, Some(name))?;
    let not_found = || not_found(of, &version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}")));
    let object = call.state.vault_objects.get(&key(request, of, name)).ok_or_else(not_found)?;
    let found = match version {
        None => object.versions.last(),
        Some(id) => object.versions.iter().find(|version| version.id.eq_ignore_ascii_case(id)),
    };
    Ok(ok(&show(request, vault(call, request)?, of, object, found.ok_or_else(not_found)?)))
}

fn not_found(of: ObjectType, what: &str) -> Response {
    let word = of.word;
    error::body(
        404,
        of.not_found,
        format!(
            "A {word} with (name/id) {what} was not found in this key vault. If you recently deleted this {word} you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
        ),
    )
}

/// Imports a key (`PUT /keys/NAME` with a JSON web key) or a certificate (`POST /certificates/NAME/import` with PEM) as a new version.
pub fn import(call: &mut Call<'_>, request: &VaultRequest, of: ObjectType, name: &str) -> Answer {
    secrets::check_name(name)?;
    permit(call, request, of.import, Some(name))?;
    let body = secrets::object(call)?;
    let at = key(request, of, name);
    let run = call.state.next_generation(&format!("version:{at}")).to_string();
    let id = ids::hex(&["version", &request.vault, of.folder, &ids::fold(name), &run]);
    let document = if of.folder == KEYS.folder {
        public_key(&body)?
    } else {
        let value = body.get("value").and_then(Value::as_str).ok_or_else(|| bad("Property value is required."))?;
        let document = certificate(value)?;
        keep_secret(call, request, name, &id, value);
        document
    };
    let version = ObjectVersion { id, document, created: call.now };
    let object = call.state.vault_objects.entry(at).or_insert_with(|| VaultObject { name: name.to_owned(), versions: Vec::new() });
    object.versions.push(version.clone());
    let object = object.clone();
    call.changed();
    Ok(ok(&show(request, vault(call, request)?, of, &object, &version)))
}

fn public_key(body: &Map<String, Value>) -> Result<Map<String, Value>, Response> {
    let key = body.get("key").and_then(Value::as_object).filter(|key| key.get("kty").is_some_and(Value::is_string));
    let key = key.ok_or_else(|| bad("Property key is required."))?;
    Ok(key.iter().filter(|(name, _)| PUBLIC_MEMBERS.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The first certificate of a PEM text, which must also have its private key.
fn certificate(pem: &str) -> Result<Map<String, Value>, Response> {
    let invalid = || bad("The specified PEM X.509 certificate content is in an unexpected format.");
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----").ok_or_else(invalid)?;
    let (text, _) = rest.split_once("-----END CERTIFICATE-----").ok_or_else(invalid)?;
    let cer: String = text.split_whitespace().collect();
    let der = STANDARD.decode(&cer).map_err(|_| invalid())?;
    if !pem.contains("PRIVATE KEY-----") {
        return Err(bad("Private key is not specified in the specified X.509 PEM certificate content."));
    }
    let thumbprint = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    let policy = json!({ "secret_props": { "contentType": PEM } });
    Ok([("cer".to_owned(), json!(cer)), ("x5t".to_owned(), json!(URL_SAFE_NO_PAD.encode(thumbprint))), ("policy".to_owned(), policy)]
        .into_iter()
        .collect())
}

/// The secret of a certificate has its name and its versions.
fn keep_secret(call: &mut Call<'_>, request: &VaultRequest, name: &str, id: &str, value: &str) {
    let version = Version {
        id: id.to_owned(),
        value: value.to_owned(),
        content_type: Some(PEM.to_owned()),
        enabled: true,
        not_before: None,
        expires: None,
        created: call.now,
        updated: call.now,
        tags: None,
    };
    let secret = call.state.secrets.entry(request.key(name)).or_insert_with(|| Secret {
        name: name.to_owned(),
        versions: Vec::with_capacity(1),
        late: Late::default(),
    });
    secret.versions.push(version);
}
