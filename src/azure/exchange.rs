//! Does what a pod with Workload ID does: exchanges the token of a service account at Entra for one of a managed identity, and reads a vault's
//! secret with it. podid's own login has no part in it. No text of a token and no value of a secret leaves this file.

use super::{Error, Read, Result, arm, deadline, failures, hosts, limits::BodyKind, pipeline::HttpRequest, vault_uri};
use ::http::{HeaderValue, Method, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const VAULT_VERSION: &str = "7.4";

/// For whom and at which tenant a token is wanted.
pub struct IssuedFor<'a> {
    pub tenant: &'a str,
    pub client_id: &'a str,
    /// The vault whose secrets it is to open.
    pub vault_uri: &'a str,
}

/// The claims of a token that people may see.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TokenClaims {
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    /// Client id of the identity, in a token of Entra.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Object id of the identity, in a token of Entra.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
}

/// Reads the claims of a token, which nobody verifies here.
pub fn claims_of(token: &SecretString) -> Option<TokenClaims> {
    let payload = token.expose_secret().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let audience = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => text("aud").unwrap_or_default(),
    };
    Some(TokenClaims {
        issuer: text("iss").unwrap_or_default(),
        subject: text("sub").unwrap_or_default(),
        audience,
        // tokens of version 2 name the application otherwise
        application: text("appid").or_else(|| text("azp")),
        object: text("oid"),
        expires: claims.get("exp").and_then(Value::as_i64),
    })
}

/// A token of a managed identity.
pub struct Exchanged {
    token: SecretString,
    pub claims: TokenClaims,
}

impl Read {
    /// Exchanges the token of a service account. A refusal is `LoginRefused` with the AADSTS code.
    pub async fn exchange(&self, wanted: &IssuedFor<'_>, assertion: &SecretString) -> Result<Exchanged> {
        deadline::within(self.limit(), self.exchanged(wanted, assertion)).await
    }

    async fn exchanged(&self, wanted: &IssuedFor<'_>, assertion: &SecretString) -> Result<Exchanged> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
        }
        let host = host_of(wanted.vault_uri)?;
        let suffix = vault_uri::parts(&host).map_or(vault_uri::SUFFIXES[0], |(_, suffix)| suffix);
        let tenant = arm::segment(wanted.tenant)?;
        let url = parsed(&format!("https://{}/{tenant}/oauth2/v2.0/token", hosts::LOGIN))?;
        let scope = format!("https://{suffix}/.default");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", wanted.client_id)
            .append_pair("scope", &scope)
            .append_pair("client_assertion_type", ASSERTION)
            .append_pair("client_assertion", assertion.expose_secret())
            .finish();
        let mut request = HttpRequest::for_token(Method::POST, url);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = form.into_bytes().into();
        let answer = self.arm().pipeline.send(request).await?;
        if !answer.is_success() {
            return Err(failures::refusal(hosts::LOGIN, answer.status, &answer.headers, &answer.body));
        }
        let Answer { access_token } = arm::parsed(hosts::LOGIN, &answer.body)?;
        let token = SecretString::from(access_token);
        let claims = claims_of(&token).ok_or_else(|| Error::Protocol(format!("{}: a token without claims", hosts::LOGIN)))?;
        Ok(Exchanged { token, claims })
    }

    /// Reads a secret with such a token and returns its version. The value is dropped.
    pub async fn secret_version_by(&self, exchanged: &Exchanged, vault_uri: &str, name: &str) -> Result<String> {
        deadline::within(self.limit(), self.version_by(exchanged, vault_uri, name)).await
    }

    async fn version_by(&self, exchanged: &Exchanged, vault_uri: &str, name: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            id: String,
        }
        let host = host_of(vault_uri)?;
        let mut url = parsed(&format!("https://{host}/secrets/{}", arm::segment(name)?))?;
        url.query_pairs_mut().append_pair("api-version", VAULT_VERSION);
        let mut request = HttpRequest { kind: BodyKind::Object, ..HttpRequest::new(Method::GET, url) };
        request.bearer(exchanged.token.expose_secret())?;
        let answer = self.arm().pipeline.send(request).await?;
        if !answer.is_success() {
            return Err(failures::refusal(&host, answer.status, &answer.headers, &answer.body));
        }
        let Answer { id } = arm::parsed(&host, &answer.body)?;
        Ok(id.rsplit('/').next().unwrap_or_default().to_owned())
    }
}

fn host_of(uri: &str) -> Result<String> {
    vault_uri::host(uri).ok_or_else(|| vault_uri::foreign("a vault", uri, "NAME"))
}

fn parsed(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|error| Error::Protocol(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(claims: &Value) -> SecretString {
        SecretString::from(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    #[test]
    fn claims_of_both_kinds_of_tokens_are_read() {
        let of_account =
            claims_of(&token(&json!({"iss": "https://i/", "sub": "system:serviceaccount:a:b", "aud": ["x"], "exp": 5}))).unwrap();
        assert_eq!((of_account.audience.as_str(), of_account.application, of_account.expires), ("x", None, Some(5)));
        let of_entra = claims_of(&token(&json!({"aud": "v", "azp": "c", "oid": "o"}))).unwrap();
        assert_eq!((of_entra.application.as_deref(), of_entra.object.as_deref()), (Some("c"), Some("o")));
        assert_eq!(claims_of(&SecretString::from("no token")), None);
    }
}
