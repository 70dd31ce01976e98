//! Who asks: the admin token, service account tokens, impersonation. Knows no rights.

use super::facts::Facts;
use super::status::{Outcome, Refusal};
use super::store::Store;
use super::tokens;
use super::user::User;
use crate::http::Request;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

/// The user of a request; Err: 401.
pub fn user(store: &Store, facts: &Facts, request: &Request) -> Outcome<User> {
    let Some(header) = request.header("authorization") else { return Ok(User::anonymous()) };
    let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).unwrap_or_default().trim();
    if token.is_empty() {
        return Ok(User::anonymous());
    }
    of_token(store, facts, token, std::slice::from_ref(&facts.issuer)).map(|(user, _)| user).ok_or_else(Refusal::unauthorized)
}

/// The user of a token, and to which of these audiences it speaks.
pub fn of_token(store: &Store, facts: &Facts, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
    if equal(token.as_bytes(), facts.admin_token.as_bytes()) {
        return Some((User::admin(), audiences.to_vec()));
    }
    tokens::read(store, facts, token, audiences)
}

/// `kubectl --as`: who is asked for, if somebody is. Whether the caller may is asked of RBAC.
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
