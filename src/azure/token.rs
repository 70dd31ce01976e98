//! Tokens: one request per audience, however many ask, and kept until shortly before they end.

use super::{Caller, Error, PrincipalKind, Result, cache::RequestCache, deadline, login::Login};
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

pub const ARM: &str = "https://management.azure.com/.default";
pub const GRAPH: &str = "https://graph.microsoft.com/.default";

/// A token that ends sooner than this is asked for anew.
const MARGIN: time::Duration = time::Duration::minutes(5);

#[derive(Clone)]
pub struct Token(Arc<AccessToken>);

impl Token {
    pub fn secret(&self) -> &str {
        self.0.token.secret()
    }

    fn lasts(&self) -> bool {
        self.0.expires_on > time::OffsetDateTime::now_utc() + MARGIN
    }
}

pub struct Tokens {
    pub login: Arc<Login>,
    kept: RequestCache<Token>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    pub fn new(login: Arc<Login>) -> Self {
        Self { login, kept: RequestCache::default() }
    }

    /// `scope`: `https://…/.default`.
    pub async fn get(&self, scope: &str) -> Result<Token> {
        let (login, wanted) = (self.login.clone(), scope.to_owned());
        let ask = move || deadline::apart(async move { login.token(&wanted).await.map(|token| Token(Arc::new(token))) });
        self.kept.get_while(scope.to_owned(), Token::lasts, ask).await
    }

    /// Who the token of Azure Resource Manager speaks for; no request but the token's.
    pub async fn caller(&self) -> Result<Caller> {
        let token = self.get(ARM).await?;
        claims(token.secret()).ok_or_else(|| Error::Protocol("the access token names no object id".to_owned()))
    }
}

/// Claims of an access token: <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>
fn claims(token: &str) -> Option<Caller> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let object_id = text("oid")?;
    let person = text("upn").or_else(|| text("unique_name")).or_else(|| text("preferred_username"));
    // `idtyp` is optional in user tokens, where the delegated `scp` tells
    let kind = match text("idtyp").as_deref() {
        Some("user") => PrincipalKind::User,
        None if person.is_some() || claims.get("scp").is_some() => PrincipalKind::User,
        _ => PrincipalKind::ServicePrincipal,
    };
    let name = person.or_else(|| text("appid")).or_else(|| text("azp")).unwrap_or_else(|| object_id.clone());
    Some(Caller { tenant_id: text("tid")?, object_id, kind, name })
}

/// The longest that a token is believed to last: the longest of Entra's last 28 hours.
const LONGEST: i64 = 7 * 24 * 60 * 60;

/// An answer of a token endpoint whose `expires_in` can be added to the time of now: azure_identity does so without a check, and a
/// number that leads out of the calendar is a panic there.
pub fn with_sane_lifetime(host: &str, body: Bytes) -> Result<Bytes> {
    // what is no object, azure_identity refuses
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(&body) else { return Ok(body) };
    let seconds = match answer.get("expires_in") {
        None => return Ok(body),
        Some(Value::Number(given)) => given.as_f64(),
        Some(Value::String(given)) => given.trim().parse().ok(),
        Some(_) => None,
    };
    let Some(seconds) = seconds.filter(|seconds: &f64| !seconds.is_nan()) else {
        return Err(Error::Protocol(format!("{host}: the expires_in of a token is not a number of seconds")));
    };
    if answer.get("expires_in").and_then(Value::as_i64).is_some_and(|given| (0..=LONGEST).contains(&given)) {
        return Ok(body);
    }
    // what is too large or too small for an integer becomes the largest or the smallest
    answer.insert("expires_in".to_owned(), (seconds as i64).clamp(0, LONGEST).into());
    // it is for the sake of other clients, and may be as wrong
    answer.remove("ext_expires_in");
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|_| Error::Protocol(format!("{host}: a token that cannot be kept")))
}

/// For the Key Vault SDK.
#[async_trait]
impl TokenCredential for Tokens {
    async fn get_token(&self, scopes: &[&str], _options: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let carried = |error| azure_core::Error::new(azure_core::error::ErrorKind::Credential, error);
        let scope = scopes.first().ok_or_else(|| carried(Error::Protocol("a token for nothing".to_owned())))?;
        let token = self.get(scope).await.map_err(carried)?;
        Ok(AccessToken::new(Secret::new(token.secret().to_owned()), token.0.expires_on))
    }
}
