//! Service account tokens: issues JWTs with the claims of real ones (kubernetes, `pkg/serviceaccount/claims.go`), signed RS256, verifies them,
//! and serves the issuer's discovery documents. Reads the store for the objects that a token is bound to.

use super::facts::Facts;
use super::options::check_accept_only;
use super::status::{About, Cause, Outcome, Refusal};
use super::store::{Store, meta, now};
use super::user::User;

use crate::http::{Body, Request, Response};
use crate::rsa::Key;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::Arc;

fn signing(facts: &Facts) -> Outcome<Arc<Key>> {
    facts.keys.signing().map_err(|why| Refusal::new(500, "InternalError", format!("Internal error occurred: no signing key: {why}")))
}

const JSON: &str = "application/json";
const KEY_SET: &str = "application/jwk-set+json";
const MAX_SECONDS: i64 = 1 << 32;

/// Answers a TokenRequest with the body of the answer.
pub fn issue(store: &mut Store, facts: &Facts, namespace: &str, account: &str, request: &Value) -> Outcome<Value> {
    let accounts = About { group: "", plural: "serviceaccounts" };
    let named = &request["metadata"];
    for (name, is) in [("name", account), ("namespace", namespace)] {
        if let Some(other) = named[name].as_str().filter(|other| !other.is_empty() && *other != is) {
            let cause =
                Cause::invalid(&format!("metadata.{name}"), &json!(other), &format!("must match the service account {name} if specified"));
            return Err(Refusal::invalid("authentication.k8s.io", "TokenRequest", account, &[cause]));
        }
    }
    let Some(found) = store.get(&format!("serviceaccounts/{namespace}/{account}")) else {
        return Err(Refusal::not_found(accounts, account));
    };
    let uid = meta(found, "uid").to_owned();
    if let Some(other) = named["uid"].as_str().filter(|other| !other.is_empty() && *other != uid) {
        let why = format!("the UID in the token request ({other}) does not match the UID of the service account ({uid})");
        return Err(Refusal::conflict(About { group: "authentication.k8s.io", plural: "TokenRequest" }, account, &why));
    }
    let spec = &request["spec"];
    let mut audiences: Vec<Value> = spec["audiences"].as_array().cloned().unwrap_or_default();
    if audiences.is_empty() {
        audiences.push(json!(facts.issuer.current()));
    }
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(3600);
    let wrong = match seconds {
        ..600 => "may not specify a duration less than 10 minutes",
        MAX_SECONDS.. if seconds > MAX_SECONDS => "may not specify a duration larger than 2^32 seconds",
        _ => "",
    };
    if !wrong.is_empty() {
        let cause = Cause::invalid("spec.expirationSeconds", &json!(seconds), wrong);
        return Err(Refusal::invalid("authentication.k8s.io", "TokenRequest", "", &[cause]).without_name());
    }
    let mut about = json!({"namespace": namespace});
    bind_to_object(store, namespace, account, &spec["boundObjectRef"], &mut about)?;
    about["serviceaccount"] = json!({"name": account, "uid": uid});
    let key = signing(facts)?;
    let at = jiff::Timestamp::now();
    let expires = at.as_second() + seconds;
    let n = store.count(&format!("token/{namespace}/{account}"));
    let claims = json!({
        "aud": audiences, "exp": expires, "iat": at.as_second(), "iss": facts.issuer.current(),
        "jti": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{}/{uid}/{n}", facts.uid_seed).as_bytes()).to_string(),
        "kubernetes.io": about, "nbf": at.as_second(), "sub": format!("system:serviceaccount:{namespace}:{account}"),
    });
    let head = json!({"alg": "RS256", "kid": key.id()});
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = key.sign(signed.as_bytes()).map_err(|why| Refusal::new(500, "InternalError", why))?;
    let until = jiff::Timestamp::from_second(expires).map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": account, "namespace": namespace, "uid": uid, "creationTimestamp": now()},
        "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": if spec["boundObjectRef"].is_object() { spec["boundObjectRef"].clone() } else { Value::Null }},
        "status": {"token": format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)), "expirationTimestamp": until},
    }))
}

