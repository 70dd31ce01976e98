//! Client assertions (RFC 7523) at the token endpoint: a service account token is accepted instead of a secret if a federated credential of
//! the identity has its issuer, subject and audience, and the issuer's key signed it.
//!
//! The sandbox knows the signing key of its own clusters. For external clusters it uses the keys fetched from their API servers. Any other
//! issuer counts as an OIDC endpoint that cannot be reached. The token proxies of identity bindings have an issuer of their own.

use super::{call::Call, clusters::bindings, federated, hosts::LOGIN_HOST, ids, state::FederatedCredential, times};
use crate::http::Request;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// How the issuers of Entra's own tokens begin.
const ISSUERS_OF_ENTRA: [&str; 2] = ["https://sts.windows.net/", "https://login.microsoftonline.com/"];

/// Why an assertion is rejected: the AADSTS number and its text.
pub struct AssertionError {
    pub code: u32,
    pub text: String,
}

fn error(code: u32, text: impl Into<String>) -> AssertionError {
    AssertionError { code, text: text.into() }
}

struct Assertion {
    signed: String,
    signature: Vec<u8>,
    algorithm: String,
    /// Empty if the header names no key.
    key: String,
    claims: Value,
}

impl Assertion {
    fn read(token: &str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let head = json(head)?;
        let algorithm = head["alg"].as_str()?.to_owned();
        let key = head["kid"].as_str().unwrap_or_default().to_owned();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { signed: signed.to_owned(), signature, algorithm, key, claims: json(body)? })
    }

    fn text(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    /// The claim is a text or a list of texts.
    fn audiences(&self) -> Vec<&str> {
        match &self.claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Returns the issuer and the key id of the assertion in a token request, before the assertion is verified.
pub fn presented(request: &Request) -> Option<(String, String)> {
    if request.host != LOGIN_HOST || request.method != "POST" {
        return None;
    }
    let token = url::form_urlencoded::parse(&request.body).find(|(name, _)| name == "client_assertion")?.1;
    let assertion = Assertion::read(&token)?;
    Some((assertion.text("iss").to_owned(), assertion.key))
}

/// `resource_id` is the identity of the given client id. An application has no federated credentials here.
pub fn check(call: &mut Call<'_>, resource_id: Option<&str>, token: &str) -> Result<(), AssertionError> {
    let assertion = Assertion::read(token).ok_or_else(|| error(50_027, "JWT token is invalid or malformed."))?;
    if ISSUERS_OF_ENTRA.iter().any(|issuer| assertion.text("iss").starts_with(issuer)) {
        return Err(error(700_222, "AAD-issued tokens may not be used for federated identity flows."));
    }
    let key = matching(call, resource_id, &assertion)?;
    signed(call, &assertion)?;
    within_its_time(call, &assertion)?;
    let (lateness, now) = (call.rules.lateness, call.now);
    let late = call.state.federated.get_mut(&key).is_some_and(|credential| credential.late.refuses(lateness, now));
    if late {
        call.counted();
        return Err(unmatched(&assertion));
    }
    Ok(())
}

fn unmatched(assertion: &Assertion) -> AssertionError {
    error(
        70_021,
        format!(
            "No matching federated identity record found for presented assertion. Assertion Issuer: '{}'. Assertion Subject: '{}'. Assertion Audience: '{}'. https://learn.microsoft.com/entra/workload-id/workload-identity-federation",
            assertion.text("iss"),
            assertion.text("sub"),
            assertion.audiences().join(", ")
        ),
    )
}

/// Returns the key of the matching credential in the state. Values are compared exactly: case matters, and so does a slash at the end of
/// the issuer.
fn matching(call: &Call<'_>, resource_id: Option<&str>, assertion: &Assertion) -> Result<String, AssertionError> {
    let all: Vec<(&String, &FederatedCredential)> =
        resource_id.map(|id| federated::of(call.state, &ids::fold(id)).collect()).unwrap_or_default();
    if all.is_empty() {
        return Err(unmatched(assertion));
    }
    let no = |code: u32, what: &str, value: &str| {
        error(
            code,
            format!(
                "No matching federated identity record found for presented assertion {what} '{value}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
            ),
        )
    };
    let (issuer, subject, audiences) = (assertion.text("iss"), assertion.text("sub"), assertion.audiences());
    let of_issuer: Vec<_> = all.into_iter().filter(|(_, c)| c.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(no(700_211, "issuer", issuer));
    }
    let Some((key, credential)) = of_issuer.iter().find(|(_, c)| c.subject == subject) else {
        if of_issuer.iter().any(|(_, c)| c.subject.eq_ignore_ascii_case(subject)) {
            return Err(other_case(subject));
        }
        return Err(no(700_213, "subject", subject));
    };
    if !credential.audiences.iter().any(|a| audiences.contains(&a.as_str())) {
        return Err(no(700_212, "audience", &audiences.join(", ")));
    }
    Ok((*key).clone())
}

fn other_case(subject: &str) -> AssertionError {
    error(
        7_002_138,
        format!(
            "No matching federated identity record found for presented assertion subject '{subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
        ),
    )
}

fn signed(call: &Call<'_>, assertion: &Assertion) -> Result<(), AssertionError> {
    let issuer = assertion.text("iss");
    let unreachable = || error(90_061, "Request to External OIDC endpoint failed.");
    let message = assertion.signed.as_bytes();
    let cluster = call.state.clusters.values().find(|c| c.oidc_issuer.as_deref() == Some(issuer));
    let entry = cluster.and_then(|cluster| call.rules.entries.get(&cluster.name));
    if cluster.is_none() && !bindings::is_issuer(issuer) {
        return Err(unreachable());
    }
    // an external cluster signs with keys that the sandbox does not have
    let right = if entry.is_some() {
        let keys = call.rules.issuers.keys(issuer).ok_or_else(unreachable)?;
        let mut named = keys.iter().filter(|key| assertion.key.is_empty() || key.id() == assertion.key).peekable();
        if named.peek().is_none() {
            return Err(unsigned(&format!("The key was not found., Thumbprint of key used by client: '{}'", assertion.key)));
        }
        named.any(|key| key.verifies(message, &assertion.signature))
    } else {
        call.rules.account_keys.known().is_some_and(|key| key.verifies(message, &assertion.signature))
    };
    if right && assertion.algorithm == "RS256" {
        return Ok(());
    }
    Err(unsigned("The provided signature value did not match the expected signature value."))
}

fn unsigned(reason: &str) -> AssertionError {
    error(50_013, format!("Assertion failed signature validation. [Reason - {reason}]"))
}

fn within_its_time(call: &Call<'_>, assertion: &Assertion) -> Result<(), AssertionError> {
    let time = |name: &str| assertion.claims[name].as_i64();
    let now = times::unix(call.now);
    let (from, until) = (time("nbf").unwrap_or(0), time("exp").unwrap_or(0));
    if from <= now && now < until {
        return Ok(());
    }
    let say = |at: i64| times::seconds(at.saturating_mul(times::SECOND));
    Err(error(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of assertion {}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            say(now),
            say(from),
            say(until)
        ),
    ))
}
