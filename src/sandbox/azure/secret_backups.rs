//! Backups of secrets: a secret with all its versions as one encrypted text. In Azure a backup can be restored in the same subscription and
//! geography, here in any vault of the sandbox that created it.

use super::{
    call::{Answer, Call},
    error, secrets,
    state::{Secret, Version},
    vault_request::{self, VaultRequest, bad, permit, vault},
};
use crate::{http::Response, lateness::Late};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The beginning of Azure's backups.
const MAGIC: &str = ")AzureKeyVaultSecretBackupV1.microsoft.com";

fn key(call: &Call<'_>) -> Option<LessSafeKey> {
    let bytes = Sha256::new().chain_update(MAGIC).chain_update(&call.rules.token_key).chain_update(&call.state.subscription).finalize();
    UnboundKey::new(&AES_256_GCM, &bytes).ok().map(LessSafeKey::new)
}

fn seal(call: &Call<'_>, secret: &Secret) -> Option<String> {
    let mut text = serde_json::to_vec(secret).ok()?;
    let mut nonce = [0_u8; NONCE_LEN];
    getrandom::fill(&mut nonce).ok()?;
    key(call)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut text).ok()?;
    Some(URL_SAFE_NO_PAD.encode([MAGIC.as_bytes(), &nonce, &text].concat()))
}

fn open(call: &Call<'_>, blob: &str) -> Option<Secret> {
    let bytes = URL_SAFE_NO_PAD.decode(blob.trim_end_matches('=')).ok()?;
    let (nonce, sealed) = bytes.strip_prefix(MAGIC.as_bytes())?.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let text = key(call)?.open_in_place(nonce, Aad::from(MAGIC), &mut sealed).ok()?;
    serde_json::from_slice(text).ok()
}

pub fn backup(call: &mut Call<'_>, request: &VaultRequest, name: &str) -> Answer {
    secrets::check_name(name)?;
    permit(call, request, vault_request::BACKUP, Some(name))?;
    let blob = seal(call, secrets::find(call, request, name)?);
    let blob = blob.ok_or_else(|| error::body(500, "InternalServerError", "The backup could not be sealed."))?;
    Ok(error::ok(&json!({ "value": blob })))
}

fn conflict(request: &VaultRequest, secret: &Secret, version: &Version) -> Response {
    let id = secrets::version_id(request, secret, version);
    error::body(
        409,
        "Conflict",
        format!(
            "There was a conflict restoring the secret '{id}'. This can happen if either: a second secret with the same name was created after the first secret was deleted; thus trying to restore a secret whose name is already in use. To fix this, rename the second secret to something else so that the restore works. The second probable cause of this exception is when multiple operations are performed in parallel against the secret. To avoid this error, perform operations against a secret in a sequential manner."
        ),
    )
}

/// Restores all versions under their original ids.
pub fn restore(call: &mut Call<'_>, request: &VaultRequest) -> Answer {
    permit(call, request, vault_request::RESTORE, None)?;
    let body = secrets::object(call)?;
    let blob = body.get("value").and_then(Value::as_str).ok_or_else(|| bad("Property value is required."))?;
    let mut secret = open(call, blob).ok_or_else(|| bad("Backup blob contains invalid or corrupt version."))?;
    secret.late = Late::default();
    let Some(version) = secret.versions.last().cloned() else { return Err(bad("Backup blob contains invalid or corrupt version.")) };
    let key = request.key(&secret.name);
    if call.state.secrets.contains_key(&key) {
        return Err(conflict(request, &secret, &version));
    }
    secrets::check_name_is_free(call, request, &secret.name)?;
    let id = secrets::version_id(request, &secret, &version);
    call.state.secrets.insert(key, secret);
    call.changed();
    Ok(error::ok(&Value::Object(secrets::bundle(request, vault(call, request)?, &id, &version))))
}
