//! Login methods that the user chooses, and the assertions of CI jobs.

use super::fake::{Fake, SUB, empty, error, pass, reply, token_for};
use crate::azure::{ArmId, Azure, Error, LoginMethod};
use serde_json::json;
use std::{
    io::Write as _,
    time::{Duration, Instant},
};

const LOGIN: &str = "login.microsoftonline.com";
const GITHUB: [(&str, &str); 4] = [
    ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.actions.githubusercontent.com/ask?v=1"),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
    ("AZURE_TENANT_ID", "t"),
    ("AZURE_CLIENT_ID", "c"),
];
const PIPELINE: [(&str, &str); 5] = [
    ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/acme/1/_apis/distributedtask/hubs/build/plans/2/jobs/3/oidctoken"),
    ("SYSTEM_ACCESSTOKEN", "of-the-job"),
    ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "connection"),
    ("AZURESUBSCRIPTION_TENANT_ID", "of-connection"),
    ("AZURESUBSCRIPTION_CLIENT_ID", "client-of-connection"),
];

fn by(fake: &Fake, method: Option<LoginMethod>, env: &[(&str, &str)]) -> Azure {
    fake.azure_with(
        |settings| {
            settings.client = None;
            settings.method = method;
        },
        env,
    )
}

/// What a method lacks, credential by credential.
async fn lacks(method: LoginMethod, env: &[(&str, &str)]) -> Vec<String> {
    let fake = Fake::new(|_, _| pass()).await;
    let Error::MethodUnusable { method: told, tried } = by(&fake, Some(method), env).login().await.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(told, method);
    assert!(fake.seen().is_empty(), "{:?}", fake.seen());
    tried.into_iter().map(|(_, why)| why).collect()
}

#[tokio::test]
async fn a_method_that_is_chosen_says_each_variable_that_it_lacks() {
    assert_eq!(lacks(LoginMethod::Environment, &[]).await, ["AZURE_CLIENT_SECRET, AZURE_TENANT_ID and AZURE_CLIENT_ID are not set"]);
    let some = [("AZURE_FEDERATED_TOKEN_FILE", "/none"), ("AZURE_TENANT_ID", "t")];
    assert_eq!(lacks(LoginMethod::WorkloadIdentity, &some).await, ["AZURE_CLIENT_ID is not set"]);
    assert_eq!(lacks(LoginMethod::GitHub, &GITHUB[..2]).await, ["AZURE_TENANT_ID and AZURE_CLIENT_ID are not set"]);
    assert_eq!(lacks(LoginMethod::AzurePipelines, &[PIPELINE[0]]).await.len(), 1);
    let why = lacks(LoginMethod::AzurePipelines, &[PIPELINE[0], PIPELINE[2], PIPELINE[3], PIPELINE[4]]).await;
    assert_eq!(why, ["SYSTEM_ACCESSTOKEN is not set"]);
    assert_eq!(lacks(LoginMethod::ManagedIdentity, &GITHUB).await, ["IDENTITY_ENDPOINT is not set"]);
}

#[tokio::test]
async fn a_method_that_is_chosen_is_used_although_another_would_come_first() {
    let fake = Fake::new(|seen, _| match seen.host.as_str() {
        "token.actions.githubusercontent.com" => reply(200, json!({ "value": "from.github.actions" })),
        _ => pass(),
    })
    .await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"the.projected.token").unwrap();
    let path = file.path().to_str().unwrap();
    let env = [GITHUB.as_slice(), &[("AZURE_CLIENT_SECRET", "s"), ("AZURE_FEDERATED_TOKEN_FILE", path)]].concat();
    for (method, name) in [
        (None, "AZURE_CLIENT_SECRET"),
        (Some(LoginMethod::GitHub), "GitHub Actions"),
        (Some(LoginMethod::WorkloadIdentity), "AZURE_FEDERATED_TOKEN_FILE"),
        (Some(LoginMethod::Environment), "AZURE_CLIENT_SECRET"),
    ] {
        assert_eq!(by(&fake, method, &env).login().await.unwrap(), name);
    }
    let broken = [("AZURE_TENANT_ID", "t\n"), ("AZURE_CLIENT_ID", "c"), ("AZURE_FEDERATED_TOKEN_FILE", path)];
    let error = by(&fake, Some(LoginMethod::WorkloadIdentity), &broken).login().await.unwrap_err();
    assert!(matches!(&error, Error::Variable { name } if name == "AZURE_TENANT_ID"), "{error:?}");
}

