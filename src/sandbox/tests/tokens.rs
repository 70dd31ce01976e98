//! Entra's endpoints, and how each service checks its tokens.

use super::{Lab, Lateness, claims};
use serde_json::json;

const ARM: &str = "https://management.azure.com/.default";

#[tokio::test]
async fn a_token_names_its_principal_and_audience() {
    let lab = Lab::new(Lateness::None).await;
    let access = lab.sandbox.access();
    let token = claims(&lab.token("https://vault.azure.net/.default openid offline_access profile").await);
    assert_eq!(token["aud"], "https://vault.azure.net");
    assert_eq!((&token["tid"], &token["appid"], &token["idtyp"]), (&json!(access.tenant), &json!(access.client_id), &json!("app")));
    assert_eq!(token["iss"], format!("https://sts.windows.net/{}/", access.tenant));
    assert!(token["exp"].as_i64().unwrap() > token["iat"].as_i64().unwrap());
}

#[tokio::test]
async fn the_v1_endpoint_takes_a_resource_and_returns_numbers_as_text() {
    let lab = Lab::new(Lateness::None).await;
    let access = lab.sandbox.access().clone();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &access.client_id),
        ("client_secret", &access.client_secret),
        ("resource", "https://management.azure.com/"),
    ];
    let answer = lab.form(&format!("{}/oauth2/token?api-version=1.0", access.tenant), &form).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body["expires_on"].is_string() && answer.body["expires_in"].is_string());
    assert_eq!(claims(answer.body["access_token"].as_str().unwrap())["aud"], "https://management.azure.com/");
}

#[tokio::test]
async fn a_wrong_login_is_refused_with_its_error_number() {
    let lab = Lab::new(Lateness::None).await;
    let access = lab.sandbox.access().clone();
    let ask = async |tenant: &str, client: &str, secret: &str, scope: &str| {
        let form = [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret), ("scope", scope)];
        let answer = lab.form(&format!("{tenant}/oauth2/v2.0/token"), &form).await;
        (answer.status, answer.body["error"].as_str().unwrap().to_owned(), answer.body["error_codes"][0].as_i64().unwrap())
    };
    let (tenant, client) = (access.tenant.as_str(), access.client_id.as_str());
    assert_eq!(ask(tenant, client, "wrong", ARM).await, (401, "invalid_client".to_owned(), 7_000_215));
    assert_eq!(ask(tenant, client, "", ARM).await, (401, "invalid_client".to_owned(), 7_000_216));
    assert_eq!(ask(tenant, "nobody", "x", ARM).await, (400, "unauthorized_client".to_owned(), 700_016));
    assert_eq!(ask("other", client, "x", ARM).await, (400, "invalid_tenant".to_owned(), 90_002));
    assert_eq!(ask(tenant, client, &access.client_secret, "https://vault.azure.net").await, (400, "invalid_scope".to_owned(), 1_002_012));
}

