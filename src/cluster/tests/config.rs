//! Kubeconfigs, login commands, proxies.

use super::fake::{Fake, Reply, cluster, kubeconfig, refusal, settings};
use super::{at, pods};
use crate::cluster::{Cluster, Error, Settings, TokenSource, proxy};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\necho run >> {}/runs\n{text}\n", dir.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn runs(dir: &Path) -> usize {
    std::fs::read_to_string(dir.join("runs")).unwrap_or_default().lines().count()
}

pub const V1: &str = "client.authentication.k8s.io/v1";

pub fn exec(command: &Path) -> serde_json::Value {
    json!({ "exec": { "apiVersion": V1, "command": command.display().to_string(), "interactiveMode": "Never", "env": [{ "name": "WHO", "value": "me" }], "args": ["get"] } })
}

#[tokio::test]
async fn the_login_command_runs_once_and_its_token_is_sent() {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"echo "$KUBERNETES_EXEC_INFO" > {0}/question; echo '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"tok-'$WHO-$1'"}}}}'"#,
        dir.path().display()
    );
    let plugin = script(dir.path(), "plugin", &text);
    let cluster = cluster(settings(&kubeconfig(&dir, &fake.url, exec(&plugin)))).await.unwrap();
    for name in ["a", "b", "c"] {
        cluster.read().get(&at(pods(), name)).await.unwrap();
    }
    assert_eq!(runs(dir.path()), 1);
    assert_eq!(fake.last().headers["authorization"], "Bearer tok-me-get");
    let question: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join("question")).unwrap()).unwrap();
    assert_eq!(question, json!({ "apiVersion": V1, "kind": "ExecCredential", "spec": { "interactive": false } }));
}

/// A user whose login command does not exist.
async fn in_memory(command: &str) -> crate::cluster::Result<(Fake, Cluster)> {
    let fake = Fake::start(|_, _| Reply::Json(200, json!({}))).await;
    let dir = tempfile::tempdir().unwrap();
    let user = json!({ "exec": { "apiVersion": V1, "command": command, "args": ["get-token", "--login", "devicecode"] } });
    let path = kubeconfig(&dir, &fake.url, user);
    let text = std::fs::read_to_string(&path).unwrap();
    let settings = settings(&path);
    let found = crate::cluster::kubeconfig::from_text(&text, "a test", &settings, &|_| None)?;
    let token: TokenSource = Arc::new(|| Box::pin(async { Ok("of-podid".into()) }));
    Ok((fake, Cluster::resolved(settings, found, Some(token)).await?))
}

