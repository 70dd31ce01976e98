//! Connections, retries, and hosts that do not respond.

use super::fake::{Fake, SECRET, SUB, alone, empty, error, pass, reply};
use crate::azure::{ArmId, Error};
use serde_json::json;
use std::time::{Duration, Instant};

fn group(n: usize) -> ArmId {
    ArmId::group(SUB, &format!("g{n}"))
}

const ARM: &str = "management.azure.com";

const SLOW: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_first_requests_shares_one_connection_and_waits_for_no_first_answer() {
    let fake = Fake::slow(SLOW, |seen, _| if seen.host == ARM { error(404, "ResourceGroupNotFound", "gone") } else { pass() }).await;
    let azure = fake.azure();
    azure.login().await.unwrap();
    let read = azure.read();
    let ids: Vec<ArmId> = (0..16).map(group).collect();
    let started = Instant::now();
    let groups = futures::future::join_all(ids.iter().map(|id| read.group(id))).await;
    let took = started.elapsed();
    assert!(groups.into_iter().all(|one| one.is_ok()));
    assert_eq!(fake.conns(ARM), 1);
    assert!(took >= SLOW && took < SLOW * 2, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_has_one_connection() {
    let fake = Fake::new(|seen, _| match seen.host.as_str() {
        ARM => error(404, "ResourceGroupNotFound", "gone"),
        host if host.ends_with(".vault.azure.net") => reply(200, json!({ "value": [] })),
        _ => pass(),
    })
    .await;
    let read = fake.azure().read();
    let ids: Vec<ArmId> = (0..16).map(group).collect();
    let groups = futures::future::join_all(ids.iter().map(|id| read.group(id)));
    let vaults = ["https://one.vault.azure.net/", "https://two.vault.azure.net/"];
    let lists = futures::future::join_all(vaults.iter().map(|vault| read.secrets(vault)));
    let others = futures::future::join_all(vaults.iter().map(|vault| read.deleted_secret(vault, "s")));
    let (groups, lists, _) = tokio::join!(groups, lists, others);
    assert!(groups.into_iter().all(|one| one.is_ok()) && lists.into_iter().all(|one| one.is_ok()));
    for host in [ARM, "one.vault.azure.net", "two.vault.azure.net", "login.microsoftonline.com"] {
        assert_eq!(fake.conns(host), 1, "{host}");
    }
}

#[tokio::test]
async fn podid_waits_as_long_as_azure_demands_when_throttled() {
    let fake = Fake::new(|seen, nth| match (seen.host.as_str(), nth) {
        (ARM, 0) => error(429, "429", "Retry after 1 seconds.").with("retry-after", "1"),
        (ARM, _) => reply(200, json!({ "id": group(1), "location": "westeurope" })),
        _ => pass(),
    })
    .await;
    let started = Instant::now();
    assert!(fake.azure().read().group(&group(1)).await.unwrap().is_some());
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(fake.on(ARM).len(), 2);
}

#[tokio::test]
async fn throttling_beyond_the_limit_is_reported_with_its_pause() {
    let fake =
        Fake::new(|seen, _| if seen.host == ARM { error(429, "429", "Slow down.").with("retry-after", "3600") } else { pass() }).await;
    let error = fake.azure().read().group(&group(1)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Throttled { after: Some(after), message } if after.as_secs() == 3600 && message == "Slow down."),
        "{error:?}"
    );
    assert_eq!(fake.on(ARM).len(), 1);
}

#[tokio::test]
async fn a_request_that_a_gateway_failed_is_retried_in_every_sdk() {
    let fake = Fake::new(|seen, nth| match (seen.host.as_str(), nth) {
        ("login.microsoftonline.com", _) => pass(),
        (_, 0) => error(502, "BadGatewayConnection", "again"),
        ("v.vault.azure.net", _) => reply(200, json!({ "value": [] })),
        _ => error(404, "ResourceNotFound", "gone"),
    })
    .await;
    let read = fake.azure().read();
    let id = ArmId::resource(SUB, "g", crate::azure::id::IDENTITY, "i");
    assert_eq!(read.identity(&id).await.unwrap(), None);
    assert_eq!(read.group(&group(1)).await.unwrap(), None);
    assert_eq!(read.secrets("https://v.vault.azure.net/").await.unwrap(), vec![]);
    assert_eq!((fake.on(ARM).len(), fake.on("v.vault.azure.net").len()), (4, 2));
}

#[tokio::test]
async fn an_untrusted_certificate_is_told_at_once() {
    let fake = Fake::new(|_, _| pass()).await;
    let azure = fake.azure_with(|settings| settings.ca = None, &[]);
    let started = Instant::now();
    let error = azure.login().await.unwrap_err();
    assert!(matches!(&error, Error::Untrusted { host, .. } if host == "login.microsoftonline.com"), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(!format!("{error:?}").contains(SECRET));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_told_at_once() {
    let fake = Fake::new(|_, _| pass()).await;
    let azure = fake.azure_with(|settings| settings.proxy = Some("http://127.0.0.1:9".to_owned()), &[]);
    let started = Instant::now();
    let error = azure.login().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { host, .. } if host == "login.microsoftonline.com"), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_told_at_once() {
    let fake = Fake::new(|_, _| pass()).await;
    fake.refuse_connect("login.microsoftonline.com", 99);
    let error = fake.azure().login().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { cause, .. } if cause == crate::azure::failures::NO_TUNNEL), "{error:?}");
}

#[tokio::test]
async fn a_request_to_a_hanging_server_times_out() {
    let fake = Fake::slow(Duration::from_secs(30), |_, _| pass()).await;
    let azure = fake.azure_with(|settings| settings.timeout = Some(Duration::from_secs(1)), &[]);
    let started = Instant::now();
    let error = azure.login().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(limit) if limit == Duration::from_secs(1)), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake =
        Fake::new(|seen, _| if seen.host == ARM { empty(307).with("location", "https://graph.microsoft.com/") } else { pass() }).await;
    let error = fake.azure().read().group(&group(1)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 307, .. }), "{error:?}");
    assert!(fake.on("graph.microsoft.com").is_empty());
}

