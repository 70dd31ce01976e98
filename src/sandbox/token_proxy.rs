//! The token proxy of a cluster for identity bindings, which AKS serves with the API server under a name of its own: it accepts a service
//! account token, looks for the binding in ARM and for the right in the cluster, and asks Entra with a token of the binding's issuer.
//!
//! The texts of its refusals are not documented; they have the form of Entra's.

use super::{
    azure::{call::Rules, clusters::bindings, error, hosts, resource_ids},
    http::{Request, Response},
    running::Running,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const AUDIENCE: &str = "api://AKSIdentityBinding";
const EXCHANGE: &str = "api://AzureADTokenExchange";
const GROUP: &str = "cid.wi.aks.azure.com";
const VERB: &str = "use-managed-identity";
/// The lifetime of the token for Entra, in seconds.
const LIFETIME: i64 = 600;

fn refusal(status: u16, code: &str, text: &str) -> Response {
    Response::json(status, error::JSON, &json!({"error": code, "error_description": text}))
}

/// Returns the request to Entra that a request to the proxy leads to, or the proxy's refusal.
pub async fn forward(running: &Running, request: &Request, rules: &Rules) -> Result<Request, Response> {
    let cluster = {
        let azure = running.azure();
        let cluster = azure.clusters.values().find(|cluster| hosts::token_proxy(&cluster.name) == request.host && cluster.ending.is_none());
        cluster.map(|cluster| (cluster.name.clone(), resource_ids::cluster_key(&azure.subscription, &cluster.group, &cluster.name)))
    };
    let (name, key) = cluster.ok_or_else(|| Response::new(404))?;
    let to_entra = |path: String, body: bytes::Bytes| Request { host: hosts::LOGIN_HOST.to_owned(), path, body, ..request.clone() };
    if request.method != "POST" {
        return Ok(to_entra(request.path.clone(), bytes::Bytes::new()));
    }
    let mut form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let asked = form.get("client_id").cloned().unwrap_or_default();
    let user = user(running, &name, form.get("client_assertion").map_or("", String::as_str)).await?;
    let bound = bindings::of(&running.azure(), &key).find(|binding| binding.client_id.eq_ignore_ascii_case(&asked)).cloned();
    let Some(client_id) = bound.map(|binding| binding.client_id) else {
        let text = format!("no identity binding of the cluster is for the managed identity with client id '{asked}'");
        return Err(refusal(403, "unauthorized_client", &text));
    };
    check_right(running, &name, &user, &client_id).await?;
    let (tenant, assertion) = {
        let tenant = running.azure().tenant.clone();
        let assertion = assertion(rules, &bindings::issuer(&tenant, &client_id), &client_id);
        (tenant, assertion.map_err(|why| refusal(500, "server_error", &why))?)
    };
    form.insert("client_assertion".to_owned(), assertion);
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let path = if request.path == "/" { format!("/{tenant}/oauth2/v2.0/token") } else { request.path.clone() };
    Ok(to_entra(path, body.into()))
}

/// Returns the user of a token that is for the proxy.
async fn user(running: &Running, cluster: &str, token: &str) -> Result<Value, Response> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": [AUDIENCE]},
    });
    let reviewed = running.ask_cluster(cluster, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", &review).await;
    let status = reviewed.map_err(|e| refusal(502, "server_error", &e.text))?["status"].clone();
    if status["authenticated"] == true {
        return Ok(status["user"].clone());
    }
    Err(refusal(
        401,
        "invalid_client",
        &format!("the token is not a valid service account token of the cluster for the audience {AUDIENCE}"),
    ))
}

/// Asks the cluster whether the user may use the identity, whose client id is the resource.
async fn check_right(running: &Running, cluster: &str, user: &Value, client_id: &str) -> Result<(), Response> {
    let attributes = json!({"group": GROUP, "verb": VERB, "resource": client_id, "version": "*"});
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user["username"], "groups": user["groups"], "uid": user["uid"], "resourceAttributes": attributes},
    });
    let reviewed = running.ask_cluster(cluster, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await;
    if reviewed.map_err(|e| refusal(502, "server_error", &e.text))?["status"]["allowed"] == true {
        return Ok(());
    }
    let name = user["username"].as_str().unwrap_or_default();
    let text = format!("User {name:?} cannot {VERB} resource {client_id:?} in API group {GROUP:?} at the cluster scope");
    Err(refusal(403, "unauthorized_client", &text))
}

/// Returns a token of the binding's issuer for Entra.
fn assertion(rules: &Rules, issuer: &str, client_id: &str) -> Result<String, String> {
    let key = rules.account_keys.signing()?;
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({"iss": issuer, "sub": client_id, "aud": EXCHANGE, "iat": now, "nbf": now, "exp": now + LIFETIME});
    let head = json!({"alg": "RS256", "kid": key.id(), "typ": "JWT"});
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())?)))
}
