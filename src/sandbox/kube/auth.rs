//! Who asks: the admin token, service account tokens made here, impersonation. Tokens are JWTs with the claims of real ones, signed with a key
//! that derives from the admin token. Knows the store for what a token is bound to.

use super::Facts;
use super::status::{About, Cause, Outcome, Refusal};
use super::store::{Store, meta};
use crate::sandbox::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";

#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: Value,
}

impl User {
    fn admin() -> Self {
        Self {
            name: "masterclient".into(),
            uid: String::new(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            extra: Value::Null,
        }
    }
    fn anonymous() -> Self {
        Self { name: "system:anonymous".into(), uid: String::new(), groups: vec!["system:unauthenticated".into()], extra: Value::Null }
    }
    pub fn json(&self) -> Value {
        let mut out = json!({"username": self.name});
        if !self.uid.is_empty() {
            out["uid"] = json!(self.uid);
        }
        out["groups"] = json!(self.groups);
        if !self.extra.is_null() {
            out["extra"] = self.extra.clone();
        }
        out
    }
}

/// The user of a request; Err: 401.
pub fn user(store: &Store, facts: &Facts, request: &Request) -> Outcome<User> {
    let Some(header) = request.header("authorization") else { return Ok(User::anonymous()) };
    let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("bearer ")).unwrap_or_default().trim();
    if token.is_empty() {
        return Ok(User::anonymous());
    }
    of_token(store, facts, token, AUDIENCE).ok_or_else(Refusal::unauthorized)
}

pub fn of_token(store: &Store, facts: &Facts, token: &str, audience: &str) -> Option<User> {
    if equal(token.as_bytes(), facts.admin_token.as_bytes()) {
        return Some(User::admin());
    }
    let (signed, signature) = token.rsplit_once('.')?;
    if !equal(&URL_SAFE_NO_PAD.decode(signature).ok()?, &sign(facts, signed)) {
        return None;
    }
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?).ok()?;
    let now = jiff::Timestamp::now().as_second();
    if claims["exp"].as_i64()? <= now || !claims["aud"].as_array()?.iter().any(|a| a == audience) {
        return None;
    }
    let about = &claims["kubernetes.io"];
    let namespace = about["namespace"].as_str()?;
    let account = &about["serviceaccount"];
    let name = account["name"].as_str()?;
    // A token dies with what it is bound to.
    let lives = |kind: &str, bound: &Value| {
        let at = format!("{kind}/{namespace}/{}", bound["name"].as_str().unwrap_or_default());
        store.get(&at).is_some_and(|o| meta(o, "uid") == bound["uid"].as_str().unwrap_or_default())
    };
    let bound = [("pods", &about["pod"]), ("secrets", &about["secret"])];
    if !lives("serviceaccounts", account) || bound.iter().any(|(kind, bound)| bound.is_object() && !lives(kind, bound)) {
        return None;
    }
    let mut extra = json!({"authentication.kubernetes.io/credential-id": [format!("JTI={}", claims["jti"].as_str().unwrap_or_default())]});
    if about["pod"].is_object() {
        extra["authentication.kubernetes.io/pod-name"] = json!([about["pod"]["name"]]);
        extra["authentication.kubernetes.io/pod-uid"] = json!([about["pod"]["uid"]]);
    }
    Some(account_user(namespace, name, account["uid"].as_str().unwrap_or_default(), extra))
}

fn account_user(namespace: &str, name: &str, uid: &str, extra: Value) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}"), "system:authenticated".into()],
        extra,
    }
}

