//! Credentials and tokens.

use super::fake::{Fake, OID, SECRET, SUB, empty, error, pass, reply};
use crate::azure::{
    ArmId, Error, PrincipalKind, Settings,
    login::{Env, Login},
    pipeline::HttpPipeline,
    token::Tokens,
};
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use serde_json::json;
use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const LOGIN: &str = "login.microsoftonline.com";

#[tokio::test]
async fn a_token_is_asked_once_for_an_audience_however_many_ask() {
    let fake = Fake::new(|seen, _| match seen.host.as_str() {
        "management.azure.com" => error(404, "ResourceGroupNotFound", "gone"),
        "graph.microsoft.com" => reply(200, json!({ "value": [] })),
        _ => pass(),
    })
    .await;
    let azure = fake.azure();
    let read = azure.read();
    let groups: Vec<ArmId> = (0..20).map(|n| ArmId::group(SUB, &format!("g{n}"))).collect();
    let asked = futures::future::join_all(groups.iter().map(|id| read.group(id)));
    let (all, found, caller) = tokio::join!(asked, read.service_principal("app"), read.caller());
    assert!(all.into_iter().all(|one| one.unwrap().is_none()));
    assert_eq!(found.unwrap(), None);
    assert_eq!(caller.unwrap().object_id, OID);
    let tokens = fake.on(LOGIN);
    assert_eq!(tokens.len(), 2, "one for Azure Resource Manager, one for Graph: {tokens:?}");
    assert!(azure.read().caller().await.is_ok());
    assert_eq!(fake.on(LOGIN).len(), 2, "a new pass asks for no new token");
}

/// A credential like that of az, which starts a process for each request.
#[derive(Debug, Default)]
struct Forgetful {
    asked: AtomicUsize,
    lasting: u64,
}

#[async_trait::async_trait]
impl TokenCredential for Forgetful {
    async fn get_token(&self, scopes: &[&str], _options: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(AccessToken::new(scopes.join(" "), time::OffsetDateTime::now_utc() + Duration::from_secs(self.lasting)))
    }
}

