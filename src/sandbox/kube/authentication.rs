//! Finds out who sends a request: the admin token, service account tokens, impersonation. Does not decide what they may do.

use super::facts::Facts;
use super::status::{Outcome, Refusal};
use super::store::Store;
use super::tokens;
use super::user::User;
use crate::http::Request;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

/// Returns the user of a request, or a 401.
pub fn authenticate(store: &Store, facts: &Facts, request: &Request) -> Outcome<User> {
    let Some(header) = request.header("authorization") else { return Ok(User::anonymous()) };
    let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).unwrap_or_default().trim();
    if token.is_empty() {
        return Ok(User::anonymous());
    }
    token_user(store, facts, token, &facts.issuer.accepted()).map(|(user, _)| user).ok_or_else(Refusal::unauthorized)
}

/// Returns the user of a token, and those of the audiences that the token is for.
pub fn token_user(store: &Store, facts: &Facts, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
    if equal(token.as_bytes(), facts.admin_token.as_bytes()) {
        return Some((User::admin(), audiences.to_vec()));
    }
    tokens::verify(store, facts, token, audiences)
}

/// Returns the user that `kubectl --as` names. RBAC decides whether the caller may impersonate it.
pub fn impersonated(request: &Request) -> Option<User> {
    let name = request.header("impersonate-user")?.to_owned();
    let mut groups: Vec<String> = request.headers.iter().filter(|(n, _)| n == "impersonate-group").map(|(_, v)| v.clone()).collect();
    if let Some((namespace, account)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        && groups.is_empty()
    {
        return Some(User::account(namespace, account, "", Value::Null));
    }
    if !groups.iter().any(|g| g == "system:authenticated") && name != "system:anonymous" {
        groups.push("system:authenticated".into());
    }
    Some(User { name, uid: String::new(), groups, extra: Value::Null })
}

fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
