//! Broken or malicious servers and login commands, and kubeconfigs with values out of range. Each case must end with an error, in time and
//! without a panic, and no credential may be sent unencrypted.

use super::config::{V1, exec, script};
use super::fake::{Fake, Reply, cluster, entry, kubeconfig, refusal, settings, to};
use super::{at, identities, pods};
use crate::cluster::{Cluster, Error, Settings};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn spaces() -> Bytes {
    Bytes::from(vec![b' '; 256 * 1024])
}

fn quick(fake: &Fake, timeout: Duration, whole: Duration) -> (tempfile::TempDir, Settings) {
    let dir = tempfile::tempdir().unwrap();
    let path = kubeconfig(&dir, &fake.url, json!({ "token": "t0ken" }));
    let settings = Settings { timeout: Some(timeout), whole: Some(whole), ..settings(&path) };
    (dir, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_response_of_any_kind_is_cut_off() {
    let fake = Fake::start(|_, _| Reply::Endless(200, spaces())).await;
    let (_dir, settings) = quick(&fake, Duration::from_secs(20), Duration::from_secs(20));
    let cluster_of = cluster(settings).await.unwrap();
    let large = |answer: Result<(), Error>, of: &str| match answer {
        Err(Error::TooLarge { what, context, server, .. }) => assert!(what == of && context == "lab" && server == fake.url, "{what}"),
        other => panic!("{of}: {other:?}"),
    };
    large(cluster_of.read().get(&at(pods(), "a")).await.map(drop), "an object");
    large(cluster_of.read().list(&pods(), None, None).await.map(drop), "a page of a list");
    large(cluster_of.write().apply(&at(pods(), "a"), &json!({}), false).await.map(drop), "an object");
    let error = cluster_of.write().get(&at(pods(), "a")).await.unwrap_err().to_string();
    assert!(error.ends_with("it is larger than 8 MiB"), "{error}");
    let refused = Fake::start(|_, _| Reply::Endless(403, spaces())).await;
    let answer = to(&refused).await.read().get(&at(pods(), "a")).await;
    assert!(matches!(&answer, Err(Error::TooLarge { what, .. }) if what == "an error"), "{answer:?}");
    let kinds = Fake::start(|seen, _| match seen.uri.as_str() {
        "/apis/aadpodidentity.k8s.io/v1" => Reply::Endless(200, spaces()),
        _ => Reply::Text(404, "404 page not found\n"),
    })
    .await;
    let answer = to(&kinds).await.read().get(&at(identities(), "a")).await;
    assert!(matches!(&answer, Err(Error::TooLarge { what, .. }) if what == "the kinds of an API group"), "{answer:?}");
    // a watch whose only event never ends
    let fake = Fake::start(|seen, _| {
        if seen.uri.contains("watch=true") {
            Reply::Endless(200, spaces())
        } else {
            Reply::Json(200, json!({ "metadata": { "resourceVersion": "1" }, "items": [] }))
        }
    })
    .await;
    let answer = to(&fake).await.write().wait(&pods(), Some("shop"), None, Duration::from_secs(20), |_| None::<()>).await;
    assert!(matches!(&answer, Err(Error::TooLarge { what, .. }) if what == "an event of a watch"), "{answer:?}");
}

#[tokio::test]
async fn a_list_that_leads_back_to_one_of_its_pages_ends() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({ "metadata": { "continue": "more" }, "items": [] }))).await;
    let answer = to(&fake).await.read().list(&pods(), None, None).await;
    assert!(matches!(&answer, Err(Error::EndlessList { why, .. }) if why.contains("leads back")), "{answer:?}");
    assert_eq!(fake.asked().len(), 2);
    // the pages expire whenever the second one is requested
    let fake = Fake::start(|seen, _| {
        if seen.uri.contains("continue=") {
            refusal(410, "Expired", "too old", json!({}))
        } else {
            Reply::Json(200, json!({ "metadata": { "continue": "more" }, "items": [] }))
        }
    })
    .await;
    let answer = to(&fake).await.read().list(&pods(), None, None).await;
    assert!(matches!(&answer, Err(Error::EndlessList { why, .. }) if why.contains("expired")), "{answer:?}");
    assert_eq!(fake.asked().len(), 8);
}

