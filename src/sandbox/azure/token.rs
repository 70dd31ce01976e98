//! The tokens of the sandbox: JWTs signed with the sandbox's own key (HS256), with the claims that clients and services read.

use super::{
    call::{Call, Caller},
    state::State,
    times,
};
use crate::http::Request;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Why a service rejects a token.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    Missing,
    Malformed,
    /// The expiry in unix seconds.
    Expired(i64),
    /// The audience of the token.
    Audience(String),
}

/// RFC 2104 with SHA-256.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().into()
}

/// `audience` is used as it was requested, because the services differ in whether they accept a trailing slash.
pub fn issue(call: &Call<'_>, audience: &str, object_id: &str, app_id: &str, resource_id: Option<&str>) -> String {
    let (tenant, now) = (&call.state.tenant, times::unix(call.now));
    let mut claims = json!({
        "aud": audience, "iss": issuer(tenant), "iat": now, "nbf": now, "exp": now.saturating_add(call.rules.token_seconds),
        "appid": app_id, "appidacr": "1", "idp": issuer(tenant), "idtyp": "app", "oid": object_id, "sub": object_id, "tid": tenant, "ver": "1.0",
    });
    if let Some(id) = resource_id {
        claims["xms_mirid"] = json!(id);
    }
    seal(&call.rules.token_key, &claims)
}

pub fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

fn seal(key: &[u8], claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(hmac(key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn open(key: &[u8], token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let right = hmac(key, signed.as_bytes());
    // digests are compared, so that the time of the comparison reveals nothing about the signature
    if Sha256::digest(right) != Sha256::digest(signature) {
        return None;
    }
    let (_, claims) = signed.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

pub fn bearer(request: &Request) -> Option<&str> {
    let value = request.header("authorization")?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Returns the caller if the token was issued here, is valid now, and has one of these audiences.
pub fn check(call: &Call<'_>, audiences: &[&str]) -> Result<Caller, TokenError> {
    let token = bearer(call.request).ok_or(TokenError::Missing)?;
    let claims = open(&call.rules.token_key, token).ok_or(TokenError::Malformed)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let expiry = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    if expiry <= times::unix(call.now) {
        return Err(TokenError::Expired(expiry));
    }
    let audience = text("aud");
    if text("tid") != call.state.tenant {
        return Err(TokenError::Malformed);
    }
    if !audiences.contains(&audience.as_str()) {
        return Err(TokenError::Audience(audience));
    }
    Ok(Caller { object_id: text("oid"), app_id: text("appid") })
}

/// Returns the caller as Key Vault's errors name it.
pub fn describe(state: &State, caller: &Caller) -> String {
    format!("appid={};oid={};iss={}", caller.app_id, caller.object_id, issuer(&state.tenant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_matches_rfc_4231() {
        let digest = hmac(b"Jefe", b"what do ya want for nothing?");
        let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_modified_token_is_rejected() {
        let token = seal(b"key", &json!({"oid": "a"}));
        assert_eq!(open(b"key", &token).unwrap()["oid"], "a");
        assert!(open(b"other", &token).is_none());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        assert!(open(b"key", &format!("{signed}x.{signature}")).is_none());
    }
}