/// Entra rejects an assertion that is older than this, as it does those of GitHub after minutes.
const LIFE: Duration = Duration::from_millis(700);

/// An endpoint whose assertions say when they were made, and an Entra that looks at it. Each token of Azure expires at once.
async fn short_lived() -> Fake {
    let begin = Instant::now();
    Fake::of(&["dev.azure.com".to_owned()], move |seen, _| {
        let now = begin.elapsed().as_millis();
        match seen.host.as_str() {
            "token.actions.githubusercontent.com" if seen.method == "GET" && seen.authorized => {
                reply(200, json!({ "value": format!("made.{now}") }))
            }
            "dev.azure.com" if seen.method == "POST" && seen.authorized => reply(200, json!({ "oidcToken": format!("made.{now}") })),
            LOGIN => {
                let (_, assertion) = seen.body.split_once("client_assertion=made.").unwrap();
                let made: u128 = assertion.split('&').next().unwrap().parse().unwrap();
                if now - made > LIFE.as_millis() {
                    let text = "AADSTS700024: Client assertion is not within its valid time range.";
                    return reply(401, json!({ "error": "invalid_client", "error_description": text, "error_codes": [700_024] }));
                }
                token_for(1)
            }
            "management.azure.com" => error(404, "ResourceGroupNotFound", "gone"),
            "graph.microsoft.com" => reply(200, json!({ "value": [] })),
            _ => empty(401),
        }
    })
    .await
}

#[tokio::test]
async fn a_job_that_outlives_its_assertion_gets_another_one() {
    for (env, method, host) in [
        (GITHUB.as_slice(), None, "token.actions.githubusercontent.com"),
        (PIPELINE.as_slice(), Some(LoginMethod::AzurePipelines), "dev.azure.com"),
    ] {
        let fake = short_lived().await;
        let azure = by(&fake, method, env);
        let read = azure.read();
        assert_eq!(read.group(&ArmId::group(SUB, "g")).await.unwrap(), None);
        tokio::time::sleep(LIFE * 2).await;
        // for another audience, and for the first one, whose token has expired
        assert_eq!(read.service_principal("app").await.unwrap(), None);
        assert_eq!(read.group(&ArmId::group(SUB, "h")).await.unwrap(), None);
        let (asked, tokens) = (fake.on(host), fake.on(LOGIN));
        assert_eq!((asked.len(), tokens.len()), (3, 3), "{host}: {asked:?} {tokens:?}");
        assert_ne!(tokens[0].body.split('&').next(), tokens[1].body.split('&').next());
    }
}

#[tokio::test]
async fn azure_devops_is_asked_for_the_service_connection() {
    let fake = short_lived().await;
    assert_eq!(by(&fake, None, &PIPELINE).login().await.unwrap(), "Azure Pipelines");
    let asked = fake.on("dev.azure.com");
    assert!(asked[0].path.ends_with("/oidctoken?api-version=7.1&serviceConnectionId=connection"), "{:?}", asked[0]);
    let token = &fake.on(LOGIN)[0];
    assert!(token.path.starts_with("/of-connection/oauth2/") && token.body.contains("client_id=client-of-connection"), "{token:?}");
    let refused = Fake::of(&["dev.azure.com".to_owned()], |seen, _| if seen.host == "dev.azure.com" { empty(401) } else { pass() }).await;
    let error = by(&refused, None, &PIPELINE).login().await.unwrap_err();
    assert!(!matches!(error, Error::NotLoggedIn { .. }) && !format!("{error:?}").contains("of-the-job"), "{error:?}");
    assert!(refused.on(LOGIN).is_empty(), "nobody else is logged in as");
}
