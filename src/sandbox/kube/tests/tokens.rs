//! Service account tokens: their claims, their user, their end, and how others verify them.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const DEFAULT: &str = "/api/v1/namespaces/default/serviceaccounts/default/token";
const REVIEW: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

async fn token(kube: &Arc<Kube>, path: &str, spec: Value) -> String {
    let made = post(kube, path, json!({"spec": spec})).await;
    assert_eq!(made.code, 201, "{}", made.text);
    made.body["status"]["token"].as_str().unwrap().to_owned()
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

async fn review(kube: &Arc<Kube>, token: &str, audiences: Value) -> Value {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": audiences}});
    post(kube, REVIEW, body).await.body["status"].clone()
}

#[tokio::test]
async fn a_token_can_be_verified_with_the_documents_of_its_issuer() {
    let kube = cluster();
    let token = token(&kube, DEFAULT, json!({"audiences": ["api://AzureADTokenExchange"]})).await;
    let about = get(&kube, "/.well-known/openid-configuration").await;
    assert_eq!(about.body["issuer"], part(&token, 1)["iss"]);
    assert_eq!(about.body["id_token_signing_alg_values_supported"], json!(["RS256"]));
    let published = get(&kube, "/openid/v1/jwks").await;
    assert!(published.headers.contains(&("content-type".into(), "application/jwk-set+json".into())));
    let keys = published.body["keys"].clone();
    assert_eq!(part(&token, 0), json!({"alg": "RS256", "kid": keys[0]["kid"]}));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert!(KEY.verifies(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()));
    let claims = part(&token, 1);
    assert_eq!(
        (claims["sub"].as_str(), &claims["aud"]),
        (Some("system:serviceaccount:default:default"), &json!(["api://AzureADTokenExchange"]))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

#[tokio::test]
async fn a_token_of_a_pod_names_pod_and_node_and_ends_with_the_pod() {
    let kube = cluster();
    let pods = "/api/v1/namespaces/default/pods";
    let pod = post(&kube, pods, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "i"}]}})).await.body;
    idle(&kube).await;
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": pod["metadata"]["uid"]});
    let token = token(&kube, DEFAULT, json!({"boundObjectRef": bound})).await;
    let user = review(&kube, &token, json!([])).await["user"].clone();
    assert_eq!(user["username"], "system:serviceaccount:default:default");
    assert_eq!(user["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
    assert_eq!(user["extra"]["authentication.kubernetes.io/node-name"], json!(["aks-nodepool1-vmss000000"]));
    delete(&kube, &format!("{pods}/p")).await;
    idle(&kube).await;
    assert_eq!(review(&kube, &token, json!([])).await["authenticated"], Value::Null);
}

#[tokio::test]
async fn a_token_for_another_audience_is_rejected_by_the_api_server() {
    let kube = cluster();
    let own = token(&kube, DEFAULT, json!({})).await;
    let other = token(&kube, DEFAULT, json!({"audiences": ["x", "y"]})).await;
    let ask = async |token: &str| send(&kube, &request(token, "GET", "/openid/v1/jwks", "application/json", "")).await.code;
    assert_eq!((ask(&own).await, ask(&other).await), (200, 401));
    assert_eq!(review(&kube, &other, json!(["z", "y"])).await["audiences"], json!(["y"]));
    assert_eq!(review(&kube, &other, json!(["z"])).await["error"], "[invalid bearer token, unknown]");
    delete(&kube, "/api/v1/namespaces/default/serviceaccounts/default").await;
    assert_eq!(ask(&own).await, 401);
}

#[tokio::test]
async fn a_tampered_token_is_rejected() {
    let kube = cluster();
    let token = token(&kube, DEFAULT, json!({})).await;
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = part(&token, 1);
    claims["sub"] = json!("system:serviceaccount:kube-system:default");
    claims["kubernetes.io"]["namespace"] = json!("kube-system");
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]);
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), parts[1]);
    for wrong in [forged, unsigned] {
        assert_eq!(send(&kube, &request(&wrong, "GET", "/version", "application/json", "")).await.code, 401);
    }
}

#[tokio::test]
async fn token_requests_are_checked_as_the_real_server_checks_them() {
    let kube = cluster();
    let refused = async |body: Value| post(&kube, DEFAULT, body).await.message().to_owned();
    let short = refused(json!({"spec": {"expirationSeconds": 60}})).await;
    assert_eq!(
        short,
        "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes"
    );
    let kind = json!({"spec": {"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
    assert_eq!(refused(kind).await, "cannot bind token to object of type apps/v1, Kind=Deployment");
    let named = json!({"metadata": {"name": "b"}, "spec": {}});
    assert!(refused(named).await.contains("metadata.name: Invalid value: \"b\": must match the service account name if specified"));
}

#[tokio::test]
async fn each_document_of_the_issuer_has_one_form() {
    let kube = cluster();
    let code = async |path: &str, accept: &str| {
        let mut request = request("admin", "GET", path, "", "");
        request.headers.push(("accept".into(), accept.into()));
        send(&kube, &request).await.code
    };
    let (keys, about) = ("/openid/v1/jwks", "/.well-known/openid-configuration");
    assert_eq!((code(keys, "application/json").await, code(about, "application/json").await), (406, 200));
    assert_eq!((code(keys, "application/jwk-set+json").await, code(about, "text/html").await), (200, 406));
    assert_eq!((code(keys, "application/yaml, */*").await, code(keys, "").await), (200, 200));
}
