//! Recorded requests of MIC, NMI, the CSI driver's provider and the SDKs to Azure, repeated by a client of our own: with their casing of
//! ids, their api-versions, and the fields that they read. Each test covers one component.

use super::*;
use crate::{Options, rsa::Public};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const ARM: &str = "https://management.azure.com";
/// The version of MIC's client for scale sets.
const COMPUTE: &str = "api-version=2019-12-01";

struct Node {
    lab: Lab,
    /// `http://ADDR:PORT` instead of http://169.254.169.254.
    imds: String,
    cluster: Value,
    set: String,
}

impl Node {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let imds = vec![("aks-mi".to_owned(), "127.0.0.1:0".parse().unwrap())];
        let options = Options { imds, ..options(dir.path(), Lateness::None) };
        let lab = Lab::with(dir, options).await;
        let imds = lab.sandbox.access().imds["aks-mi"].clone();
        let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-mi", lab.group());
        let cluster = lab.arm("GET", &path, None).await.body;
        let group = cluster["properties"]["nodeResourceGroup"].as_str().unwrap().to_owned();
        let sets = format!("{}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachineScaleSets", lab.subscription());
        let set = lab.arm("GET", &sets, None).await.body["value"][0]["id"].as_str().unwrap().to_owned();
        Self { lab, imds, cluster, set }
    }

    fn kubelet(&self, name: &str) -> &str {
        self.cluster["properties"]["identityProfile"]["kubeletidentity"][name].as_str().unwrap()
    }

    /// Calls the metadata service as go-autorest does, without a proxy.
    async fn metadata(&self, client_id: &str, resource: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("api-version", "2018-02-01"), ("resource", resource), ("client_id", client_id)])
            .finish();
        let url = format!("{}/metadata/identity/oauth2/token?{query}", self.imds);
        let answer = client.get(url).header("Metadata", "true").send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Returns MIC's own token.
    async fn mic(&self) -> String {
        let (status, body) = self.metadata(self.kubelet("clientId"), "https://management.azure.com/").await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    async fn of_set(&self, token: &str, method: &str, body: Option<Value>) -> Answer {
        self.lab.send(method, &format!("{ARM}{}?{COMPUTE}", self.set), Some(token), body.as_ref()).await
    }

    async fn patch(&self, token: &str, kind: &str, identities: Value) -> Answer {
        let mut identity = json!({ "type": kind });
        if !identities.is_null() {
            identity["userAssignedIdentities"] = identities;
        }
        self.of_set(token, "PATCH", Some(json!({ "identity": identity }))).await
    }

    /// Grants the kubelet identity the roles of a lab.
    async fn grant_mic(&self) {
        let object = self.kubelet("objectId").to_owned();
        let group = self.set.split("/providers/").next().unwrap().to_owned();
        for (scope, role) in [(group, VM_CONTRIBUTOR), (self.lab.group(), OPERATOR)] {
            assert_eq!(self.lab.assign(&scope, role, &object).await.status, 201);
        }
    }
}

/// Finds the failed id in a message as MIC does.
fn quoted_identity(message: &str) -> Option<String> {
    let pattern =
        regex::Regex::new(r"(?i)'(/subscriptions/[^']+/providers/microsoft.managedidentity/userassignedidentities/[^']+)'").unwrap();
    pattern.captures(message).map(|found| found[1].to_owned())
}

#[tokio::test]
async fn mic_and_nmi_get_tokens_from_the_metadata_service() {
    let node = Node::new().await;
    for resource in ["https://management.azure.com/", "https://vault.azure.net"] {
        let (status, body) = node.metadata(node.kubelet("clientId"), resource).await;
        assert_eq!((status, body["resource"].as_str(), body["token_type"].as_str()), (200, Some(resource), Some("Bearer")));
        assert!(["expires_in", "expires_on", "not_before"].iter().all(|n| body[n].as_str().is_some_and(|t| t.parse::<u64>().is_ok())));
        assert_eq!(claims(body["access_token"].as_str().unwrap())["aud"], resource);
    }
    let other = node.lab.identity("other").await["properties"]["clientId"].as_str().unwrap().to_owned();
    let refused = node.metadata(&other, "https://vault.azure.net").await;
    assert_eq!(refused, (400, json!({"error": "invalid_request", "error_description": "Identity not found"})));
}

#[tokio::test]
async fn mic_as_a_service_principal_gets_its_token_from_the_v1_endpoint() {
    let node = Node::new().await;
    let access = node.lab.sandbox.access();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", access.client_id.as_str()),
        ("client_secret", &access.client_secret),
        ("resource", "https://management.azure.com/"),
    ];
    let answer = node.lab.form(&format!("{}/oauth2/token?api-version=1.0", access.tenant), &form).await;
    assert_eq!((answer.status, &answer.body["resource"]), (200, &json!("https://management.azure.com/")));
    assert!(["expires_in", "expires_on", "not_before"].iter().all(|name| answer.body[name].is_string()), "{}", answer.body);
    let set = node.of_set(answer.body["access_token"].as_str().unwrap(), "GET", None).await;
    assert_eq!(set.status, 200);
}