/// `kubectl --as`: who is asked for, if somebody is. Whether the caller may is asked of RBAC.
pub fn impersonated(request: &Request) -> Option<User> {
    let name = request.header("impersonate-user")?.to_owned();
    let mut groups: Vec<String> = request.headers.iter().filter(|(n, _)| n == "impersonate-group").map(|(_, v)| v.clone()).collect();
    if let Some((namespace, account)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        && groups.is_empty()
    {
        return Some(User { ..account_user(namespace, account, "", Value::Null) });
    }
    if !groups.iter().any(|g| g == "system:authenticated") && name != "system:anonymous" {
        groups.push("system:authenticated".into());
    }
    Some(User { name, uid: String::new(), groups, extra: Value::Null })
}

/// TokenRequest: the answer's body.
pub fn issue(store: &mut Store, facts: &Facts, namespace: &str, account: &str, request: &Value) -> Outcome<Value> {
    let accounts = About { group: "", plural: "serviceaccounts" };
    let Some(found) = store.get(&format!("serviceaccounts/{namespace}/{account}")) else {
        return Err(Refusal::not_found(accounts, account));
    };
    let uid = meta(found, "uid").to_owned();
    let created = found["metadata"]["creationTimestamp"].clone();
    let spec = &request["spec"];
    let mut audiences: Vec<Value> = spec["audiences"].as_array().cloned().unwrap_or_default();
    if audiences.is_empty() {
        audiences.push(json!(AUDIENCE));
    }
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(3600);
    let wrong = match seconds {
        ..600 => Some("may not specify a duration less than 10 minutes"),
        4_294_967_297.. => Some("may not specify a duration larger than 2^32 seconds"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        let cause = Cause::invalid("spec.expirationSeconds", &json!(seconds), wrong);
        return Err(super::call::nameless(Refusal::invalid("authentication.k8s.io", "TokenRequest", "", &[cause])));
    }
    let mut about = json!({"namespace": namespace, "serviceaccount": {"name": account, "uid": uid}});
    let bound = &spec["boundObjectRef"];
    if bound.is_object() {
        let (kind, name) = (bound["kind"].as_str().unwrap_or_default(), bound["name"].as_str().unwrap_or_default());
        let plural = match kind {
            "Pod" => "pods",
            "Secret" => "secrets",
            other => {
                let version = bound["apiVersion"].as_str().unwrap_or_default();
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                return Err(Refusal::bad_request(format!("cannot bind token to object of type {group}/{version}, Kind={other}")));
            }
        };
        let Some(object) = store.get(&format!("{plural}/{namespace}/{name}")) else {
            return Err(Refusal::not_found(About { group: "", plural }, name));
        };
        let is = meta(object, "uid");
        let wanted = bound["uid"].as_str().unwrap_or_default();
        if !wanted.is_empty() && wanted != is {
            let why = format!(
                "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
            );
            return Err(Refusal::conflict(About { group: "", plural }, name, &why));
        }
        about[kind.to_lowercase()] = json!({"name": name, "uid": is});
        if kind == "Pod" && object["spec"]["serviceAccountName"] != account {
            let why = format!("cannot bind token for serviceaccount {} to pod running with different serviceaccount name.", json!(account));
            return Err(Refusal::bad_request(why));
        }
    }
    let now = jiff::Timestamp::now();
    let expires = now.as_second() + seconds;
    let n = store.count(&format!("token/{namespace}/{account}"));
    let claims = json!({
        "aud": audiences, "exp": expires, "iat": now.as_second(), "iss": AUDIENCE,
        "jti": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{}/{uid}/{n}", facts.uid_seed).as_bytes()).to_string(),
        "kubernetes.io": about, "nbf": now.as_second(), "sub": format!("system:serviceaccount:{namespace}:{account}"),
    });
    let head = json!({"alg": "HS256", "kid": "sandbox"});
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(facts, &signed)));
    let until = jiff::Timestamp::from_second(expires).map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": account, "namespace": namespace, "uid": uid, "creationTimestamp": created},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": if bound.is_object() { bound.clone() } else { Value::Null }},
        "status": {"token": token, "expirationTimestamp": until},
    }))
}

/// HMAC-SHA256 (RFC 2104).
fn sign(facts: &Facts, text: &str) -> Vec<u8> {
    let key = Sha256::digest(format!("{}/service-account-key", facts.admin_token));
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key.iter()).for_each(|(b, k)| *b ^= k);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
