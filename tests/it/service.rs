//! `podid sandbox serve` as a service: several clients at once, all ways to end it, worlds of other versions.

use crate::common::{
    World,
    by_hand::{GROUP, runtime},
    until,
};
use reqwest::Client;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The number of clients at once.
const CLIENTS: usize = 8;
const VAULT: &str = "kv-service";

/// A client with its own login and connections.
#[derive(Clone)]
struct Session {
    client: Client,
    group: String,
    arm: String,
    vault: String,
}

impl Session {
    fn new(world: &World) -> Self {
        let client = runtime().block_on(async { world.client() });
        let (arm, vault) = (world.token("https://management.azure.com"), world.token("https://vault.azure.net"));
        Self { client, group: world.group_id(), arm, vault }
    }

    /// Sends a request; `None` if no answer came.
    async fn ask(&self, method: &str, url: &str, token: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    async fn identity(&self, method: &str, name: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let kind = "Microsoft.ManagedIdentity/userAssignedIdentities";
        let url = format!("https://management.azure.com{}/providers/{kind}/{name}?api-version=2023-01-31", self.group);
        self.ask(method, &url, &self.arm, body).await
    }

    async fn secret(&self, method: &str, name: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let url = format!("https://{VAULT}.vault.azure.net/secrets/{name}?api-version=7.4");
        self.ask(method, &url, &self.vault, body).await
    }
}

fn tagged(n: u64) -> Value {
    json!({"location": "westeurope", "tags": {"n": n.to_string()}})
}

/// Creates a vault in which the caller has all rights to secrets.
fn with_vault(world: &World) {
    let tenant = world.environment().into_iter().find(|(name, _)| name == "AZURE_TENANT_ID").unwrap().1;
    let caller = {
        use base64::Engine as _;
        let token = world.token("https://vault.azure.net");
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["oid"].clone()
    };
    let entry = json!({"tenantId": tenant, "objectId": caller, "permissions": {"secrets": ["get", "list", "set", "delete"]}});
    let properties = json!({"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": [entry], "enableRbacAuthorization": false});
    let path = format!("{}?api-version=2023-07-01", world.vault_id(VAULT));
    world.arm("PUT", &path, Some(json!({"location": "westeurope", "properties": properties}))).ok();
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[test]
fn eight_clients_at_once_get_their_own_answers() {
    const ROUNDS: u64 = 25;
    let world = World::served();
    with_vault(&world);
    let mark = world.requests().len();
    let sessions: Vec<Session> = (0..CLIENTS).map(|_| Session::new(&world)).collect();
    let before = world.requests().len();
    runtime().block_on(futures::future::join_all(sessions.iter().enumerate().map(|(at, session)| async move {
        let (own, shared) = (format!("of-{at}"), "of-all");
        for n in 0..ROUNDS {
            let (status, body) = session.identity("PUT", &own, Some(tagged(n))).await.unwrap();
            assert_eq!((status, &body["tags"]["n"]), (if n == 0 { 201 } else { 200 }, &json!(n.to_string())));
            let (_, body) = session.identity("GET", &own, None).await.unwrap();
            assert_eq!((&body["name"], &body["tags"]["n"]), (&json!(own), &json!(n.to_string())));
            let (status, _) = session.identity("PUT", shared, Some(tagged(n))).await.unwrap();
            assert!(status < 300, "{status}");
            let value = format!("{own}/{n}");
            session.secret("PUT", &own, Some(json!({ "value": value }))).await.unwrap();
            assert_eq!(session.secret("GET", &own, None).await.unwrap().1["value"], value);
        }
    })));
    let lines = world.requests();
    assert_eq!(lines.len() - before, CLIENTS * usize::try_from(ROUNDS).unwrap() * 5);
    // Each request has its own number, and each client its own connection to each host.
    assert_eq!(lines.iter().map(|l| l.n).collect::<Vec<_>>(), (1..=lines.len() as u64).collect::<Vec<_>>());
    let connections: BTreeSet<u64> = lines[before..].iter().map(|l| l.conn).collect();
    assert_eq!(connections.len(), CLIENTS * 2);
    assert!(lines[mark..].iter().all(|l| l.status < 300));
    let saved = world.saved();
    for at in 0..CLIENTS {
        let versions = saved["azure"]["secrets"][format!("{VAULT}/of-{at}")]["versions"].as_array().unwrap();
        assert_eq!(versions.len() as u64, ROUNDS);
    }
}

/// What a writer was told, by secret or identity: `None` is a deletion. Also its last request, which may have succeeded or not.
#[derive(Default)]
struct Answered {
    answered: BTreeMap<String, Option<String>>,
    asked: Option<(String, Option<String>)>,
}

/// Writes until no answer comes.
async fn write_on(session: Session, at: usize, round: usize, answers: Arc<AtomicUsize>) -> Answered {
    let mut told = Answered::default();
    for n in 0_u64.. {
        let name = format!("w{at}-{}", n % 5);
        let (identity, value) = (n % 3 != 0, format!("{round}/{n}"));
        let gone = identity && n % 7 == 6;
        let key = format!("{}/{name}", if identity { "identities" } else { "secrets" });
        let asked = (key, (!gone).then(|| value.clone()));
        told.asked = Some(asked.clone());
        let answer = match (identity, gone) {
            (true, true) => session.identity("DELETE", &name, None).await,
            (true, false) => session.identity("PUT", &name, Some(json!({"location": "westeurope", "tags": {"n": value}}))).await,
            // The values are large, so that the saved changes outgrow the world and the file is rewritten under load.
            (false, _) => session.secret("PUT", &name, Some(json!({"value": format!("{value} {}", "x".repeat(20_000))}))).await,
        };
        let Some((status, _)) = answer else { break };
        assert!(status < 300, "{status}");
        told.answered.insert(asked.0, asked.1);
        told.asked = None;
        answers.fetch_add(1, Ordering::Relaxed);
    }
    told
}

#[test]
fn every_answered_write_survives_a_kill() {
    let mut world = World::served();
    with_vault(&world);
    let mut rewritten = 0;
    for (round, enough) in [40, 90, 1, 150, 61].into_iter().enumerate() {
        let answers = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..CLIENTS).map(|at| runtime().spawn(write_on(Session::new(&world), at, round, answers.clone()))).collect();
        until("there are answers", || (answers.load(Ordering::Relaxed) >= enough).then_some(()));
        world.unserve();
        let told: Vec<Answered> = writers.into_iter().map(|w| runtime().block_on(w).unwrap()).collect();
        rewritten += world.saved()["saves"].as_u64().unwrap();
        world.serve();
        let session = Session::new(&world);
        for told in &told {
            for (key, value) in &told.answered {
                let (kind, name) = key.split_once('/').unwrap();
                let found = runtime().block_on(async {
                    match kind {
                        "identities" => session.identity("GET", name, None).await.unwrap().1["tags"]["n"].as_str().map(str::to_owned),
                        _ => session.secret("GET", name, None).await.unwrap().1["value"].as_str().map(str::to_owned),
                    }
                });
                let found = found.map(|text| text.split(' ').next().unwrap().to_owned());
                let perhaps = told.asked.as_ref().filter(|(asked, _)| asked == key).map(|(_, value)| value);
                assert!(found == *value || Some(&found) == perhaps, "{key} is {found:?}; answered was {value:?}, asked {:?}", told.asked);
            }
        }
    }
    assert!(rewritten > 5, "the world was never written anew under load");
}

#[test]
fn a_terminated_sandbox_finishes_running_requests_and_leaves_one_file() {
    let mut world = World::served();
    let session = Session::new(&world);
    world.settings(&json!({ "delay_ms": 400 }));
    let asking = runtime().spawn(async move { session.identity("PUT", "at-the-end", Some(tagged(1))).await });
    until("it is asked", || world.saved()["azure"].to_string().contains("at-the-end").then_some(()));
    signal("-TERM", world.server_id());
    assert_eq!(runtime().block_on(asking).unwrap().map(|(status, _)| status), Some(201));
    until("it has ended", || (!world.path(".podid/serve.json").exists() && world.read(".podid/changes.jsonl").is_empty()).then_some(()));
    world.unserve();
    let file: Value = serde_json::from_str(&world.read(".podid/world.json")).unwrap();
    assert!(file["azure"]["identities"].to_string().contains("at-the-end"));
    let (port, ca) = (world.read(".podid/port"), world.read(".podid/ca.pem"));
    world.serve();
    assert_eq!((world.port().to_string(), world.read(".podid/ca.pem")), (port, ca));
    let there = Session::new(&world);
    assert_eq!(runtime().block_on(there.identity("GET", "at-the-end", None)).unwrap().0, 200);
}

#[test]
fn the_log_has_a_line_for_each_answer_and_no_secrets() {
    let mut world = World::new();
    world.serve_with(&["--log"]);
    with_vault(&world);
    let session = Session::new(&world);
    runtime().block_on(async {
        session.secret("PUT", "s", Some(json!({"value": "kanarienvogel"}))).await.unwrap();
        session.secret("GET", "absent", None).await.unwrap();
        let url = format!("https://management.azure.com{}?api-version=2021-04-01&access_token={}", session.group, session.arm);
        session.ask("GET", &url, &session.arm, None).await.unwrap();
    });
    let log = world.read("serve.log");
    let lines: Vec<&str> = log.lines().filter(|line| line.ends_with(" ms")).collect();
    assert_eq!(lines.len(), world.requests().len(), "{log}");
    let shape = regex::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z client [A-Z]+ [a-z.-]+/\S* \d{3} \d+\.\d ms$").unwrap();
    assert!(lines.iter().all(|line| shape.is_match(line)), "{log}");
    let of = |end: &str| lines.iter().any(|line| line.contains(end));
    assert!(of(" client PUT kv-service.vault.azure.net/secrets/s?api-version=7.4 200 "), "{log}");
    assert!(of(" client GET kv-service.vault.azure.net/secrets/absent?api-version=7.4 404 ") && of("&access_token=*** 200 "), "{log}");
    for secret in ["kanarienvogel", session.arm.as_str(), session.vault.as_str()] {
        assert!(!log.contains(secret) && !world.read(".podid/requests.jsonl").contains(secret));
    }
}

#[test]
fn two_served_sandboxes_are_independent() {
    let (one, two) = (World::served(), World::served());
    assert_ne!(one.port(), two.port());
    let (first, second) = (Session::new(&one), Session::new(&two));
    runtime().block_on(async {
        let writes = (0..20).map(|n| async move { n });
        for n in futures::future::join_all(writes).await {
            let (own, others) = (format!("first-{n}"), format!("second-{n}"));
            let (a, b) = tokio::join!(first.identity("PUT", &own, Some(tagged(n))), second.identity("PUT", &others, Some(tagged(n))));
            assert_eq!((a.unwrap().0, b.unwrap().0), (201, 201));
            assert_eq!(first.identity("GET", &others, None).await.unwrap().0, 404);
        }
    });
    assert!(!one.saved().to_string().contains("second-") && !two.saved().to_string().contains("first-"));
}

#[test]
fn a_world_of_version_1_is_upgraded() {
    let mut world = World::new();
    std::fs::create_dir(world.path(".podid")).unwrap();
    let old = include_str!("../../src/sandbox/tests/world-1.json");
    world.write(".podid/world.json", old);
    world.serve();
    assert_eq!(world.saved()["version"], 2);
    let listed = world.arm("GET", &format!("/subscriptions/{}/resources?api-version=2021-04-01", world.subscription()), None).ok();
    assert!(listed["value"].as_array().unwrap().iter().any(|r| r["name"] == "myk8skv"));
    let session = Session::new(&world);
    runtime().block_on(session.identity("PUT", "of-today", Some(tagged(1)))).unwrap();
    world.unserve();
    world.serve();
    let all = world.saved();
    assert!(all["azure"]["vaults"]["myk8skv"].is_object() && all["azure"]["identities"].to_string().contains("of-today"));
}

#[test]
fn a_world_of_an_unknown_version_is_refused_with_a_hint() {
    let world = World::new();
    std::fs::create_dir(world.path(".podid")).unwrap();
    for (text, why) in [
        (r#"{"version": 3, "azure": {}}"#, "was written by a newer podid (version 3, this one knows 2)"),
        (r#"{"version": 0, "azure": {}}"#, "is damaged"),
        (r#"{"azure": {}}"#, "is damaged"),
        ("", "is damaged"),
    ] {
        world.write(".podid/world.json", text);
        let refused = world.podid(&["sandbox", "serve"]).exits(5);
        assert!(refused.stderr.contains(why) && refused.stderr.contains("podid sandbox reset"), "{}", refused.stderr);
        // Nothing was touched.
        assert_eq!(world.read(".podid/world.json"), text);
    }
    world.podid(&["sandbox", "reset"]).ok();
    world.podid(&["identity", "list", "-g", GROUP]).ok();
}