#[tokio::test]
async fn the_token_of_a_credential_without_a_cache_is_cached_until_it_is_about_to_expire() {
    for (lasting, asked) in [(3600, 2), (60, 4)] {
        let credential = Arc::new(Forgetful { lasting, ..Default::default() });
        let client = crate::azure::http::client(&Settings::default(), Duration::from_secs(1)).unwrap();
        let pipeline = Arc::new(HttpPipeline::new(client, Duration::from_secs(1), Duration::from_secs(1)));
        let tokens = Tokens::new(Arc::new(Login::new(pipeline, None, Env::new(), false).won_by(credential.clone())));
        for _ in 0..2 {
            let many = futures::future::join_all((0..8).map(|_| tokens.get("one")));
            let (many, other) = tokio::join!(many, tokens.get("two"));
            assert!(many.into_iter().all(|token| token.is_ok_and(|token| token.secret() == "one")));
            assert_eq!(other.map(|token| token.secret().to_owned()).ok().as_deref(), Some("two"));
        }
        assert_eq!(credential.asked.load(Ordering::SeqCst), asked, "{lasting}");
    }
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_does_not_hold_up_others() {
    let fake = Fake::slow(Duration::from_millis(200), |seen, _| match seen.host.as_str() {
        "management.azure.com" => error(404, "ResourceGroupNotFound", "gone"),
        "graph.microsoft.com" => reply(200, json!({ "value": [] })),
        _ => pass(),
    })
    .await;
    let azure = fake.azure();
    let (read, group) = (azure.read(), ArmId::group(SUB, "g"));
    let given_up = tokio::time::timeout(Duration::from_millis(100), read.group(&group)).await;
    assert!(given_up.is_err(), "it is in the middle of the login");
    let of_graph = tokio::time::timeout(Duration::from_secs(5), read.service_principal("app")).await;
    assert!(of_graph.expect("the login of another audience goes on").unwrap().is_none());
    let given_up = tokio::time::timeout(Duration::from_millis(300), read.group(&group)).await;
    assert!(given_up.is_err(), "it is in the middle of the first connection to Azure Resource Manager");
    let other = ArmId::group(SUB, "h");
    let (same, other) = tokio::time::timeout(Duration::from_secs(5), async { tokio::join!(read.group(&group), read.group(&other)) })
        .await
        .expect("later requests go on");
    assert!(same.unwrap().is_none() && other.unwrap().is_none());
}

#[tokio::test]
async fn the_caller_is_read_from_the_token() {
    let fake = Fake::new(|_, _| pass()).await;
    let azure = fake.azure();
    let caller = azure.read().caller().await.unwrap();
    assert_eq!((caller.object_id.as_str(), caller.tenant_id.as_str(), caller.kind), (OID, "tenant", PrincipalKind::ServicePrincipal));
    assert_eq!(azure.login().await.unwrap(), "the client secret of the settings");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_wrong_secret_says_what_entra_said() {
    let text = "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the client secret \"value\", not its id.\r\nTrace ID: 1\r\nTimestamp: 2";
    let fake =
        Fake::new(move |_, _| reply(401, json!({ "error": "invalid_client", "error_description": text, "error_codes": [7000215] }))).await;
    let azure = fake.azure();
    let error = azure.login().await.unwrap_err();
    let Error::LoginRefused { code, message } = &error else { panic!("{error:?}") };
    assert_eq!(code, "AADSTS7000215");
    assert!(
        message.starts_with("Invalid client secret provided. Ensure the secret being sent is the client secret \"value\""),
        "{message}"
    );
    assert!(!message.contains("Trace ID"));
    assert!(!format!("{error:?}").contains(SECRET));
    assert_eq!(fake.seen().len(), 1, "a refused login is not tried again");
}

#[tokio::test]
async fn without_any_credential_each_is_named_with_its_reason() {
    let fake = Fake::new(|_, _| pass()).await;
    let azure = fake.azure_with(|settings| settings.client = None, &[("AZURE_CLIENT_SECRET", "x"), ("AZURE_TENANT_ID", "t")]);
    let Error::NotLoggedIn { tried } = azure.login().await.unwrap_err() else { panic!("another error") };
    let why = |name: &str| tried.iter().find(|(one, _)| one == name).map(|(_, why)| why.as_str());
    assert_eq!(why("AZURE_CLIENT_SECRET"), Some("AZURE_CLIENT_ID is not set"));
    assert_eq!(why("AZURE_FEDERATED_TOKEN_FILE"), Some("AZURE_FEDERATED_TOKEN_FILE is not set"));
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_federated_token_goes_out_without_its_line_break() {
    let fake = Fake::new(|_, _| pass()).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"the.projected.token\n").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let env = [("AZURE_FEDERATED_TOKEN_FILE", path.as_str()), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    let azure = fake.azure_with(|settings| settings.client = None, &env);
    assert_eq!(azure.login().await.unwrap(), "AZURE_FEDERATED_TOKEN_FILE");
    let asked = fake.on(LOGIN);
    assert!(asked[0].body.contains("client_assertion=the.projected.token&"), "{}", asked[0].body);
    assert!(asked[0].path.starts_with("/t/oauth2/v2.0/token"));
}

#[tokio::test]
async fn github_gives_the_assertion_in_its_workflows() {
    let fake = Fake::new(|seen, _| match seen.host.as_str() {
        "token.actions.githubusercontent.com" if seen.authorized => reply(200, json!({ "value": "from.github.actions" })),
        "token.actions.githubusercontent.com" => empty(401),
        _ => pass(),
    })
    .await;
    let env = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.actions.githubusercontent.com/ask?v=1"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
    ];
    let azure = fake.azure_with(|settings| settings.client = None, &env);
    assert_eq!(azure.login().await.unwrap(), "GitHub Actions");
    assert!(fake.seen()[0].path.contains("v=1&audience=api%3A%2F%2FAzureADTokenExchange"), "{:?}", fake.seen()[0]);
    assert!(fake.on(LOGIN)[0].body.contains("client_assertion=from.github.actions"));
}

#[test]
fn the_default_subscription_is_read_from_the_profile_of_az() {
    let folder = tempfile::tempdir().unwrap();
    let profile = json!({ "subscriptions": [{ "id": "one", "isDefault": false }, { "id": "two", "isDefault": true }] });
    std::fs::write(folder.path().join("azureProfile.json"), format!("\u{feff}{profile}")).unwrap();
    let env = [("AZURE_CONFIG_DIR".to_owned(), folder.path().to_str().unwrap().to_owned())].into();
    let azure = crate::azure::Azure::with(crate::azure::Settings::default(), env, false).unwrap();
    assert_eq!(azure.default_subscription().as_deref(), Some("two"));
}