#[tokio::test]
async fn proxy_and_trust_come_from_the_environment_too() {
    let fake = Fake::new(|_, _| pass()).await;
    let settings = fake.settings();
    let run = |no_proxy: &str| {
        let mut child = alone("wires::child_logs_in_by_the_environment");
        child.env("HTTPS_PROXY", settings.proxy.as_ref().unwrap()).env("SSL_CERT_FILE", settings.ca.as_ref().unwrap());
        child.env("AZURE_TENANT_ID", "t").env("AZURE_CLIENT_ID", "c").env("AZURE_CLIENT_SECRET", SECRET).env("NO_PROXY", no_proxy);
        child.output()
    };
    let out = run("127.0.0.1,localhost").await.unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && text.contains("logged in by AZURE_CLIENT_SECRET"), "{text}");
    assert_eq!(fake.seen().len(), 1);
    let out = run("login.microsoftonline.com").await.unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!text.contains("logged in by"), "{text}");
    assert_eq!(fake.seen().len(), 1, "what NO_PROXY names is asked directly");
}

#[tokio::test]
#[ignore = "run by proxy_and_trust_come_from_the_environment_too, with the environment that it needs"]
async fn child_logs_in_by_the_environment() {
    let settings = crate::azure::Settings { timeout: Some(Duration::from_secs(3)), ..Default::default() };
    let env = crate::azure::login::environment();
    let azure = crate::azure::Azure::with(settings, env, false).unwrap();
    match azure.login().await {
        Ok(name) => println!("logged in by {name}"),
        Err(error) => println!("{error}"),
    }
}
