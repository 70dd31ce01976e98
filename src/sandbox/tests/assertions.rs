//! Service account tokens of a sandbox cluster as client assertions at the token endpoint.

use super::*;

struct Bench {
    lab: Lab,
    issuer: String,
    client_id: String,
}

impl Bench {
    async fn new(lateness: Lateness) -> Self {
        let lab = Lab::new(lateness).await;
        let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi", lab.group());
        let cluster = lab.arm("GET", &cluster, None).await.body;
        let issuer = cluster["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap().to_owned();
        let client_id = lab.identity("claims").await["properties"]["clientId"].as_str().unwrap().to_owned();
        Self { lab, issuer, client_id }
    }

    async fn trust(&self, issuer: &str, subject: &str) {
        let path = format!(
            "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/claims/federatedIdentityCredentials/shop",
            self.lab.group()
        );
        let body = json!({"properties": {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}});
        assert!(self.lab.arm("PUT", &path, Some(body)).await.status < 300);
    }

    /// Returns a token of the account `default` in the namespace `default`.
    async fn account_token(&self, audience: &str) -> String {
        let config: Value = serde_json::from_slice(&std::fs::read(&self.lab.sandbox.access().kubeconfig).unwrap()).unwrap();
        let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let url = format!("{server}/api/v1/namespaces/default/serviceaccounts/default/token");
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": [audience]}});
        let answer = self.lab.send("POST", &url, config["users"][0]["user"]["token"].as_str(), Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["status"]["token"].as_str().unwrap().to_owned()
    }

    async fn present(&self, assertion: &str) -> Answer {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_assertion", assertion),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_info", "1"),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
            ("scope", "https://vault.azure.net/.default openid offline_access profile"),
        ];
        self.lab.form(&format!("{}/oauth2/v2.0/token", self.lab.sandbox.access().tenant), &form).await
    }

    async fn refused(&self, assertion: &str, code: u32) {
        let answer = self.present(assertion).await;
        assert_eq!((answer.status, &answer.body["error_codes"]), (401, &json!([code])), "{}", answer.body);
    }
}

const SUBJECT: &str = "system:serviceaccount:default:default";
const EXCHANGE: &str = "api://AzureADTokenExchange";

#[tokio::test]
async fn a_trusted_account_gets_a_token_of_the_identity_for_a_default_scope() {
    let bench = Bench::new(Lateness::None).await;
    bench.trust(&bench.issuer, SUBJECT).await;
    let answer = bench.present(&bench.account_token(EXCHANGE).await).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let claims = claims(answer.body["access_token"].as_str().unwrap());
    assert_eq!((&claims["aud"], &claims["appid"]), (&json!("https://vault.azure.net"), &json!(bench.client_id)));
}

#[tokio::test]
async fn each_mismatch_has_its_error_number() {
    let bench = Bench::new(Lateness::None).await;
    let token = bench.account_token(EXCHANGE).await;
    bench.refused("no.jwt", 50_027).await;
    bench.refused(&token, 70_021).await;
    bench.trust(bench.issuer.trim_end_matches('/'), SUBJECT).await;
    bench.refused(&token, 700_211).await;
    bench.trust(&bench.issuer, "system:serviceaccount:default:other").await;
    bench.refused(&token, 700_213).await;
    bench.trust(&bench.issuer, "system:serviceaccount:default:Default").await;
    bench.refused(&token, 7_002_138).await;
    bench.trust(&bench.issuer, SUBJECT).await;
    bench.refused(&bench.account_token("other").await, 700_212).await;
    // the signature of another token
    let other = bench.account_token("other").await;
    let forged = format!("{}.{}", token.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
    bench.refused(&forged, 50_013).await;
    assert_eq!(bench.present(&token).await.status, 200);
}

#[tokio::test]
async fn a_token_is_accepted_only_within_its_time() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let bench = Bench::new(Lateness::None).await;
    bench.trust(&bench.issuer, SUBJECT).await;
    let key = bench.lab.sandbox.embedded.as_ref().unwrap().running.settings.rules().account_keys.signing().unwrap();
    let now = jiff::Timestamp::now().as_second();
    let signed = |from: i64, until: i64| {
        let claims = json!({"iss": bench.issuer, "sub": SUBJECT, "aud": EXCHANGE, "nbf": from, "exp": until});
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(json!({"alg": "RS256", "kid": key.id()})), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).unwrap());
        format!("{text}.{signature}")
    };
    bench.refused(&signed(now - 7200, now - 3600), 700_024).await;
    bench.refused(&signed(now + 3600, now + 7200), 700_024).await;
    assert_eq!(bench.present(&signed(now - 60, now + 60)).await.status, 200);
}

#[tokio::test]
async fn a_token_of_entra_is_not_an_assertion() {
    let bench = Bench::new(Lateness::None).await;
    bench.trust(&bench.issuer, SUBJECT).await;
    let token = bench.lab.token("api://AzureADTokenExchange/.default").await;
    bench.refused(&token, 700_222).await;
}

#[tokio::test]
async fn the_keys_of_an_unknown_issuer_cannot_be_fetched() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let bench = Bench::new(Lateness::None).await;
    bench.trust("https://issuer.example/", SUBJECT).await;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": "https://issuer.example/", "sub": SUBJECT, "aud": EXCHANGE, "exp": 4_000_000_000_i64});
    bench.refused(&format!("{}.{}.{}", part(json!({"alg": "RS256"})), part(claims), part(json!("x"))), 90_061).await;
}

#[tokio::test]
async fn a_new_credential_is_delayed_at_the_token_endpoint() {
    let bench = Bench::new(Lateness::Quick).await;
    bench.trust(&bench.issuer, SUBJECT).await;
    let token = bench.account_token(EXCHANGE).await;
    for _ in 0..2 {
        bench.refused(&token, 70_021).await;
    }
    assert_eq!(bench.present(&token).await.status, 200);
}
