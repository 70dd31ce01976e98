//! Broken or malicious servers behind a trusted connection: endless responses, circular lists, endless waits, numbers out of range,
//! addresses of others. Each case must end with an error, in time and without a panic.

use super::fake::{Fake, Flow, Reply, SUB, empty, error, listener, pass, reply};
use crate::azure::{ArmId, Error, NewVault, Tags, id};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const ARM: &str = "management.azure.com";
const LOGIN: &str = "login.microsoftonline.com";
const VAULT: &str = "https://v.vault.azure.net/";
const VAULT_HOST: &str = "v.vault.azure.net";

fn vault(name: &str, uri: &str) -> Value {
    json!({ "id": format!("/subscriptions/{SUB}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{name}"), "location": "westeurope",
        "properties": { "tenantId": "tenant", "vaultUri": uri, "provisioningState": "Succeeded" } })
}

fn vault_id(name: &str) -> ArmId {
    ArmId::resource(SUB, "g", id::VAULT, name)
}

fn group() -> ArmId {
    ArmId::group(SUB, "g")
}

/// Starts a server that responds like this for one host, and with tokens as usual.
async fn at(host: &'static str, answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Fake {
    Fake::new(move |seen, nth| if seen.host == host { answer(nth) } else { pass() }).await
}

fn endless(status: u16) -> Reply {
    let chunk = Bytes::from(vec![b' '; 256 * 1024]);
    empty(status).with("content-type", "application/json").flowing(Flow::Endless(chunk))
}

/// Makes a gzip stream of this many zeros: one block of matches of 258 bytes each (RFC 1951, fixed codes), with 13 bits per match.
fn bomb(zeros: usize) -> Bytes {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut byte, mut filled) = (0u8, 0);
    let mut bits = |bits: &str| {
        for bit in bits.bytes() {
            byte |= (bit - b'0') << filled;
            filled += 1;
            if filled == 8 {
                out.push(byte);
                (byte, filled) = (0, 0);
            }
        }
    };
    bits("010"); // not the last block; fixed codes (the lower bit first)
    bits("00110000"); // a zero
    for _ in 0..zeros / 258 {
        bits("1100010100000"); // 258 bytes, copied from one byte before
    }
    bits("0000000000000000");
    out.into()
}