#[tokio::test]
async fn podids_own_token_takes_the_place_of_kubelogin_and_of_no_other_command() {
    let (fake, cluster) = in_memory("/nowhere/kubelogin").await.unwrap();
    cluster.read().get(&at(pods(), "a")).await.unwrap();
    assert_eq!(fake.last().headers["authorization"], "Bearer of-podid");
    let failed = in_memory("/nowhere/other").await.err();
    assert!(matches!(failed, Some(Error::Login { .. })), "{failed:?}");
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once() {
    let fake = Fake::start(
        |_, before| {
            if before == 0 { refusal(401, "Unauthorized", "Unauthorized", json!({})) } else { Reply::Json(200, json!({})) }
        },
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let plugin =
        script(dir.path(), "plugin", &format!(r#"echo '{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"t"}}}}'"#));
    let cluster = cluster(settings(&kubeconfig(&dir, &fake.url, exec(&plugin)))).await.unwrap();
    cluster.read().get(&at(pods(), "a")).await.unwrap();
    assert_eq!(runs(dir.path()), 2);
}

#[tokio::test]
async fn the_error_of_a_failed_login_command_has_its_stderr() {
    let dir = tempfile::tempdir().unwrap();
    let failed = async |user| match cluster(settings(&kubeconfig(&dir, "https://127.0.0.1:1", user))).await.err().unwrap() {
        Error::Login { context, server, cause } => {
            assert_eq!((context.as_str(), server.as_str()), ("lab", "https://127.0.0.1:1"));
            cause
        }
        e => panic!("{e:?}"),
    };
    let plugin = script(dir.path(), "plugin", "echo s3cret; echo 'please run az login' >&2; exit 3");
    let cause = failed(exec(&plugin)).await;
    assert!(cause.contains("exit status: 3: please run az login") && !cause.contains("s3cret"), "{cause}");
    let cause = failed(exec(&script(dir.path(), "babbler", "echo s3cret"))).await;
    assert!(cause.contains("did not print JSON") && !cause.contains("s3cret"), "{cause}");
    let mut missing = exec(Path::new("no-such-kubelogin"));
    missing["exec"]["installHint"] = "get it from the hill".into();
    let cause = failed(missing).await;
    assert!(cause.contains("no-such-kubelogin is not installed; get it from the hill"), "{cause}");
    let start = Instant::now();
    let slow = exec(&script(dir.path(), "slow", "exec sleep 60"));
    let quick = Settings { timeout: Some(Duration::from_millis(300)), ..settings(&kubeconfig(&dir, "https://127.0.0.1:1", slow)) };
    assert!(matches!(cluster(quick).await.err().unwrap(), Error::Login { .. }));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn several_files_are_merged_and_the_error_for_an_unknown_context_lists_the_known_ones() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = kubeconfig(&one, "https://One.example:6443/k8s", json!({}));
    let second = two.path().join("config");
    let text = std::fs::read_to_string(&first).unwrap();
    let text = text.replace("\"lab\"", "\"far\"").replace("\"c\"", "\"d\"").replace("One", "two").replace(":6443/k8s", "");
    std::fs::write(&second, text).unwrap();
    let missing = one.path().join("missing");
    let all = format!("{}:{}:{}", first.display(), missing.display(), second.display());
    let with = |list: &str, context: Option<&str>| Settings {
        kubeconfig: Some(list.to_owned()),
        context: context.map(str::to_owned),
        ..Settings::default()
    };
    let cluster_of = async |settings| Cluster::with_env(settings, &|_| None).await;
    let lab = cluster_of(with(&all, None)).await.unwrap();
    assert_eq!((lab.context(), lab.server_host()), ("lab", "one.example"));
    let far = cluster_of(with(&all, Some("far"))).await.unwrap();
    assert_eq!((far.context(), far.server_host()), ("far", "two.example"));
    let e = cluster_of(with(&all, Some("moon"))).await.err().unwrap();
    assert!(matches!(&e, Error::UnknownContext { name, known } if name == "moon" && known == &["lab", "far"]), "{e:?}");
    let env = move |name: &str| (name == "KUBECONFIG").then(|| all.clone());
    let by_env = Cluster::with_env(Settings { context: Some("far".into()), ..Settings::default() }, &env).await.unwrap();
    assert_eq!(by_env.server_host(), "two.example");
    let e = cluster_of(with(&missing.display().to_string(), None)).await.err().unwrap();
    assert!(matches!(&e, Error::Kubeconfig(why) if why.contains("missing")), "{e:?}");
    let home = one.path().display().to_string();
    let e = Cluster::with_env(Settings::default(), &move |name| (name == "HOME").then(|| home.clone())).await.err().unwrap();
    assert!(matches!(&e, Error::Kubeconfig(why) if why.contains(".kube/config")), "{e:?}");
}

#[tokio::test]
async fn a_broken_kubeconfig_shows_where_but_none_of_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, "apiVersion: v1\nusers:\n- name: u\n  user: s3cret-token\n").unwrap();
    let e = cluster(settings(&path)).await.err().unwrap();
    let text = format!("{e} {e:?}");
    assert!(text.contains("line 4") && !text.contains("s3cret"), "{text}");
}

fn chosen(server: &str, explicit: Option<&str>, vars: &[(&str, &str)]) -> Option<String> {
    let vars: Vec<_> = vars.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let env = move |name: &str| vars.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    proxy::choose(&server.parse().unwrap(), explicit, &env).unwrap().map(|uri| uri.to_string().trim_end_matches('/').to_owned())
}

#[test]
fn the_proxy_is_chosen_by_the_clusters_own_host() {
    let proxy = ("HTTPS_PROXY", "http://proxy.corp:3128");
    let with = |server: &str, no: &str| chosen(server, None, &[proxy, ("NO_PROXY", no)]);
    let yes = Some("http://proxy.corp:3128".to_owned());
    let aks = "https://aks-1.hcp.westeurope.azmk8s.io:443";
    assert_eq!(with(aks, ""), yes);
    assert_eq!(with(aks, "proxy.corp"), yes, "the proxy's own name says nothing");
    for no in ["*", "azmk8s.io", ".azmk8s.io", " example.com , AKS-1.hcp.westeurope.azmk8s.io ", "azmk8s.io:443", "*.azmk8s.io"] {
        assert_eq!(with(aks, no), None, "{no}");
    }
    for no in ["mk8s.io", "azmk8s.io:6443", ".aks-1.hcp.westeurope.azmk8s.io", "10.0.0.0/8"] {
        assert_eq!(with(aks, no), yes, "{no}");
    }
    assert_eq!(with("https://10.1.2.3:6443", "10.0.0.0/8"), None);
    assert_eq!(with("https://10.1.2.3:6443", "11.0.0.0/8,10.1.2.4"), yes);
    assert_eq!(with("https://[fd00::1]:6443", "fd00::/8"), None);
    assert_eq!(with("https://[fd00::1]:6443", "fd00::1"), None);
    assert_eq!(with("https://127.0.0.1:6443", ""), None, "never for the machine itself");
    assert_eq!(chosen(aks, None, &[("https_proxy", "proxy.corp:3128")]), yes);
    assert_eq!(
        chosen(aks, Some("http://other:1"), &[proxy, ("NO_PROXY", "*")]),
        Some("http://other:1".into()),
        "the kubeconfig's own wins"
    );
    assert_eq!(chosen("http://cluster.example", None, &[proxy]), None, "HTTPS_PROXY is for https");
    assert!(proxy::choose(&aks.parse().unwrap(), Some("socks5://x"), &|_| None).is_err());
}

#[tokio::test]
async fn a_cluster_behind_a_proxy_is_reached_by_a_tunnel() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let fake = Fake::start(|_, _| Reply::Json(200, json!({ "metadata": { "name": "a" } }))).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://me:p%40ss@{}", listener.local_addr().unwrap());
    let target = fake.url.trim_start_matches("https://").to_owned();
    let heads = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(tcp.read_u8().await.unwrap());
            }
            kept.lock().unwrap().push(String::from_utf8(head).unwrap());
            tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut out = tokio::net::TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tcp, &mut out).await });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let path = kubeconfig(&dir, "https://aks.example:8080", json!({}));
    let text = std::fs::read_to_string(&path).unwrap().replacen("\"server\"", &format!("\"proxy-url\": \"{proxy}\", \"server\""), 1);
    std::fs::write(&path, text).unwrap();
    let cluster = cluster(settings(&path)).await.unwrap();
    assert!(cluster.read().get(&at(pods(), "a")).await.unwrap().is_some());
    let head = heads.lock().unwrap()[0].clone().to_lowercase();
    assert!(head.starts_with("connect aks.example:8080") && head.contains("proxy-authorization: basic bwu6cebzcw=="), "{head}");
}