#[tokio::test]
async fn mic_reads_and_merges_the_identities_of_the_scale_set() {
    let node = Node::new().await;
    node.grant_mic().await;
    let token = node.mic().await;
    let set = node.of_set(&token, "GET", None).await.body;
    for name in ["id", "name", "location"] {
        assert!(set[name].is_string(), "{name}");
    }
    let kubelet = node.kubelet("resourceId").to_lowercase();
    let keys = |set: &Value| -> Vec<String> {
        set["identity"]["userAssignedIdentities"].as_object().into_iter().flatten().map(|(id, _)| id.to_lowercase()).collect()
    };
    assert_eq!((&set["identity"]["type"], keys(&set)), (&json!("UserAssigned"), vec![kubelet.clone()]));
    assert_eq!(set["properties"]["provisioningState"], "Succeeded");
    let identity = node.lab.identity("pod").await;
    let id = identity["id"].as_str().unwrap().to_lowercase();
    let added = node.patch(&token, "UserAssigned", json!({id.clone(): {}})).await;
    assert_eq!((added.status, &added.body["id"]), (200, &set["id"]));
    assert_eq!(keys(&added.body), [kubelet.clone(), id.clone()]);
    let entry = &added.body["identity"]["userAssignedIdentities"][&id];
    assert_eq!((&entry["clientId"], &entry["principalId"]), (&identity["properties"]["clientId"], &identity["properties"]["principalId"]));
    let taken = node.patch(&token, "UserAssigned", json!({id.clone(): null})).await;
    assert_eq!(keys(&taken.body), std::slice::from_ref(&kubelet));
    // the last identity is removed without a map
    let none = node.patch(&token, "None", Value::Null).await;
    assert_eq!((none.status, none.body.get("identity")), (200, None));
}