#[tokio::test]
async fn a_list_that_always_has_another_page_ends() {
    let fake = Fake::start(|_, before| Reply::Json(200, json!({ "metadata": { "continue": format!("c{before}") }, "items": [] }))).await;
    let (_dir, settings) = quick(&fake, Duration::from_secs(2), Duration::from_secs(60));
    let answer = cluster(settings).await.unwrap().read().list(&pods(), None, None).await;
    assert!(matches!(&answer, Err(Error::EndlessList { why, .. }) if why.contains("1000 pages")), "{answer:?}");
    let slow = Fake::start(|_, before| {
        Reply::Late(
            Duration::from_millis(50),
            Box::new(Reply::Json(200, json!({ "metadata": { "continue": format!("c{before}") }, "items": [] }))),
        )
    })
    .await;
    let (_dir, settings) = quick(&slow, Duration::from_secs(2), Duration::from_millis(500));
    let started = Instant::now();
    let answer = cluster(settings).await.unwrap().read().list(&pods(), None, None).await;
    assert!(matches!(&answer, Err(Error::TimedOut(limit)) if *limit == Duration::from_millis(500)), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// kube prepends the path of the kubeconfig's server to that of a request, and assumes that both together are a valid URL.
#[tokio::test]
async fn an_overlong_continue_token_is_an_error() {
    for (prefix, length) in [("", 70_000), ("/a/prefix/that/makes/it/too/long", 65_450)] {
        let next = "x".repeat(length);
        let fake = Fake::start(move |_, _| Reply::Json(200, json!({ "metadata": { "continue": next }, "items": [] }))).await;
        let dir = tempfile::tempdir().unwrap();
        let path = kubeconfig(&dir, &format!("{}{prefix}", fake.url), json!({}));
        let answer = cluster(settings(&path)).await.unwrap().read().list(&pods(), None, None).await;
        assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
        assert_eq!(fake.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_trickles_and_one_that_is_always_later_end_by_the_time_limit() {
    let limit = Duration::from_millis(800);
    let trickle = Fake::start(|_, _| Reply::Trickle(Duration::from_millis(50))).await;
    let busy = Fake::start(|_, _| {
        Reply::Late(Duration::from_millis(500), Box::new(Reply::With("retry-after", "0".into(), Box::new(Reply::Text(503, "busy")))))
    })
    .await;
    for fake in [&trickle, &busy] {
        let (_dir, settings) = quick(fake, limit, limit);
        let cluster = cluster(settings).await.unwrap();
        let started = Instant::now();
        let error = cluster.write().get(&at(pods(), "a")).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. } | Error::Failed { .. }), "{error:?}");
        assert!(started.elapsed() < limit + Duration::from_millis(500), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn any_pause_and_any_grace_period_of_a_server_are_handled() {
    for value in ["18446744073709551615", "99999999999999999999999", "-1", "1e9", "", "soon", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let busy = move |_: &super::fake::Seen, before: usize| {
            if before == 0 {
                Reply::With("retry-after", value.into(), Box::new(Reply::Text(429, "busy")))
            } else {
                Reply::Json(200, json!({}))
            }
        };
        let fake = Fake::start(busy).await;
        let answer = to(&fake).await.write().get(&at(pods(), "a")).await;
        assert!(matches!(&answer, Ok(Some(_)) | Err(Error::Failed { status: 429, .. })), "{value}: {answer:?}");
    }
    for grace in [json!(u64::MAX), json!(i64::MAX), json!(-1), json!(1e300), json!("x")] {
        let leaving = json!({ "metadata": { "name": "a", "uid": "u1", "deletionTimestamp": "9999-12-31T23:59:59Z", "deletionGracePeriodSeconds": grace, "finalizers": ["x/y"] } });
        let fake = Fake::start(move |_, _| Reply::Json(200, leaving.clone())).await;
        let limit = Duration::from_millis(300);
        let (_dir, settings) = quick(&fake, limit, limit);
        let started = Instant::now();
        let error = cluster(settings).await.unwrap().write().delete(&at(pods(), "a"), None, None).await.unwrap_err();
        assert!(matches!(error, Error::Held { .. }), "{grace}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{grace}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn deep_and_extreme_json_is_an_error_or_nothing() {
    let deep: &'static str = Box::leak(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_boxed_str());
    for code in [200, 404, 500] {
        let fake = Fake::start(move |_, _| Reply::Text(code, deep)).await;
        assert!(to(&fake).await.read().list(&pods(), None, None).await.is_err(), "{code}");
        let (read, place) = (to(&fake).await.read(), at(pods(), "a"));
        assert!(read.get(&place).await.is_err(), "{code}");
    }
    let odd =
        json!({ "kind": "Status", "code": u64::MAX, "reason": "NotFound", "message": "m", "details": { "name": "a", "kind": "pods" } });
    let fake = Fake::start(move |_, _| Reply::Json(404, odd.clone())).await;
    assert_eq!(to(&fake).await.read().get(&at(pods(), "a")).await.unwrap(), None, "the code of the answer counts");
    let items = Fake::start(|_, _| Reply::Json(200, json!({ "metadata": 7, "items": [1, null, [], "x"] }))).await;
    let _ = to(&items).await.read().list(&pods(), None, None).await;
}

#[tokio::test]
async fn a_login_command_that_prints_without_an_end_or_waits_for_ever_ends() {
    let dir = tempfile::tempdir().unwrap();
    let asked = async |text: &str, timeout: Duration| {
        let user = exec(&script(dir.path(), "plugin", text));
        let settings = Settings { timeout: Some(timeout), ..settings(&kubeconfig(&dir, "https://127.0.0.1:1", user)) };
        match cluster(settings).await.err().unwrap() {
            Error::Login { cause, .. } => cause,
            e => panic!("{e:?}"),
        }
    };
    let started = Instant::now();
    let cause = asked("exec yes s3cret", Duration::from_secs(20)).await;
    assert!(cause.contains("printed more than 1 MiB") && !cause.contains("s3cret"), "{cause}");
    let cause = asked("exec yes >&2", Duration::from_millis(500)).await;
    assert!(cause.contains("no answer within"), "{cause}");
    let cause = asked("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 3", Duration::from_secs(20)).await;
    assert!(cause.contains("exit status: 3") && cause.len() < 5000, "{}", cause.len());
    for token in ["t0ken\\n", "t0k\\nen", "t\\u0000k"] {
        let text = format!(r#"printf '%s' '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"{token}"}}}}'"#);
        let cause = asked(&text, Duration::from_secs(20)).await;
        assert!(cause.contains("line break") && !cause.contains("t0k"), "{cause}");
    }
    for end in ["99999-01-01T00:00:00Z", "never", "9999-12-31T23:59:59Z\\n"] {
        let text = format!(
            r#"printf '%s' '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"t","expirationTimestamp":"{end}"}}}}'"#
        );
        assert!(asked(&text, Duration::from_secs(20)).await.contains("expirationTimestamp"), "{end}");
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn values_that_are_not_valid_headers_are_refused_with_file_user_and_field() {
    let dir = tempfile::tempdir().unwrap();
    for (field, user) in [
        ("token", json!({ "token": "s3cret\n" })),
        ("token", json!({ "token": "s3cret\r\n" })),
        ("token", json!({ "token": "s3c\nret" })),
        ("as", json!({ "token": "t", "as": "s3cret\n" })),
        ("as-uid", json!({ "token": "t", "as-uid": "s3cret\n" })),
        ("as-groups", json!({ "token": "t", "as-groups": ["ok", "s3cret\n"] })),
        ("as-user-extra", json!({ "token": "t", "as-user-extra": { "scopes": ["s3cret\n"] } })),
        ("auth-provider id-token", json!({ "auth-provider": { "name": "oidc", "config": { "id-token": "s3cret\n" } } })),
        ("auth-provider", json!({ "auth-provider": { "name": "gcp", "config": { "cmd-path": "printf", "cmd-args": "s3cret\\n" } } })),
        ("client-certificate-data", json!({ "client-certificate-data": "s3cret!", "client-key-data": "AAAA" })),
        ("client-key-data", json!({ "client-certificate-data": "AAAA", "client-key-data": "s3cret!" })),
    ] {
        let path = kubeconfig(&dir, "https://127.0.0.1:1", user);
        let error = cluster(settings(&path)).await.err().unwrap_or_else(|| panic!("{field} was taken"));
        let Error::Kubeconfig(why) = &error else { panic!("{field}: {error:?}") };
        let names = [path.display().to_string(), format!("the {field} of user \"u\""), "\"lab\"".to_owned()];
        assert!(names.iter().all(|name| why.contains(name)) && !format!("{error:?}").contains("s3c"), "{why}");
    }
    // text that is not even YAML
    for odd in ["s3cret\u{0}", "s3cret\u{7f}", "s3cret\u{1b}"] {
        let error = cluster(settings(&kubeconfig(&dir, "https://127.0.0.1:1", json!({ "token": odd })))).await.err().unwrap();
        assert!(matches!(&error, Error::Kubeconfig(why) if !why.contains("s3c")), "{error:?}");
    }
    std::fs::write(dir.path().join("token"), "s3c\nret\n").unwrap();
    let error = cluster(settings(&kubeconfig(&dir, "https://127.0.0.1:1", json!({ "tokenFile": "token" })))).await.err().unwrap();
    assert!(matches!(&error, Error::Kubeconfig(why) if why.contains("line break") && !why.contains("s3c")), "{error:?}");
    // values that kube decodes itself: base64 of something that is not a certificate
    let pair = json!({ "client-certificate-data": "AAAA", "client-key-data": "AAAA" });
    assert!(matches!(cluster(settings(&kubeconfig(&dir, "https://127.0.0.1:1", pair))).await, Err(Error::Kubeconfig(_))));
    for (field, value) in
        [("tls-server-name", "a b\n"), ("proxy-url", "http://a\nb"), ("server", "https://a\nb"), ("certificate-authority-data", "!")]
    {
        let path = kubeconfig(&dir, "https://127.0.0.1:1", json!({}));
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        config["clusters"][0]["cluster"][field] = json!(value);
        std::fs::write(&path, config.to_string()).unwrap();
        assert!(matches!(cluster(settings(&path)).await, Err(Error::Kubeconfig(_))), "{field}");
    }
}

#[tokio::test]
async fn errors_report_which_of_several_files_has_the_user() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (one.path().join("config"), two.path().join("config"));
    let contexts = json!([{ "name": "lab", "context": { "cluster": "c", "user": "u" } }]);
    let head = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "lab", "contexts": contexts, "clusters": [{ "name": "c", "cluster": entry("https://127.0.0.1:1") }] });
    std::fs::write(&first, head.to_string()).unwrap();
    std::fs::write(
        &second,
        json!({ "apiVersion": "v1", "kind": "Config", "users": [{ "name": "u", "user": { "token": "x\n" } }] }).to_string(),
    )
    .unwrap();
    let list = format!("{}:{}", first.display(), second.display());
    let error = cluster(Settings { kubeconfig: Some(list), ..Settings::default() }).await.err().unwrap();
    assert!(matches!(&error, Error::Kubeconfig(why) if why.contains(&second.display().to_string())), "{error:?}");
}

#[tokio::test]
async fn no_credential_goes_to_a_server_that_is_not_encrypted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "t0ken").unwrap();
    let plugin = script(dir.path(), "plugin", "exit 3");
    for user in [
        json!({ "token": "t0ken" }),
        json!({ "tokenFile": "token" }),
        json!({ "username": "me", "password": "p" }),
        json!({ "client-certificate-data": "AAAA", "client-key-data": "AAAA" }),
        json!({ "auth-provider": { "name": "oidc", "config": { "id-token": "t0ken" } } }),
        exec(&plugin),
    ] {
        let error = cluster(settings(&kubeconfig(&dir, &server, user.clone()))).await.err().unwrap_or_else(|| panic!("{user} was taken"));
        let Error::Unencrypted { context, user: named, server: shown, .. } = &error else { panic!("{user}: {error:?}") };
        assert_eq!((context.as_str(), named.as_str(), shown), ("lab", "u", &server));
    }
    assert!(!dir.path().join("runs").exists(), "and no login command is run for it");
    let nobody = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(nobody.is_err(), "nobody connected");
    // as through `kubectl proxy`, which adds its own credential
    let own = cluster(settings(&kubeconfig(&dir, &server, json!({})))).await.unwrap();
    assert_eq!(own.unverified(), None);
    let error = cluster(settings(&kubeconfig(&dir, "ftp://127.0.0.1:1", json!({})))).await.err().unwrap();
    assert!(matches!(&error, Error::Kubeconfig(why) if why.contains("https://")), "{error:?}");
}

#[tokio::test]
async fn a_kubeconfig_that_skips_verification_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{ "name": "c", "cluster": { "server": "https://127.0.0.1:1", "insecure-skip-tls-verify": true } }],
        "contexts": [{ "name": "lab", "context": { "cluster": "c" } }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    let known: Cluster = cluster(settings(&path)).await.unwrap();
    assert_eq!(known.unverified(), Some(path.display().to_string().as_str()));
}
