//! Caches tokens: one request per audience, however many callers want the token, until shortly before it expires.

use super::{Caller, Error, PrincipalKind, Result, cache::RequestCache, deadline, hosts, login::Login};
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::sync::Arc;

/// A token that expires sooner than this is renewed.
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

    /// Returns a token for `scope`, such as `https://…/.default`.
    pub async fn get(&self, scope: &str) -> Result<Token> {
        let (login, wanted) = (self.login.clone(), scope.to_owned());
        let ask = move || deadline::apart(async move { login.token(&wanted).await.map(|token| Token(Arc::new(token))) });
        self.kept.get_while(scope.to_owned(), Token::lasts, ask).await
    }

    /// Returns the caller that the token of Azure Resource Manager was issued to. It sends no other request than that for the token.
    pub async fn caller(&self) -> Result<Caller> {
        let token = self.get(hosts::ARM_SCOPE).await?;
        claims(token.secret()).ok_or_else(|| Error::Protocol("the access token names no object id".to_owned()))
    }
}

/// Reads the claims of an access token: <https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>
fn claims(token: &str) -> Option<Caller> {
    let payload = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let object_id = text("oid")?;
    let person = text("upn").or_else(|| text("unique_name")).or_else(|| text("preferred_username"));
    // `idtyp` is optional in user tokens, which have the delegated `scp` instead
    let kind = match text("idtyp").as_deref() {
        Some("user") => PrincipalKind::User,
        None if person.is_some() || claims.get("scp").is_some() => PrincipalKind::User,
        _ => PrincipalKind::ServicePrincipal,
    };
    let name = person.or_else(|| text("appid")).or_else(|| text("azp")).unwrap_or_else(|| object_id.clone());
    Some(Caller { tenant_id: text("tid")?, object_id, kind, name })
}

/// Implements the credential for the Key Vault SDK.
#[async_trait]
impl TokenCredential for Tokens {
    async fn get_token(&self, scopes: &[&str], _options: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let carried = |error| azure_core::Error::new(azure_core::error::ErrorKind::Credential, error);
        let scope = scopes.first().ok_or_else(|| carried(Error::Protocol("a token for nothing".to_owned())))?;
        let token = self.get(scope).await.map_err(carried)?;
        Ok(AccessToken::new(Secret::new(token.secret().to_owned()), token.0.expires_on))
    }
}