#[tokio::test]
async fn mic_polls_an_operation_to_its_end() {
    let node = Node::new().await;
    node.grant_mic().await;
    node.lab.control("POST", "/settings", Some(json!({"scale_set_polls": 1}))).await;
    let token = node.mic().await;
    let id = node.lab.identity("pod").await["id"].as_str().unwrap().to_lowercase();
    let answer = node.patch(&token, "UserAssigned", json!({id: {}})).await;
    let url = answer.header("azure-asyncoperation").to_owned();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let poll = node.lab.send("GET", &url, Some(&token), None).await;
        assert_eq!(poll.status, 200);
        seen.push(poll.body["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["InProgress", "Succeeded"]);
}

#[tokio::test]
async fn mic_finds_code_and_failing_id_in_a_refusal() {
    let node = Node::new().await;
    let token = node.mic().await;
    let id = node.lab.identity("pod").await["id"].as_str().unwrap().to_lowercase();
    assert_eq!(node.of_set(&token, "GET", None).await.code(), "AuthorizationFailed");
    let patch = async || node.patch(&token, "UserAssigned", json!({id.clone(): {}})).await;
    let refused = patch().await;
    assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"));
    let group = node.set.split("/providers/").next().unwrap();
    assert_eq!(node.lab.assign(group, VM_CONTRIBUTOR, node.kubelet("objectId")).await.status, 201);
    let linked = patch().await;
    assert_eq!((linked.status, linked.code()), (403, "LinkedAuthorizationFailed"));
    assert_eq!(quoted_identity(linked.message()).as_ref(), Some(&id));
    assert_eq!(node.lab.assign(&node.lab.group(), OPERATOR, node.kubelet("objectId")).await.status, 201);
    node.lab.arm("DELETE", &id, None).await;
    let gone = patch().await;
    assert_eq!((gone.status, gone.code()), (400, "FailedIdentityOperation"));
    assert_eq!(quoted_identity(gone.message()).as_ref(), Some(&id));
}

#[tokio::test]
async fn a_vault_client_is_challenged_and_reads_with_a_trailing_slash() {
    let node = Node::new().await;
    let lab = &node.lab;
    lab.new_vault("kv-read", true).await;
    lab.assign(&lab.vault_path("kv-read"), SECRETS_OFFICER, &lab.caller().await).await;
    lab.vault("kv-read", "PUT", "/secrets/s", Some(json!({"value": "canary"}))).await;
    let token = lab.token("https://vault.azure.net/.default").await;
    for version in ["7.4", "2026-04-01"] {
        let url = format!("https://kv-read.vault.azure.net/secrets/s/?api-version={version}");
        let challenge = lab.send("GET", &url, None, None).await;
        assert_eq!(challenge.status, 401);
        let wanted = format!(
            "Bearer authorization=\"https://login.microsoftonline.com/{}\", resource=\"https://vault.azure.net\"",
            lab.sandbox.access().tenant
        );
        assert_eq!(challenge.header("www-authenticate"), wanted);
        let read = lab.send("GET", &url, Some(&token), None).await;
        assert_eq!((read.status, &read.body["value"]), (200, &json!("canary")));
        assert!(read.body["attributes"].is_object());
        // the provider cuts the version off
        let id = read.body["id"].as_str().unwrap();
        let (head, cut) = id.rsplit_once('/').unwrap();
        assert_eq!((head, cut.len()), ("https://kv-read.vault.azure.net/secrets/s", 32));
        let again = format!("https://kv-read.vault.azure.net/secrets/s/{cut}?api-version={version}");
        assert_eq!(lab.send("GET", &again, Some(&token), None).await.body["id"], id);
    }
    let absent = lab.send("GET", "https://kv-read.vault.azure.net/secrets/none/?api-version=7.4", Some(&token), None).await;
    assert_eq!((absent.status, absent.code()), (404, "SecretNotFound"));
    // a vault that does not exist has no DNS name: the proxy refuses to connect
    let unknown = lab.client.get("https://kv-none.vault.azure.net/secrets/s/?api-version=7.4").send().await;
    assert!(unknown.unwrap_err().is_connect());
}

#[tokio::test]
async fn msal_discovers_the_instance_and_its_token_endpoint() {
    let node = Node::new().await;
    let tenant = &node.lab.sandbox.access().tenant;
    let login = "https://login.microsoftonline.com";
    let query = format!("api-version=1.1&authorization_endpoint={login}/{tenant}/oauth2/v2.0/authorize");
    let instance = node.lab.send("GET", &format!("{login}/common/discovery/instance?{query}"), None, None).await;
    assert_eq!(instance.status, 200);
    assert_eq!(instance.body["tenant_discovery_endpoint"], format!("{login}/{tenant}/v2.0/.well-known/openid-configuration"));
    let entry = &instance.body["metadata"][0];
    assert!(entry["preferred_network"].is_string() && entry["preferred_cache"].is_string());
    assert!(entry["aliases"].as_array().unwrap().contains(&json!("login.microsoftonline.com")));
    let configured = node.lab.send("GET", instance.body["tenant_discovery_endpoint"].as_str().unwrap(), None, None).await.body;
    for name in ["authorization_endpoint", "token_endpoint", "issuer"] {
        assert!(configured[name].as_str().unwrap().starts_with(&format!("{login}/{tenant}/")), "{name}: {configured}");
    }
    let strange = node.lab.send("GET", &format!("{login}/no-tenant/v2.0/.well-known/openid-configuration"), None, None).await;
    assert_eq!((strange.status, &strange.body["error"]), (400, &json!("invalid_tenant")));
    assert_eq!(strange.body["error_codes"], json!([90_002]));
}

#[tokio::test]
async fn a_service_account_token_is_exchanged_and_can_be_verified() {
    let node = Node::new().await;
    let lab = &node.lab;
    let issuer = node.cluster["properties"]["oidcIssuerProfile"]["issuerURL"].as_str().unwrap();
    let identity = lab.identity("claims").await;
    let client_id = identity["properties"]["clientId"].as_str().unwrap();
    let trust = json!({"properties": {"issuer": issuer, "subject": "system:serviceaccount:default:default", "audiences": ["api://AzureADTokenExchange"]}});
    let path = format!("{}/federatedIdentityCredentials/one", identity["id"].as_str().unwrap());
    assert_eq!(lab.arm("PUT", &path, Some(trust)).await.status, 201);
    let config: Value = serde_json::from_slice(&std::fs::read(&lab.sandbox.access().kubeconfig).unwrap()).unwrap();
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    let url = format!("{server}/api/v1/namespaces/default/serviceaccounts/default/token");
    let requested = json!({"spec": {"audiences": ["api://AzureADTokenExchange"]}});
    let made = lab.send("POST", &url, config["users"][0]["user"]["token"].as_str(), Some(&requested)).await;
    let assertion = made.body["status"]["token"].as_str().unwrap();
    // the issuer's public address returns the key
    let discovery = lab.send("GET", &format!("{issuer}.well-known/openid-configuration"), None, None).await;
    assert_eq!((discovery.status, &discovery.body["issuer"]), (200, &json!(issuer)));
    let keys = lab.send("GET", discovery.body["jwks_uri"].as_str().unwrap(), None, None).await;
    let key = Public::from_jwk(&keys.body["keys"][0]).unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    assert!(key.verifies(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()));
    // MSAL for Go requests several scopes, azure-identity for Python one
    for scope in ["https://vault.azure.net/.default openid offline_access profile", "https://vault.azure.net/.default"] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_assertion", assertion),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_info", "1"),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#),
            ("scope", scope),
        ];
        let answer = lab.form(&format!("{}/oauth2/v2.0/token", lab.sandbox.access().tenant), &form).await;
        assert_eq!((answer.status, &answer.body["token_type"]), (200, &json!("Bearer")), "{}", answer.body);
        assert!(answer.body["expires_in"].is_i64());
        assert_eq!(claims(answer.body["access_token"].as_str().unwrap())["aud"], "https://vault.azure.net");
    }
}