#[tokio::test]
async fn discovery_leads_to_the_token_endpoint() {
    let lab = Lab::new(Lateness::None).await;
    let tenant = &lab.sandbox.access().tenant;
    let url = format!("https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration");
    let answer = lab.send("GET", &url, None, None).await;
    assert_eq!(answer.body["token_endpoint"], format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"));
    let url = format!(
        "https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize"
    );
    let answer = lab.send("GET", &url, None, None).await;
    assert!(answer.body["tenant_discovery_endpoint"].as_str().unwrap().contains(tenant));
    assert!(answer.body["metadata"][0]["aliases"].as_array().unwrap().len() > 1);
}

#[tokio::test]
async fn arm_distinguishes_missing_invalid_expired_and_foreign_tokens() {
    let lab = Lab::new(Lateness::None).await;
    let url = "https://management.azure.com/subscriptions?api-version=2022-12-01";
    let missing = lab.send("GET", url, None, None).await;
    assert_eq!((missing.status, missing.code()), (401, "AuthenticationFailed"));
    assert!(missing.header("www-authenticate").starts_with("Bearer authorization_uri=\"https://login.windows.net/"));
    let invalid = lab.send("GET", url, Some("a.b.c"), None).await;
    assert_eq!((invalid.status, invalid.code()), (401, "InvalidAuthenticationToken"));
    let foreign = lab.send("GET", url, Some(&lab.token("https://graph.microsoft.com/.default").await), None).await;
    assert_eq!((foreign.status, foreign.code()), (401, "InvalidAuthenticationTokenAudience"));
    lab.control("POST", "/settings", Some(json!({"token_seconds": 0}))).await;
    let expired = lab.send("GET", url, Some(&lab.token(ARM).await), None).await;
    assert_eq!((expired.status, expired.code()), (401, "ExpiredAuthenticationToken"));
}

#[tokio::test]
async fn a_vault_sends_a_challenge_and_the_reason() {
    let lab = Lab::new(Lateness::None).await;
    lab.new_vault("kv-tokens", true).await;
    let url = "https://kv-tokens.vault.azure.net/secrets/s/?api-version=7.4";
    let challenge = lab.send("PUT", url, None, None).await;
    assert_eq!((challenge.status, challenge.code()), (401, "Unauthorized"));
    let tenant = &lab.sandbox.access().tenant;
    assert_eq!(
        challenge.header("www-authenticate"),
        format!("Bearer authorization=\"https://login.microsoftonline.com/{tenant}\", resource=\"https://vault.azure.net\"")
    );
    assert_eq!(challenge.message(), "AKV10000: Request is missing a Bearer or PoP token.");
    let slash = lab.send("GET", url, Some(&lab.token("https://vault.azure.net//.default").await), None).await;
    assert_eq!(slash.message(), "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://vault.azure.net/.");
}

#[tokio::test]
async fn graph_finds_a_service_principal_by_app_id_name_and_id() {
    let lab = Lab::new(Lateness::None).await;
    let identity = lab.identity("graph-mid").await;
    let (client, principal) =
        (identity["properties"]["clientId"].as_str().unwrap(), identity["properties"]["principalId"].as_str().unwrap());
    let token = lab.token("https://graph.microsoft.com/.default").await;
    let get = async |rest: String| {
        lab.send("GET", &format!("https://graph.microsoft.com/v1.0/servicePrincipals{rest}"), Some(&token), None).await
    };
    let by_app = get(format!("?$filter=appId%20eq%20'{client}'")).await;
    assert_eq!(by_app.body["value"][0]["id"], principal);
    let by_name = get(format!("?$filter=servicePrincipalNames/any(c:c%20eq%20'{client}')")).await;
    assert_eq!(by_name.body["value"][0]["servicePrincipalType"], "ManagedIdentity");
    assert_eq!(get(format!("/{principal}")).await.body["appId"], client);
    assert_eq!(get("?$filter=appId%20eq%20'none'".to_owned()).await.body["value"], json!([]));
    let absent = get("/00000000-0000-0000-0000-000000000001".to_owned()).await;
    assert_eq!((absent.status, absent.code()), (404, "Request_ResourceNotFound"));
    assert!(!absent.body["error"]["innerError"]["date"].as_str().unwrap().ends_with('Z'));
    let ids = json!({"ids": [principal], "types": ["user", "servicePrincipal"]});
    let by_ids = lab.send("POST", "https://graph.microsoft.com/v1.0/directoryObjects/getByIds", Some(&token), Some(&ids)).await;
    assert_eq!(by_ids.body["value"][0]["@odata.type"], "#microsoft.graph.servicePrincipal");
    lab.control("POST", "/settings", Some(json!({"deny": ["graph"]}))).await;
    let denied = get(format!("/{principal}")).await;
    assert_eq!((denied.status, denied.code()), (403, "Authorization_RequestDenied"));
}