/// Adds the object that the token is bound to: the token ends when the object is deleted.
fn bind_to_object(store: &Store, namespace: &str, account: &str, bound: &Value, about: &mut Value) -> Outcome<()> {
    if !bound.is_object() {
        return Ok(());
    }
    let text = |field: &str| bound[field].as_str().unwrap_or_default();
    let (kind, name) = (text("kind"), text("name"));
    let (plural, at) = match (text("apiVersion"), kind) {
        ("v1", "Pod") => ("pods", format!("pods/{namespace}/{name}")),
        ("v1", "Secret") => ("secrets", format!("secrets/{namespace}/{name}")),
        ("v1", "Node") => ("nodes", format!("nodes//{name}")),
        (version, kind) => {
            let (group, version) = version.split_once('/').unwrap_or(("", version));
            return Err(Refusal::bad_request(format!("cannot bind token to object of type {group}/{version}, Kind={kind}")));
        }
    };
    let about_bound = About { group: "", plural };
    let Some(object) = store.get(&at) else { return Err(Refusal::not_found(about_bound, name)) };
    if kind == "Pod" && object["spec"]["serviceAccountName"] != account {
        let why = format!("cannot bind token for serviceaccount {} to pod running with different serviceaccount name.", json!(account));
        return Err(Refusal::bad_request(why));
    }
    let is = meta(object, "uid");
    let wanted = text("uid");
    if !wanted.is_empty() && wanted != is {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        // The server puts the kind here instead of the resource.
        return Err(Refusal::conflict(About { group: "", plural: kind }, name, &why));
    }
    if let Some(node) = object["spec"]["nodeName"].as_str().filter(|_| kind == "Pod") {
        about["node"] = match store.get(&format!("nodes//{node}")) {
            Some(found) => json!({"name": node, "uid": meta(found, "uid")}),
            None => json!({"name": node}),
        };
    }
    about[kind.to_lowercase()] = json!({"name": name, "uid": is});
    Ok(())
}

/// Verifies a token: returns its user, and those of the audiences that it is for.
pub fn verify(store: &Store, facts: &Facts, token: &str, audiences: &[String]) -> Option<(User, Vec<String>)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, body) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    if json(head)?["alg"] != "RS256" || !facts.keys.known()?.verifies(signed.as_bytes(), &signature) {
        return None;
    }
    let claims = json(body)?;
    let matching: Vec<String> =
        audiences.iter().filter(|a| claims["aud"].as_array().is_some_and(|aud| aud.contains(&json!(a)))).cloned().collect();
    let current = claims["exp"].as_i64()? > jiff::Timestamp::now().as_second();
    // Both clusters of a sandbox sign with the same key.
    if !current || matching.is_empty() || !facts.issuer.accepted().iter().any(|issuer| claims["iss"] == issuer.as_str()) {
        return None;
    }
    let about = &claims["kubernetes.io"];
    let namespace = about["namespace"].as_str()?;
    let account = &about["serviceaccount"];
    let exists = |kind: &str, namespace: &str, bound: &Value| {
        let at = format!("{kind}/{namespace}/{}", bound["name"].as_str().unwrap_or_default());
        bound.is_null() || store.get(&at).is_some_and(|o| meta(o, "uid") == bound["uid"].as_str().unwrap_or_default())
    };
    // The token of a pod names its node, but it does not end with it.
    let node = if about["pod"].is_null() { &about["node"] } else { &Value::Null };
    let alive = account.is_object()
        && exists("serviceaccounts", namespace, account)
        && exists("pods", namespace, &about["pod"])
        && exists("secrets", namespace, &about["secret"])
        && exists("nodes", "", node);
    if !alive {
        return None;
    }
    let mut extra = json!({"authentication.kubernetes.io/credential-id": [format!("JTI={}", claims["jti"].as_str().unwrap_or_default())]});
    for kind in ["node", "pod"].into_iter().filter(|kind| about[*kind].is_object()) {
        extra[format!("authentication.kubernetes.io/{kind}-name")] = json!([about[kind]["name"]]);
        extra[format!("authentication.kubernetes.io/{kind}-uid")] = json!([about[kind]["uid"]]);
    }
    let name = account["name"].as_str()?;
    Some((User::account(namespace, name, account["uid"].as_str().unwrap_or_default(), extra), matching))
}

/// Answers `/.well-known/openid-configuration` and `/openid/v1/jwks`, each in one form only.
pub fn discovery_document(facts: &Facts, parts: &[&str], request: &Request) -> Option<Outcome<Response>> {
    let form = match parts {
        [".well-known", "openid-configuration"] => JSON,
        ["openid", "v1", "jwks"] => KEY_SET,
        _ => return None,
    };
    Some(check_accept_only(request, form).and_then(|()| {
        let body = if form == KEY_SET { json!({"keys": [signing(facts)?.jwk()]}) } else { configuration(facts) };
        let mut response = Response::new(200).with("content-type", form).with("cache-control", "public, max-age=3600");
        response.body = Body::Full(body.to_string().into());
        Ok(response)
    }))
}

fn configuration(facts: &Facts) -> Value {
    json!({
        "issuer": facts.issuer.current(), "jwks_uri": facts.issuer.jwks_uri(), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
    })
}
