//! The user: tokens, token files, a pod's own account, and which of several files with the same name counts.

use super::fake::{Fake, Reply, cluster, entry, kubeconfig, refusal, settings};
use super::{at, pods};
use crate::cluster::{Cluster, Error, Settings, kubeconfig as room};
use serde_json::{Value, json};
use std::path::Path;

fn sent(fake: &Fake) -> Vec<String> {
    let seen = fake.seen.lock().unwrap();
    seen.iter().map(|s| s.headers.get("authorization").cloned().unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_token_from_a_file_is_sent_without_its_line_break_and_read_again_when_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let (path, later) = (file.clone(), "second\r\n");
    let fake = Fake::start(move |seen, _| {
        if seen.headers["authorization"] == "Bearer first" {
            std::fs::write(&path, later).unwrap();
            return refusal(401, "Unauthorized", "Unauthorized", json!({}));
        }
        Reply::Json(200, json!({}))
    })
    .await;
    let cluster = cluster(settings(&kubeconfig(&dir, &fake.url, json!({ "tokenFile": "token", "token": "older" })))).await.unwrap();
    cluster.write().get(&at(pods(), "a")).await.unwrap();
    // without the file, the last token is kept
    std::fs::remove_file(&file).unwrap();
    cluster.write().get(&at(pods(), "a")).await.unwrap();
    assert_eq!(sent(&fake), ["Bearer first", "Bearer second", "Bearer second"]);
}

#[tokio::test]
async fn an_unchanged_token_file_is_not_sent_again_after_a_401() {
    let fake = Fake::start(|_, _| refusal(401, "Unauthorized", "Unauthorized", json!({}))).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "old").unwrap();
    let cluster = cluster(settings(&kubeconfig(&dir, &fake.url, json!({ "tokenFile": "token" })))).await.unwrap();
    let e = cluster.write().get(&at(pods(), "a")).await.unwrap_err();
    assert!(matches!(e, Error::Unauthorized { .. }), "{e:?}");
    assert_eq!(sent(&fake), ["Bearer old"]);
}

#[tokio::test]
async fn user_name_password_and_impersonation_are_sent() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let dir = tempfile::tempdir().unwrap();
    let user = json!({ "username": "me", "password": "p@ss", "as": "somebody", "as-groups": ["devs"] });
    cluster(settings(&kubeconfig(&dir, &fake.url, user))).await.unwrap().write().get(&at(pods(), "a")).await.unwrap();
    let headers = fake.last().headers;
    assert_eq!(headers["authorization"], "Basic bWU6cEBzcw==");
    assert_eq!((headers["impersonate-user"].as_str(), headers["impersonate-group"].as_str()), ("somebody", "devs"));
}

fn file(path: &Path, current: &str, contexts: &[(&str, &str, &str)]) {
    let named = |name: &str, what: &str, value: Value| json!({ "name": name, what: value });
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": current,
        "clusters": contexts.iter().map(|(name, server, _)| named(name, "cluster", entry(server))).collect::<Vec<_>>(),
        "users": contexts.iter().map(|(name, _, token)| named(name, "user", json!({ "tokenFile": token }))).collect::<Vec<_>>(),
        "contexts": contexts.iter().map(|(name, ..)| named(name, "context", json!({ "cluster": name, "user": name }))).collect::<Vec<_>>(),
    });
    std::fs::write(path, text.to_string()).unwrap();
}

/// Follows the rules of client-go's loader: for each name, and for the current context, the first file that has it counts; missing and
/// empty files are ignored; a relative path is relative to its own file.
#[tokio::test]
async fn the_first_of_several_files_wins_by_name_and_paths_are_relative_to_their_file() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let other = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, token) in [(&one, "of-one"), (&two, "of-two")] {
        std::fs::write(dir.path().join("token"), token).unwrap();
    }
    let (first, second, empty) = (one.path().join("config"), two.path().join("config"), two.path().join("empty"));
    file(&first, "", &[("shared", &fake.url, "token")]);
    file(&second, "far", &[("shared", &other.url, "token"), ("far", &other.url, "token")]);
    std::fs::write(&empty, "").unwrap();
    let list = [&one.path().join("gone"), &empty, &first, &second].map(|p| p.display().to_string()).join(":");
    let env = move |name: &str| (name == "KUBECONFIG").then(|| list.clone());
    for (context, asked, token) in
        [(Some("shared"), &fake, "Bearer of-one"), (Some("far"), &other, "Bearer of-two"), (None, &other, "Bearer of-two")]
    {
        let settings = Settings { context: context.map(str::to_owned), parallelism: 2, ..Settings::default() };
        let cluster = Cluster::with_env(settings, &env).await.unwrap();
        assert_eq!(cluster.context(), context.unwrap_or("far"));
        cluster.write().get(&at(pods(), "a")).await.unwrap();
        assert_eq!(asked.last().headers["authorization"], token, "{context:?}");
    }
}

#[test]
fn a_pod_uses_its_own_service_account() {
    let made = rcgen::generate_simple_self_signed(["kubernetes".to_owned()]).unwrap();
    let account = tempfile::tempdir().unwrap();
    let env = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some("6443".to_owned()),
        "HTTPS_PROXY" => Some("http://proxy.corp:3128".to_owned()),
        "NO_PROXY" => Some("fd00::/8".to_owned()),
        _ => None,
    };
    let Err(Error::Kubeconfig(why)) = room::mounted(None, &env, account.path()) else { panic!("there is nothing mounted") };
    assert!(why.contains("ca.crt"), "{why}");
    std::fs::write(account.path().join("ca.crt"), made.cert.pem()).unwrap();
    let found = room::mounted(Some("in-cluster"), &env, account.path()).unwrap();
    assert_eq!(found.context, "in-cluster");
    assert_eq!(found.config.cluster_url.to_string(), "https://[fd00::1]:6443/");
    assert_eq!(found.config.root_cert, Some(vec![made.cert.der().to_vec()]));
    assert_eq!(found.config.auth_info.token_file, Some(account.path().join("token").display().to_string()));
    assert_eq!(found.config.proxy_url, None);
    assert!(
        matches!(room::mounted(Some("aks-1"), &env, account.path()), Err(Error::UnknownContext { known, .. }) if known == ["in-cluster"])
    );
    let Err(Error::Kubeconfig(why)) = room::mounted(None, &|_| None, account.path()) else { panic!("this is no pod") };
    assert!(why.contains("KUBERNETES_SERVICE_HOST"), "{why}");
}