fn too_large<T: std::fmt::Debug>(answer: Result<T, Error>, host: &str) -> bool {
    match answer {
        Err(Error::TooLarge { host: named, .. }) => named == host,
        other => panic!("{host}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_response_of_any_kind_is_cut_off() {
    let fake = at(ARM, |_| endless(200)).await;
    let read = fake.azure().read();
    let (identity, scope) = (ArmId::resource(SUB, "g", id::IDENTITY, "i"), ArmId::subscription(SUB));
    assert!(too_large(read.group(&group()).await, ARM));
    assert!(too_large(read.identity(&identity).await, ARM));
    assert!(too_large(read.vault(&vault_id("v")).await, ARM));
    assert!(too_large(read.vaults(&scope).await, ARM));
    assert!(too_large(read.identities(&scope).await, ARM));
    assert!(too_large(read.role_assignments(&scope).await, ARM));
    let error = read.group(&group()).await.unwrap_err().to_string();
    assert_eq!(error, format!("could not read an answer from {ARM}: it is larger than 8 MiB"));
    let fake = at(VAULT_HOST, |_| endless(200)).await;
    let read = fake.azure().read();
    assert!(too_large(read.secret(VAULT, "s").await, VAULT_HOST));
    assert!(too_large(read.secrets(VAULT).await, VAULT_HOST));
    let fake = at(LOGIN, |_| endless(200)).await;
    assert!(too_large(fake.azure().login().await, LOGIN));
    let fake = at(ARM, |_| endless(403)).await;
    assert!(too_large(fake.azure().read().group(&group()).await, ARM), "an error, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_limit_applies_after_decompression() {
    let packed = bomb(1 << 30);
    assert!(packed.len() < 8 << 20, "sent as it is, it is small enough: {}", packed.len());
    let fake = at(ARM, move |_| {
        empty(200).with("content-encoding", "gzip").with("content-type", "application/json").flowing(Flow::Bytes(packed.clone()))
    })
    .await;
    let started = Instant::now();
    assert!(too_large(fake.azure().read().group(&group()).await, ARM));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_list_that_leads_back_to_one_of_its_pages_ends() {
    // the second page links to itself
    let arm = |seen: &super::fake::Seen| {
        reply(200, json!({ "value": [], "nextLink": format!("https://{ARM}{}", seen.path.split("?page").next().unwrap()) + "&page=2" }))
    };
    let fake = Fake::new(move |seen, _| match seen.host.as_str() {
        ARM if seen.path.contains("page=2") => reply(200, json!({ "value": [], "nextLink": format!("https://{ARM}{}", seen.path) })),
        ARM => arm(seen),
        VAULT_HOST => reply(200, json!({ "value": [], "nextLink": format!("{VAULT}secrets?api-version=7.6&$skiptoken=x") })),
        _ => pass(),
    })
    .await;
    let read = fake.azure().read();
    let scope = ArmId::subscription(SUB);
    let ends = |answer: Result<(), Error>, host: &str| match answer {
        Err(Error::EndlessList { host: named, why }) => assert!(named == host && why.contains("leads back"), "{why}"),
        other => panic!("{other:?}"),
    };
    ends(read.vaults(&scope).await.map(drop), ARM);
    ends(read.identities(&scope).await.map(drop), ARM);
    ends(read.role_assignments(&scope).await.map(drop), ARM);
    ends(read.role_definition(&scope, "x").await.map(drop), ARM);
    ends(read.secrets(VAULT).await.map(drop), VAULT_HOST);
    ends(read.secret_version(VAULT, "s").await.map(drop), VAULT_HOST);
    assert!(fake.seen().len() < 20, "{}", fake.seen().len());
}

#[tokio::test]
async fn a_list_that_always_has_another_page_ends_by_the_time_limit() {
    let pages = AtomicUsize::new(0);
    let fake = Fake::new(move |seen, _| {
        let page = pages.fetch_add(1, Ordering::Relaxed);
        match seen.host.as_str() {
            ARM => {
                reply(200, json!({ "value": [], "nextLink": format!("https://{ARM}/subscriptions/{SUB}/more?api-version=1&page={page}") }))
            }
            VAULT_HOST => reply(200, json!({ "value": [], "nextLink": format!("{VAULT}secrets?api-version=7.6&$skiptoken={page}") })),
            _ => pass(),
        }
    })
    .await;
    let read = fake.azure_with(|settings| settings.timeout = Some(Duration::from_secs(1)), &[]).read();
    let scope = ArmId::subscription(SUB);
    let started = Instant::now();
    let (vaults, identities, secrets) = tokio::join!(read.vaults(&scope), read.identities(&scope), read.secrets(VAULT));
    for answer in [vaults.map(drop), identities.map(drop), secrets.map(drop)] {
        assert!(matches!(answer, Err(Error::TimedOut(limit)) if limit == Duration::from_secs(1)), "{answer:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_link_to_another_port_or_with_a_name_in_it_is_not_followed() {
    for link in [format!("https://{ARM}:8443/more"), format!("https://me@{ARM}/more"), format!("http://{ARM}/more")] {
        let fake = at(ARM, move |_| reply(200, json!({ "value": [], "nextLink": link }))).await;
        let read = fake.azure().read();
        let scope = ArmId::subscription(SUB);
        assert!(matches!(read.vaults(&scope).await, Err(Error::Protocol(_))));
        assert!(matches!(read.identities(&scope).await, Err(Error::Protocol(_))));
        assert_eq!(fake.on(ARM).len(), 2);
    }
    let fake = at(VAULT_HOST, |_| reply(200, json!({ "value": [], "nextLink": "https://v.vault.azure.net:8443/secrets" }))).await;
    assert!(matches!(fake.azure().read().secrets(VAULT).await, Err(Error::Protocol(_))));
    assert_eq!(fake.on(VAULT_HOST).len(), 1);
}

#[tokio::test]
async fn an_invalid_next_link_is_an_error() {
    let long = format!("https://{ARM}/{}", "x".repeat(100_000));
    let long_in_vault = format!("{VAULT}{}", "x".repeat(100_000));
    for link in
        ["data:x", "mailto:me@example.com", "::", "https://", "/more", "no link", "https://[::1", long.as_str(), long_in_vault.as_str()]
    {
        let next = link.to_owned();
        let fake =
            Fake::new(move |seen, _| if seen.host == LOGIN { pass() } else { reply(200, json!({ "value": [], "nextLink": next })) }).await;
        let read = fake.azure().read();
        let scope = ArmId::subscription(SUB);
        let shown = &link[..link.len().min(40)];
        assert!(read.vaults(&scope).await.is_err() && read.identities(&scope).await.is_err(), "{shown}");
        assert!(read.role_assignments(&scope).await.is_err() && read.secrets(VAULT).await.is_err(), "{shown}");
    }
}

#[tokio::test]
async fn an_answer_that_trickles_ends_by_the_time_limit() {
    let fake = at(ARM, |_| empty(200).flowing(Flow::Trickle(Duration::from_millis(50)))).await;
    let azure = fake.azure_with(|settings| settings.timeout = Some(Duration::from_secs(1)), &[]);
    let started = Instant::now();
    assert!(matches!(azure.read().group(&group()).await, Err(Error::TimedOut(_))));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn slow_tries_and_polls_share_one_time_limit() {
    // each response arrives within the time limit of a request, and each one calls for another request
    let limit = Duration::from_millis(1500);
    let slow = Duration::from_millis(1000);
    let fake = Fake::slow(slow, |seen, _| if seen.host == ARM { error(500, "InternalServerError", "again") } else { pass() }).await;
    let azure = fake.azure_with(|settings| settings.timeout = Some(limit), &[]);
    let started = Instant::now();
    let error = azure.read().group(&group()).await.unwrap_err();
    assert!(started.elapsed() < limit + Duration::from_millis(400), "{:?}: {error:?}", started.elapsed());
    let fake = Fake::slow(Duration::from_millis(600), |seen, _| {
        let mut body = vault("v", VAULT);
        body["properties"]["provisioningState"] = json!("RegisteringDns");
        if seen.host == ARM { reply(200, body) } else { pass() }
    })
    .await;
    let azure = fake.azure_with(|settings| settings.timeout = Some(limit), &[]);
    azure.login().await.unwrap();
    let new = NewVault {
        id: vault_id("v"),
        location: "l".into(),
        tenant_id: "t".into(),
        rbac: true,
        tags: Tags::new(),
        recover: false,
        sku: None,
        retention_days: None,
        purge_protection: false,
    };
    let started = Instant::now();
    let error = azure.write(listener().0).put_vault(&new).await.unwrap_err();
    assert!(matches!(error, Error::NotYet { .. }), "{error:?}");
    assert!(started.elapsed() < limit + Duration::from_millis(400), "{:?}", started.elapsed());
}

#[tokio::test]
async fn any_pause_that_a_server_demands_is_handled() {
    let dates = ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 99 Foo 2026 99:99:99 GMT"];
    let numbers = [
        "18446744073709551615",
        "18446744073709551616",
        "999999999999999999999999999999",
        "-1",
        "-9223372036854775808",
        "1e300",
        "NaN",
        "",
        "soon",
        "1.5",
    ];
    let headers = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms"];
    let all = dates.into_iter().chain(numbers).flat_map(|value| headers.map(|header| (value, header)));
    let all = all.flat_map(|(value, header)| [429, 503].map(|status| (value, header, status)));
    futures::future::join_all(all.map(|(value, header, status)| async move {
        let fake = at(ARM, move |nth| {
            if nth == 0 { error(status, "Busy", "later").with(header, value) } else { error(404, "ResourceGroupNotFound", "gone") }
        })
        .await;
        let answer = fake.azure().read().group(&group()).await;
        let long = matches!(&answer, Err(Error::Throttled { after: Some(after), .. }) if after.as_secs() == 24 * 60 * 60)
            || matches!(&answer, Err(Error::Failed { status: 503, .. }));
        assert!(long || matches!(answer, Ok(None)), "{header}: {value} with {status}: {answer:?}");
    }))
    .await;
}

#[tokio::test]
async fn tokens_with_any_lifetime_are_handled() {
    let claims = "e30.eyJvaWQiOiJvIiwidGlkIjoidCJ9.s";
    let lives =
        [json!(u64::MAX), json!(i64::MAX), json!(i64::MIN), json!(-1), json!(0), json!(1e308), json!("86399"), json!("9".repeat(60))];
    for life in lives {
        let shown = life.to_string();
        let fake = Fake::new(move |seen, _| match seen.host.as_str() {
            LOGIN => reply(200, json!({ "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": claims })),
            _ => error(404, "ResourceGroupNotFound", "gone"),
        })
        .await;
        // the token is used, whether it can be cached or not
        assert!(matches!(fake.azure().read().group(&group()).await, Ok(None)), "{shown}");
    }
    for life in [json!("soon"), json!([]), json!({ "a": 1 }), json!(true), json!(null)] {
        let shown = life.to_string();
        let fake = at(LOGIN, move |_| reply(200, json!({ "token_type": "Bearer", "expires_in": life, "access_token": "t0ken" }))).await;
        let error = fake.azure().login().await.unwrap_err();
        assert!(error.to_string().contains("expires_in") && !format!("{error:?}").contains("t0ken"), "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn deep_and_extreme_json_is_an_error() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep = move |_| Reply { body: deep.clone(), ..empty(200) };
    let read = at(ARM, deep.clone()).await.azure().read();
    let scope = ArmId::subscription(SUB);
    assert!(read.group(&group()).await.is_err() && read.vaults(&scope).await.is_err() && read.identities(&scope).await.is_err());
    assert!(at(VAULT_HOST, deep.clone()).await.azure().read().secrets(VAULT).await.is_err());
    assert!(at(LOGIN, deep).await.azure().login().await.is_err());
    for number in ["9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e308", "1e999", "-0.0"] {
        let secret = format!(
            r#"{{"id":"{VAULT}secrets/s/v","value":"x","attributes":{{"enabled":true,"created":{number},"updated":{number},"exp":{number},"nbf":{number}}}}}"#
        );
        let one = secret.clone();
        let fake = Fake::new(move |seen, _| {
            match (seen.host.as_str(), seen.path.starts_with("/secrets/s?") || seen.path.starts_with("/secrets/s/?")) {
                (VAULT_HOST, true) => Reply { body: one.clone(), ..empty(200) },
                (VAULT_HOST, false) => Reply { body: format!(r#"{{"value":[{one}]}}"#), ..empty(200) },
                _ => pass(),
            }
        })
        .await;
        let read = fake.azure().read();
        // the result may be a value or an error, but not a panic
        let _ =
            (read.secret(VAULT, "s").await.map(drop), read.secrets(VAULT).await.map(drop), read.latest_secret(VAULT, "s").await.map(drop));
        assert!(!fake.on(VAULT_HOST).is_empty(), "{number}");
    }
}

#[tokio::test]
async fn a_vault_whose_address_is_not_its_own_is_refused_before_a_token_goes_there() {
    let foreign = [
        "https://evil.example/",
        "https://v.evil.example/",
        "https://other.vault.azure.net/",
        "https://vault.azure.net/",
        "https://v.vault.azure.net.evil.example/",
        "https://v.x.vault.azure.net/",
        "https://v.vault.azure.net:8443/",
        "https://me:pw@v.vault.azure.net/",
        "https://v.vault.azure.net/x",
        "https://v.vault.azure.net/?x",
        "http://v.vault.azure.net/",
        "https://v.managedhsm.azure.net/",
        "no address",
        "",
    ];
    for uri in foreign {
        let fake = at(ARM, move |nth| {
            let body = vault("v", uri);
            reply(200, if nth == 0 { body } else { json!({ "value": [body] }) })
        })
        .await;
        let read = fake.azure().read();
        let refused = |answer: Result<(), Error>| match answer {
            Err(Error::ForeignAddress { given, .. }) => assert_eq!(given, uri),
            other => panic!("{uri}: {other:?}"),
        };
        refused(read.vault(&vault_id("v")).await.map(drop));
        if uri != "https://other.vault.azure.net/" {
            assert!(matches!(read.secret(uri, "s").await, Err(Error::ForeignAddress { .. })), "{uri}: as the state might have it");
        }
        let hosts: Vec<String> = fake.seen().into_iter().map(|seen| seen.host).collect();
        assert!(hosts.iter().all(|host| host == ARM || host == LOGIN), "{uri}: {hosts:?}");
    }
    let fake = at(ARM, |_| reply(200, json!({ "value": [vault("v", "https://evil.example/")] }))).await;
    let error = fake.azure().read().vaults(&group()).await.unwrap_err();
    assert!(matches!(&error, Error::ForeignAddress { what, expected, .. } if what.contains("vaults/v") && expected == VAULT), "{error:?}");
    // the response is about another vault than the requested one
    let fake = at(ARM, |_| reply(200, vault("evil", "https://evil.vault.azure.net/"))).await;
    assert!(matches!(fake.azure().read().vault(&vault_id("v")).await, Err(Error::ForeignAddress { .. })));
    for own in
        ["https://V.vault.azure.net", "https://v.vault.azure.net:443/", "https://v.vault.azure.cn/", "https://v.vault.usgovcloudapi.net/"]
    {
        let fake = at(ARM, move |_| reply(200, vault("V", own))).await;
        let found = fake.azure().read().vault(&vault_id("v")).await.unwrap().unwrap();
        assert_eq!(found.uri, own.to_lowercase().trim_end_matches('/').replace(":443", "") + "/");
    }
}

#[tokio::test]
async fn a_token_of_github_is_not_sent_in_the_clear() {
    let fake = Fake::new(|_, _| pass()).await;
    let env = [
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "http://token.actions.githubusercontent.com/x"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t0ken"),
    ];
    let error = fake.azure_with(|settings| settings.client = None, &env).login().await.unwrap_err();
    assert!(format!("{error}").contains("https://") && !format!("{error:?}").contains("t0ken"), "{error:?}");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_line_break_in_what_the_environment_gives_is_an_error() {
    for name in
        ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"]
    {
        let github = name.starts_with("ACTIONS");
        let fake = Fake::new(|_, _| pass()).await;
        let value = |of: &str, plain: &str| if of == name { format!("{plain}\r\nx: y\u{0}") } else { plain.to_owned() };
        let mut env = vec![("AZURE_TENANT_ID", value("AZURE_TENANT_ID", "t")), ("AZURE_CLIENT_ID", value("AZURE_CLIENT_ID", "c"))];
        if github {
            let url = "https://token.actions.githubusercontent.com/x";
            env.push(("ACTIONS_ID_TOKEN_REQUEST_URL", value("ACTIONS_ID_TOKEN_REQUEST_URL", url)));
            env.push(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", value("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t0ken")));
        } else {
            env.push(("AZURE_CLIENT_SECRET", value("AZURE_CLIENT_SECRET", "s3cret")));
        }
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = fake.azure_with(|settings| settings.client = None, &env).login().await;
        let error = answer.expect_err(name);
        assert!(
            error.to_string().contains(name) && !format!("{error:?}").contains("s3cret") && !format!("{error:?}").contains("t0ken"),
            "{error:?}"
        );
        assert!(fake.seen().is_empty(), "{name}");
    }
}
